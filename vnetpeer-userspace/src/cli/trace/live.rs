//! The packet of a trace through the programs and maps that are in force: from agent to agent, by test runs that
//! nobody else notices.

use std::{collections::HashMap, fmt::Write as _};

use anyhow::{Context as _, bail};
use serde::Serialize;
use vnetpeer_common::types::NicId;

use super::super::{
    output::short,
    target::{Source, Target},
};
use crate::{
    agent::{
        api::{TraceFrame, TraceOutcome, TraceRequest},
        client::Client,
    },
    explanation::Finding,
    simulate::{
        self, FrameEnd, Packet, Stop,
        trace::{Trace, TraceWay},
        wire,
    },
    topology::model::{Nic, ResourceId},
};

/// NICs after which a packet is not followed any more: as many as it has hops.
const NICS_MAX: usize = 64;

/// What the hosts say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live {
    /// The way of the request.
    request: LiveWay,
    /// The way of its answer; null if the request does not arrive.
    answer: Option<LiveWay>,
    /// Where they contradict each other or the trace; none: they agree.
    disagreements: Vec<Disagreement>,
}

/// The way of a packet by the programs in the kernels.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveWay {
    /// The NICs that got it, in order.
    network_interfaces: Vec<String>,
    /// `Delivered`, or the code of what became of it.
    code: String,
    /// The NIC at whose side it ends.
    network_interface: Option<String>,
}

/// Two that should say the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Disagreement {
    /// `TraceDisagreement`.
    code: &'static str,
    /// The host that contradicts itself; null if the hosts contradict the document.
    host: Option<String>,
    /// Who says what.
    message: String,
    /// What to do then.
    fix: &'static str,
}

impl Disagreement {
    fn new(host: Option<&str>, message: String) -> Self {
        let it = Finding::TraceDisagreement.explanation();
        Self { code: it.code, host: host.map(ToOwned::to_owned), message, fix: it.fix }
    }
}

impl Live {
    pub(super) fn agrees(&self) -> bool {
        self.disagreements.is_empty()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("\nkernel: request {}", self.request.text());
        if let Some(answer) = &self.answer {
            let _ = write!(text, ", answer {}", answer.text());
        }
        text.push_str(if self.agrees() { ": programs, maps and trace agree\n" } else { "\n" });
        for it in &self.disagreements {
            let _ = writeln!(text, "\n{}: {}\n  fix: {}", it.code, it.message, it.fix);
        }
        text
    }
}

impl LiveWay {
    fn text(&self) -> String {
        let at = self.network_interface.as_deref();
        at.map_or_else(|| self.code.clone(), |id| format!("{} at {}", self.code, short(id)))
    }

    /// Compares with what the document in force says.
    fn differs(&self, name: &str, way: Option<&TraceWay>) -> Option<Disagreement> {
        let Some(way) = way else {
            let message = format!("by the document there is no {name}, by the kernels there is");
            return Some(Disagreement::new(None, message));
        };
        // The hop on which it is dropped names the NIC that it was for.
        let passed = way.hops.iter().filter(|hop| hop.stages.iter().all(|it| it.code.is_none()));
        let nics: Vec<&str> = passed.filter_map(|hop| Some(hop.to.as_ref()?.as_str())).collect();
        let end = &way.end;
        let at = end.network_interface.as_ref().map(ResourceId::as_str);
        if self.code == end.code
            && self.network_interface.as_deref() == at
            && self.network_interfaces == nics
        {
            return None;
        }
        let path = |nics: &[&str]| nics.iter().map(|id| short(id)).collect::<Vec<_>>().join(" → ");
        let kernels: Vec<&str> = self.network_interfaces.iter().map(String::as_str).collect();
        let message = format!(
            "the {name}, by the document in force: {} at {} ({}); by the hosts' kernels: {} ({})",
            end.code,
            at.map_or("nobody", short),
            path(&nics),
            self.text(),
            path(&kernels)
        );
        Some(Disagreement::new(None, message))
    }
}

/// Asks the agents for the packet of a trace and for its answer.
pub(super) async fn live(
    source: &Source,
    target: &Target,
    simulated: &simulate::Network,
    (nic, packet): (&Nic, &Packet),
    trace: &Trace,
) -> anyhow::Result<Live> {
    let mut hosts = Hosts::open(source, target, simulated).await?;
    let from = source.state.nic(&nic.id).context("the NIC has no number")?;
    let (request, received) = hosts.send(from, packet).await?;
    let mut disagreements = std::mem::take(&mut hosts.disagreements);
    disagreements.extend(request.differs("request", Some(&trace.request)));
    let mut answer = None;
    if let Some((at, received)) = received {
        let (way, _) = hosts.send(at, &received.answer()).await?;
        disagreements.append(&mut hosts.disagreements);
        disagreements.extend(way.differs("answer", trace.answer.as_ref()));
        answer = Some(way);
    }
    Ok(Live { request, answer, disagreements })
}

/// The agents, and what was given to each so far: a test run knows only the flows of its own request.
struct Hosts<'a> {
    simulated: &'a simulate::Network,
    clients: HashMap<usize, (String, Client)>,
    frames: HashMap<usize, Vec<TraceFrame>>,
    disagreements: Vec<Disagreement>,
}

impl<'a> Hosts<'a> {
    async fn open(
        source: &Source,
        target: &Target,
        simulated: &'a simulate::Network,
    ) -> anyhow::Result<Self> {
        let mut clients = HashMap::new();
        for client in target.clients()? {
            let name = client.status().await?.host;
            if let Some(index) = source.topology.hosts.iter().position(|host| host.name == name) {
                clients.insert(index, (name, client));
            }
        }
        Ok(Self { simulated, clients, frames: HashMap::new(), disagreements: Vec::new() })
    }

    fn id(&self, nic: NicId) -> Option<String> {
        self.simulated.nic(nic).map(ToString::to_string)
    }

    /// Follows a packet; also returns the NIC that has its destination, and the packet as that got it.
    async fn send(
        &mut self,
        from: NicId,
        packet: &Packet,
    ) -> anyhow::Result<(LiveWay, Option<(NicId, Packet)>)> {
        let mac = self.simulated.mac(from).context("the NIC is on no host")?;
        let (mut at, mut frame) = (from, wire::frame(packet, mac));
        let mut way = LiveWay::default();
        for _ in 0..NICS_MAX {
            let outcome = self.hand_over(at, frame).await?;
            let FrameEnd::Delivered(nic) = outcome.programs else {
                let (code, nic) = match outcome.programs {
                    FrameEnd::Dropped { reason, nic } if nic != 0 => (reason, NicId(nic)),
                    FrameEnd::Dropped { reason, .. } | FrameEnd::Other(reason) => (reason, at),
                    _ => (Finding::HostUnreachable.explanation().code.to_owned(), at),
                };
                (way.code, way.network_interface) = (code, self.id(nic));
                return Ok((way, None));
            };
            at = NicId(nic);
            way.network_interface = self.id(at);
            way.network_interfaces.extend(self.id(at));
            let (destination, destination_port) = wire::destination(&outcome.bytes, packet);
            match self.simulated.stop(at, destination) {
                Some(Stop::Delivered) => {
                    "Delivered".clone_into(&mut way.code);
                    let received = Packet { destination, destination_port, ..*packet };
                    return Ok((way, Some((at, received))));
                }
                Some(Stop::Left) => {
                    Finding::LeftNetwork.explanation().code.clone_into(&mut way.code);
                    return Ok((way, None));
                }
                None => {}
            }
            let mac = self.simulated.mac(at).context("the NIC is on no host")?;
            let Some(forwarded) = wire::forwarded(&outcome.bytes, mac) else {
                Finding::HopsExhausted.explanation().code.clone_into(&mut way.code);
                return Ok((way, None));
            };
            frame = forwarded;
        }
        bail!("the packet goes round and its hops are not used up")
    }

    /// Takes a frame from a NIC to the next one, by way of another host if need be.
    async fn hand_over(&mut self, from: NicId, frame: Vec<u8>) -> anyhow::Result<TraceOutcome> {
        let host = self.simulated.host_of(from).context("the NIC is on no host")?;
        let outcome = self.run(host, Some(from.0), frame).await?;
        if outcome.programs != FrameEnd::Transmitted {
            return Ok(outcome);
        }
        let host = wire::address(&outcome.bytes).and_then(|it| self.simulated.host_at(it));
        match host {
            Some(host) => self.run(host, None, outcome.bytes).await,
            None => Ok(outcome),
        }
    }

    async fn run(
        &mut self,
        host: usize,
        nic: Option<u32>,
        bytes: Vec<u8>,
    ) -> anyhow::Result<TraceOutcome> {
        let (name, client) = self.clients.get(&host).context(
            "the packet's way leads over a host whose agent is not asked; name its --socket too",
        )?;
        let frames = self.frames.entry(host).or_default();
        frames.push(TraceFrame { nic, bytes });
        let reply = client.trace(&TraceRequest { frames: frames.clone() }).await?;
        let outcome = reply.outcomes.into_iter().next_back();
        let outcome = outcome.context("the agent says nothing of the frame")?;
        if outcome.programs != outcome.maps {
            let message = format!(
                "on {name} the programs say {:?}, and the datapath core over the same maps {:?}",
                outcome.programs, outcome.maps
            );
            self.disagreements.push(Disagreement::new(Some(name.as_str()), message));
        }
        Ok(outcome)
    }
}
