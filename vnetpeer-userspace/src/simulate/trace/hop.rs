//! The stages of one hop.

use vnetpeer_common::{reason::DropReason, types::NicId, wire::protocol};
use vnetpeer_metering::record::Direction;

use super::{
    Leg, Tracer, route,
    view::{Billed, Stage, StageName, TraceHop},
};
use crate::{
    simulate::{End, Hop, Packet, Protocol},
    topology::{
        flow_verify::{self, verify},
        model::{self, Access, Nic, ResourceId},
        network::NetworkError,
    },
};

/// The stages of a hop in the order of the datapath.
const ORDER: [StageName; 8] = [
    StageName::Source,
    StageName::Route,
    StageName::OutboundRules,
    StageName::Mtu,
    StageName::Tunnel,
    StageName::Peering,
    StageName::Destination,
    StageName::InboundRules,
];

/// The stage at which a packet is dropped for a reason.
const fn stage_of(reason: DropReason, at_sender: bool) -> StageName {
    match reason {
        DropReason::NoRoute
        | DropReason::RouteNone
        | DropReason::NextHopUnreachable
        | DropReason::InternetUnavailable
        | DropReason::NoEndpoint
        | DropReason::RouteLoop
        | DropReason::HopLimitExceeded
        | DropReason::PeeringNotConnected
        | DropReason::LoadBalancerNoRule
        | DropReason::LoadBalancerNoBackend
        | DropReason::LoadBalancerNotGlobal
        | DropReason::LoadBalancerProtocol
        | DropReason::LoadBalancerLoop => StageName::Route,
        DropReason::OutboundRuleDenied => StageName::OutboundRules,
        DropReason::InboundRuleDenied => StageName::InboundRules,
        DropReason::MtuExceeded => StageName::Mtu,
        DropReason::ForwardedTrafficDenied | DropReason::NoRelation => StageName::Peering,
        DropReason::ForwardingDisabled => StageName::Destination,
        DropReason::AdminRuleDenied
        | DropReason::VirtualNetworkAccessDenied
        | DropReason::TcpWithoutFlow
        | DropReason::IcmpWithoutFlow
        | DropReason::FlowQuotaReached
        | DropReason::HalfOpenQuotaReached
        | DropReason::FlowTableFull => {
            if at_sender {
                StageName::OutboundRules
            } else {
                StageName::InboundRules
            }
        }
        DropReason::VtepUnknown
        | DropReason::VxlanInvalid
        | DropReason::VniNotHosted
        | DropReason::NicNotHosted
        | DropReason::SourceNicUnknown
        | DropReason::SourceNicElsewhere
        | DropReason::VniMismatch
        | DropReason::EncapFailed
        | DropReason::DecapFailed => StageName::Tunnel,
        _ => StageName::Source,
    }
}

impl Tracer<'_> {
    /// Explains a hop; and what is not as the document says it should be.
    pub(super) fn hop(
        &self,
        leg: &Leg<'_>,
        hop: &Hop,
    ) -> Result<(TraceHop, Option<String>), NetworkError> {
        let dropped = match leg.journey.end {
            End::Dropped(drop) if leg.journey.unfinished.as_ref() == Some(hop) => Some(drop),
            _ => None,
        };
        let at_sender = dropped.is_some_and(|drop| drop.nic == hop.from);
        let last = dropped.map(|drop| stage_of(drop.reason, at_sender));
        let (sender, receiver) = (self.nic(hop.from), self.nic(Self::receiver(leg, hop)));
        let mut stages = Vec::new();
        let mut disagrees = None;
        for stage in ORDER {
            let is_last = last == Some(stage);
            let code = dropped.filter(|_| is_last).map(|drop| drop.reason);
            let explained = match stage {
                StageName::OutboundRules | StageName::InboundRules => {
                    let (found, differs) = self.rules(leg, (sender, receiver), stage, code)?;
                    disagrees = disagrees.or(differs);
                    found
                }
                _ => self.stage(leg, hop, (sender, receiver), stage),
            };
            stages.extend(explained.map(|it| it.ended_by(code)));
            if is_last {
                if stages.last().is_none_or(|it| it.stage != stage) {
                    stages.push(Stage::new(stage, String::new()).ended_by(code));
                }
                break;
            }
            if leg.journey.unfinished.as_ref() == Some(hop) && dropped.is_none() {
                break;
            }
        }
        let to = Some(Self::receiver(leg, hop)).filter(|to| to.is_some() && *to != hop.from);
        let hop = TraceHop {
            from: self.name(hop.from),
            from_host: sender.and_then(|nic| self.host(nic)),
            to: to.map(|to| self.name(to)),
            to_host: receiver.and_then(|nic| self.host(nic)),
            stages,
            billed: self.billed(hop, &leg.packet),
        };
        Ok((hop, disagrees))
    }

    /// The NIC that a packet was for, also if it was dropped at its side.
    fn receiver(leg: &Leg<'_>, hop: &Hop) -> NicId {
        match leg.journey.end {
            End::Dropped(drop) if !hop.to.is_some() && drop.nic != hop.from => drop.nic,
            _ => hop.to,
        }
    }

    fn name(&self, nic: NicId) -> ResourceId {
        let unknown = || ResourceId::new(format!("nic {}", nic.0));
        self.simulated.nic(nic).cloned().unwrap_or_else(unknown)
    }

    fn host(&self, nic: &Nic) -> Option<String> {
        self.network.topology.host(nic.host).map(|host| host.name.clone())
    }

    fn billed(&self, hop: &Hop, packet: &Packet) -> Vec<Billed> {
        let bytes = packet.bytes();
        let both = [(hop.egress, Direction::Egress), (hop.ingress, Direction::Ingress)];
        let named = both.into_iter().filter_map(|(link, it)| Some((self.link(link)?, it)));
        named.map(|(link, direction)| Billed { link, direction, bytes }).collect()
    }

    /// What there is to say of a stage without rules.
    fn stage(
        &self,
        leg: &Leg<'_>,
        hop: &Hop,
        (sender, receiver): (Option<&Nic>, Option<&Nic>),
        stage: StageName,
    ) -> Option<Stage> {
        let Packet { source, destination, .. } = leg.packet;
        let text = match stage {
            StageName::Source => {
                let sender = sender?;
                match (sender.addresses.contains(&source), sender.enable_ip_forwarding) {
                    (true, _) => format!("{source} is the NIC's own address"),
                    (false, true) => format!("{source} is another's; enableIPForwarding is on"),
                    (false, false) => {
                        format!("{source} is not the NIC's own; enableIPForwarding is off")
                    }
                }
            }
            StageName::Route => {
                let found = route::stage(&self.routes(sender?)?, destination);
                let text = found.matched.as_ref().map_or_else(
                    || format!("nothing covers {destination}"),
                    route::RouteView::text,
                );
                return Some(Stage { route: Some(found), ..Stage::new(stage, text) });
            }
            StageName::Mtu => format!("{} bytes", leg.packet.bytes()),
            StageName::Tunnel if hop.tunneled => {
                let to = receiver.and_then(|nic| self.host(nic)).unwrap_or_default();
                format!("VXLAN to {to}")
            }
            StageName::Peering => {
                let (sender, receiver) = (sender?, receiver?);
                if sender.vnet == receiver.vnet {
                    return None;
                }
                let links = [self.link(hop.egress), self.link(hop.ingress)];
                let names: Vec<String> =
                    links.iter().flatten().map(|id| format!("`{}`", id.name())).collect();
                if names.is_empty() {
                    "between virtual networks".to_owned()
                } else {
                    format!("over {}", names.join(" and "))
                }
            }
            StageName::Destination => {
                let receiver = receiver?;
                match (receiver.addresses.contains(&destination), receiver.enable_ip_forwarding) {
                    (true, _) => format!("{destination} is the NIC's own address"),
                    (false, true) => format!("{destination} is another's; the NIC forwards it"),
                    (false, false) => format!("{destination} is not the NIC's own address"),
                }
            }
            _ => return None,
        };
        Some(Stage::new(stage, text))
    }

    /// What rules say. An answer belongs to a known flow, and no rule is asked.
    fn rules(
        &self,
        leg: &Leg<'_>,
        (sender, receiver): (Option<&Nic>, Option<&Nic>),
        stage: StageName,
        dropped: Option<DropReason>,
    ) -> Result<(Option<Stage>, Option<String>), NetworkError> {
        let outbound = stage == StageName::OutboundRules;
        let Some(nic) = (if outbound { sender } else { receiver }) else { return Ok((None, None)) };
        if leg.packet.is_answer && dropped.is_none() {
            let text = "the answer belongs to the flow of its request".to_owned();
            return Ok((Some(Stage::new(stage, text)), None));
        }
        let verdict = verify(self.network, nic, &seen_from(&leg.packet, outbound))?;
        let is_end = nic.addresses.contains(&leg.packet.source)
            || nic.addresses.contains(&leg.packet.destination);
        let denied = matches!(
            dropped,
            Some(
                DropReason::AdminRuleDenied
                    | DropReason::OutboundRuleDenied
                    | DropReason::InboundRuleDenied
            )
        );
        let judged = (dropped.is_none() || denied) && is_end && !leg.packet.is_answer;
        let differs = (judged && verdict.allows() == denied).then(|| {
            let says = if verdict.allows() { "allow" } else { "deny" };
            let does = if denied { "drops" } else { "lets" };
            format!("the rules of {} {says} the packet, and the datapath {does} it", nic.id.name())
        });
        let text: Vec<String> = verdict.stages.iter().map(rule_text).collect();
        let text = if text.is_empty() { "nothing judges it".to_owned() } else { text.join("; ") };
        Ok((Some(Stage { rules: verdict.stages, ..Stage::new(stage, text) }), differs))
    }
}

fn rule_text(stage: &flow_verify::Stage) -> String {
    let rule = stage.rule_name.as_deref().unwrap_or("no rule");
    let access = match stage.access {
        Access::Allow => "allows",
        Access::AlwaysAllow => "always allows",
        Access::Deny => "denies",
    };
    format!("`{rule}` of `{}` {access}", stage.applied_by.name())
}

/// The packet as a NIC's rules see it.
pub(super) fn seen_from(packet: &Packet, outbound: bool) -> flow_verify::Packet {
    let number = match packet.protocol {
        Protocol::Tcp => protocol::TCP,
        Protocol::Udp => protocol::UDP,
        Protocol::Icmp if packet.source.is_ipv4() => protocol::ICMP,
        Protocol::Icmp => protocol::ICMPV6,
    };
    let (from, to) = match packet.protocol {
        Protocol::Icmp => (0, 0),
        _ => (packet.source_port, packet.destination_port),
    };
    let Packet { source, destination, .. } = *packet;
    let (direction, local, local_port, remote, remote_port) = if outbound {
        (model::Direction::Outbound, source, from, destination, to)
    } else {
        (model::Direction::Inbound, destination, to, source, from)
    };
    flow_verify::Packet { direction, protocol: number, local, local_port, remote, remote_port }
}

impl Stage {
    pub(super) fn new(stage: StageName, text: String) -> Self {
        Self {
            stage,
            tables: stage.tables(),
            passes: true,
            code: None,
            text,
            route: None,
            rules: Vec::new(),
        }
    }

    fn ended_by(mut self, reason: Option<DropReason>) -> Self {
        if let Some(reason) = reason {
            self.passes = false;
            self.code = Some(reason.name());
            if self.text.is_empty() {
                reason.meaning().clone_into(&mut self.text);
            }
        }
        self
    }
}
