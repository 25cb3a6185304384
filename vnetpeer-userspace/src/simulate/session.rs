//! Packets on their way, and the flows that they open.

use std::net::IpAddr;

use vnetpeer_common::{
    abi::NextHop,
    datapath::{Verdict, inbound, outbound},
    reason::DropReason,
    types::{LinkId, Mac, NicId},
};

use super::{
    flows::Flows,
    frame::Frame,
    journey::{Drop, End, Exchange, Hop, Journey},
    network::{Attached, Network, Taken},
    packet::Packet,
    tables::HostTables,
};

/// Sends packets through a network. Flows that they open stay until [`Session::forget`].
#[derive(Debug)]
pub struct Session<'a> {
    network: &'a Network,
    flows: Flows,
    judges: bool,
}

/// What the core made of a frame at one NIC.
struct Handled {
    hop: Hop,
    end: Option<End>,
}

impl<'a> Session<'a> {
    /// No flow is open.
    pub fn new(network: &'a Network) -> Self {
        Self { network, flows: Flows::new(), judges: true }
    }

    /// The same, and every rule allows: packets go where routes and peerings lead them.
    #[must_use]
    pub fn without_rules(self) -> Self {
        Self { judges: false, ..self }
    }

    /// Ends all flows.
    pub fn forget(&self) {
        self.flows.clear();
    }

    /// Sends a packet from a NIC.
    pub fn send(&self, from: NicId, packet: &Packet) -> Journey {
        let mac = self.network.attached(from).map_or(Mac::default(), |attached| attached.mac);
        self.send_frame(from, &mut packet.frame(mac))
    }

    /// Sends a frame, which is then as the last NIC received it.
    fn send_frame(&self, from: NicId, frame: &mut Frame) -> Journey {
        let mut journey = Journey { hops: Vec::new(), unfinished: None, end: End::Lost(from) };
        let Some(attached) = self.network.attached(from) else { return journey };
        let (mut at, mut sender) = (from, attached);
        loop {
            let handled = self.hand_over(at, sender, frame);
            if let Some(end) = handled.end {
                journey.unfinished = Some(handled.hop);
                journey.end = end;
                return journey;
            }
            at = handled.hop.to;
            journey.hops.push(handled.hop);
            journey.end = End::Lost(at);
            let Some(receiver) = self.network.attached(at) else { return journey };
            let Some(destination) = frame.destination() else { return journey };
            journey.end = match receiver.kind.take(destination) {
                Taken::Own => End::Delivered(at),
                Taken::Outside => End::Left(at),
                Taken::Foreign if frame.forward(receiver.mac).is_none() => End::HopsExhausted(at),
                Taken::Foreign => {
                    sender = receiver;
                    continue;
                }
            };
            return journey;
        }
    }

    /// Sends a request from a NIC, and its answer from the NIC that received it. Flows that were open
    /// before are forgotten.
    pub fn exchange(&self, from: NicId, request: &Packet) -> Exchange {
        self.forget();
        let mac = self.network.attached(from).map_or(Mac::default(), |attached| attached.mac);
        let mut frame = request.frame(mac);
        let there = self.send_frame(from, &mut frame);
        // A load balancer may have chosen the address and the port that answer.
        let received = Packet {
            destination: frame.destination().unwrap_or(request.destination),
            destination_port: frame.destination_port().unwrap_or(request.destination_port),
            ..*request
        };
        let answer = there.delivered().map(|to| self.send(to, &received.answer()));
        Exchange { from, request: there, answer }
    }

    /// Where the effective routes of a NIC's subnet lead for an address.
    pub(super) fn next_hop(&self, nic: NicId, address: IpAddr) -> Option<NextHop> {
        self.network.next_hop(&self.flows, nic, address)
    }

    /// Whether these routes lead to a NIC, as far as that can be told without a packet.
    pub(super) fn leads_to_nic(&self, nic: NicId, address: IpAddr) -> bool {
        self.network.leads_to_nic(&self.flows, nic, address)
    }

    /// Takes a frame from a NIC to the next one.
    fn hand_over(&self, from: NicId, sender: &Attached, frame: &mut Frame) -> Handled {
        let mut hop = Hop {
            from,
            to: NicId::NONE,
            egress: LinkId::NONE,
            ingress: LinkId::NONE,
            rules: Vec::new(),
            tunneled: false,
        };
        let mut end = Some(End::Lost(from));
        let Some(tables) = self.tables(sender.host) else { return Handled { hop, end } };
        let verdict = outbound(frame, &tables, sender.ifindex);
        hop.egress = tables.egress.get();
        hop.ingress = tables.ingress.get();
        hop.rules = tables.rules.take();
        match verdict {
            Verdict::Deliver(delivery) => (hop.to, end) = (delivery.nic, None),
            Verdict::Transmit(_) => {
                hop.tunneled = true;
                end = self.arrive(&mut hop, frame);
            }
            Verdict::Drop(_) => end = Some(dropped(from, &tables)),
            // The sender is told that the packet is too large.
            Verdict::Reply if tables.dropped.get().is_some() => end = Some(dropped(from, &tables)),
            // No simulated host has a queue to shape with.
            Verdict::Pass | Verdict::Shape { .. } | Verdict::Reply => {}
        }
        Handled { hop, end }
    }

    /// Takes an encapsulated frame in at the host that it is addressed to.
    fn arrive(&self, hop: &mut Hop, frame: &mut Frame) -> Option<End> {
        let lost = Some(End::Lost(hop.from));
        let host = frame.destination().and_then(|address| self.network.host_at(address));
        let Some(tables) = host.and_then(|host| self.tables(host)) else { return lost };
        let verdict = inbound(frame, &tables);
        hop.ingress = tables.ingress.get();
        hop.rules.extend(tables.rules.take());
        match verdict {
            Verdict::Deliver(delivery) => {
                hop.to = delivery.nic;
                None
            }
            Verdict::Drop(_) => Some(dropped(hop.from, &tables)),
            _ => lost,
        }
    }

    fn tables(&self, host: usize) -> Option<HostTables<'_>> {
        let image = self.network.image(host)?;
        Some(HostTables::new(image, &self.flows, self.judges))
    }
}

fn dropped(sender: NicId, tables: &HostTables<'_>) -> End {
    let Some(event) = tables.dropped.get() else { return End::Lost(sender) };
    let Some(reason) = DropReason::from_number(event.reason) else { return End::Lost(sender) };
    let nic = if event.nic.is_some() { event.nic } else { sender };
    End::Dropped(Drop { sender, nic, reason, link: event.link, rule: event.rule })
}
