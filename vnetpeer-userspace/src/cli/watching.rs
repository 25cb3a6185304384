//! What `observe` and `capture` have in common: which packets, from which hosts, for how long.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use tokio::{signal::ctrl_c, sync::mpsc, time::sleep};

use super::{
    Global,
    flows::{prefix, protocol},
    named,
    target::Source,
};
use crate::{
    agent::{
        api::{LostPackets, PacketStage, SeenPacket, WatchLine, WatchRequest},
        client::{ClientError, Lines},
    },
    topology::model::Peering,
};

/// Lines of all hosts that wait.
const QUEUE: usize = 4_096;

/// Which packets. All conditions must fit; the kernel compares.
#[derive(Args, Debug)]
pub(super) struct Filter {
    /// Only packets that this NIC sends or receives: its name or ARM id
    #[arg(long, value_name = "NIC")]
    pub(super) nic: Option<String>,
    /// Only packets that a NIC of this VNet sends or receives
    #[arg(long, value_name = "VNET")]
    vnet: Option<String>,
    /// Only packets that this peering, of either side, carries or stops: VNET/PEERING or its ARM id
    #[arg(long, value_name = "PEERING")]
    peering: Option<String>,
    /// Only packets from or to this address or prefix
    #[arg(long, value_name = "ADDRESS", value_parser = prefix)]
    pub(super) address: Option<IpNet>,
    /// Only TCP and UDP packets from or to this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only packets of this protocol: icmp, tcp, udp, esp, ah, icmpv6 or a number
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    protocol: Option<u8>,
    /// Only drops, or only packets that opened a flow
    #[arg(long, value_enum)]
    verdict: Option<Verdict>,
    /// Only drops for this reason (repeat it for several); `vnetpeer explain --list` shows them
    #[arg(long, value_name = "REASON")]
    reason: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verdict {
    /// It was dropped
    Dropped,
    /// It opened a flow
    Allowed,
}

/// When to end.
#[derive(Args, Debug)]
pub(super) struct Bounds {
    /// End after so many packets
    #[arg(long, value_name = "NUMBER")]
    pub(super) count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(super) duration: Option<f64>,
}

impl Filter {
    /// The request to an agent; `stages` unless the options name some.
    pub(super) async fn request(
        &self,
        stages: &[PacketStage],
        snap: u32,
        global: &Global,
    ) -> anyhow::Result<WatchRequest> {
        let stages = match self.verdict {
            _ if !self.reason.is_empty() => &[PacketStage::Dropped],
            Some(Verdict::Dropped) => &[PacketStage::Dropped],
            Some(Verdict::Allowed) => &[PacketStage::Opened],
            None => stages,
        };
        let mut request = WatchRequest {
            address: self.address,
            port: self.port,
            protocol: self.protocol,
            reasons: self.reason.clone(),
            stages: stages.to_vec(),
            snap,
            ..WatchRequest::default()
        };
        if self.nic.is_none() && self.vnet.is_none() && self.peering.is_none() {
            return Ok(request);
        }
        let source = Source::open(None, &global.target).await?;
        let topology = &source.topology;
        if let Some(name) = &self.nic {
            request.network_interface = Some(source.nic(name)?.id.to_string());
        }
        if let Some(name) = &self.vnet {
            let (_, vnet) = named::find("virtual network", name, &topology.vnets, |it| &it.id)?;
            request.virtual_network = Some(vnet.id.to_string());
        }
        if let Some(name) = &self.peering {
            let all: Vec<&Peering> = topology.written_peerings().collect();
            let (vnet, peering) = name.rsplit_once('/').unwrap_or(("", name));
            let of_vnet = |it: &&&Peering| {
                vnet.is_empty()
                    || topology.vnet(it.vnet).is_some_and(|it| named::is_named(&it.id, vnet))
            };
            let found = all.iter().find(|it| it.id.as_str().eq_ignore_ascii_case(name));
            let id = if let Some(found) = found {
                &found.id
            } else {
                let candidates: Vec<&Peering> = all.iter().filter(of_vnet).copied().collect();
                &named::find("peering", peering, &candidates, |it| &it.id)?.1.id
            };
            request.peering = Some(id.to_string());
        }
        Ok(request)
    }
}

/// What was seen in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) seen: u64,
    pub(super) lost: u64,
}

/// Watches on all hosts, and hands what they tell to `see` until the bounds, a signal or the last host ends
/// it; `ready` is called when every host tells.
pub(super) async fn watch(
    request: &WatchRequest,
    bounds: &Bounds,
    global: &Global,
    ready: impl FnOnce(),
    mut see: impl FnMut(&SeenPacket) -> anyhow::Result<()>,
) -> anyhow::Result<Totals> {
    let (sender, mut lines) = mpsc::channel(QUEUE);
    let mut waiting = 0;
    for (host, client) in global.target.clients()?.into_iter().enumerate() {
        let stream = client.watch(request).await?;
        tokio::spawn(forward(host, stream, sender.clone()));
        waiting += 1;
    }
    drop(sender);
    let duration = bounds.duration.map(Duration::try_from_secs_f64).transpose();
    let duration = duration.context("--duration must be a number of seconds")?;
    let end = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut ready = Some(ready);
    let mut totals = Totals::default();
    let mut lost: Vec<LostPackets> = vec![LostPackets::default(); waiting];
    while bounds.count.is_none_or(|count| totals.seen < count) {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = &mut end => break,
            signal = ctrl_c() => { signal?; break }
        };
        let Some((host, line)) = line else { break };
        match line? {
            WatchLine::Ready(_) => waiting -= 1,
            WatchLine::Packet(packet) => {
                totals.seen += 1;
                see(&packet)?;
            }
            WatchLine::Lost(now) => {
                if let Some(lost) = lost.get_mut(host) {
                    *lost = now;
                }
            }
        }
        if waiting == 0
            && let Some(ready) = ready.take()
        {
            ready();
        }
    }
    totals.lost = lost.into_iter().map(LostPackets::all).sum();
    Ok(totals)
}

type Told = (usize, Result<WatchLine, ClientError>);

async fn forward(host: usize, mut lines: Lines, to: mpsc::Sender<Told>) {
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let ends = line.is_err();
        if to.send((host, line)).await.is_err() || ends {
            return;
        }
    }
}
