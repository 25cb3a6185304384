//! Packets and what becomes of them.

use std::net::IpAddr;

use super::Document;

/// One rule with a network and packets that show it.
#[derive(Clone, Copy, Debug)]
pub struct PacketCase {
    /// The rule's number.
    pub rule: &'static str,
    /// What the case shows.
    pub name: &'static str,
    /// The network.
    pub document: fn() -> Document,
    /// What its gateways learned.
    pub learned: Learned,
    /// The packets.
    pub probes: &'static [Probe],
}

/// Gateways' names and prefixes that they learned.
pub type Learned = &'static [(&'static str, &'static str)];

/// A request from one NIC to an address.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Who asks.
    pub from: &'static str,
    /// Who is asked.
    pub to: Target,
    /// By which families; the verdict holds for each.
    pub families: Families,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A NIC at its own addresses.
    Nic(&'static str),
    /// These addresses, IPv4 and IPv6.
    At(&'static str, &'static str),
}

/// Families of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 and IPv6.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered, and neither it nor the answer passes another NIC.
    Direct,
    /// It passes these NICs, in this order, and is answered.
    Via(&'static [&'static str]),
    /// It passes one of these NICs, and is answered.
    ViaOneOf(&'static [&'static str]),
    /// It is handed to this NIC, which has another address. What the NIC does with it is its own affair.
    HandedTo(&'static str),
    /// No route leads there: by IPv4 one with `None` around it, by IPv6 the Internet, to which the lab has
    /// no uplink.
    NoRoute,
    /// It is dropped at a NIC for a reason.
    Dropped(&'static str, &'static str),
    /// It is delivered, and its answer is dropped at a NIC for a reason.
    AnswerDropped(&'static str, &'static str),
}

impl PacketCase {
    /// A case in which gateways learned nothing.
    pub const fn new(
        rule: &'static str,
        name: &'static str,
        document: fn() -> Document,
        probes: &'static [Probe],
    ) -> Self {
        Self { rule, name, document, learned: &[], probes }
    }

    /// The same with prefixes that gateways learned.
    #[must_use]
    pub const fn knowing(mut self, learned: Learned) -> Self {
        self.learned = learned;
        self
    }
}

impl Probe {
    const fn new(from: &'static str, to: Target, verdict: Verdict) -> Self {
        Self { from, to, families: Families::Both, verdict }
    }

    /// A request that is answered without a detour.
    pub const fn direct(from: &'static str, to: &'static str) -> Self {
        Self::new(from, Target::Nic(to), Verdict::Direct)
    }

    /// A request that passes other NICs.
    pub const fn via(from: &'static str, to: &'static str, via: &'static [&'static str]) -> Self {
        Self::new(from, Target::Nic(to), Verdict::Via(via))
    }

    /// A request to which no route leads.
    pub const fn unrouted(from: &'static str, to: &'static str) -> Self {
        Self::new(from, Target::Nic(to), Verdict::NoRoute)
    }

    /// A request to addresses that is handed to a NIC which has others.
    pub const fn handed(from: &'static str, to: [&'static str; 2], nic: &'static str) -> Self {
        Self::new(from, Target::At(to[0], to[1]), Verdict::HandedTo(nic))
    }

    /// A request that passes one of several NICs.
    pub const fn spread(
        from: &'static str,
        to: &'static str,
        via: &'static [&'static str],
    ) -> Self {
        Self::new(from, Target::Nic(to), Verdict::ViaOneOf(via))
    }

    /// A request that is dropped at a NIC.
    pub const fn dropped(
        from: &'static str,
        to: &'static str,
        at: &'static str,
        reason: &'static str,
    ) -> Self {
        Self::new(from, Target::Nic(to), Verdict::Dropped(at, reason))
    }

    /// A request whose answer is dropped at a NIC.
    pub const fn answer_dropped(
        from: &'static str,
        to: &'static str,
        at: &'static str,
        reason: &'static str,
    ) -> Self {
        Self::new(from, Target::Nic(to), Verdict::AnswerDropped(at, reason))
    }

    /// A request to addresses, dropped at its sender.
    pub const fn lost(from: &'static str, to: [&'static str; 2], reason: &'static str) -> Self {
        Self::new(from, Target::At(to[0], to[1]), Verdict::Dropped(from, reason))
    }

    /// By one family only.
    #[must_use]
    pub const fn only(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// The families, as whether they are IPv4.
    pub fn families(&self) -> &'static [bool] {
        match self.families {
            Families::Both => &[true, false],
            Families::V4 => &[true],
            Families::V6 => &[false],
        }
    }
}

impl Target {
    /// The address of a family; `address_of` knows those of NICs.
    pub fn address(self, is_v4: bool, address_of: impl Fn(&str, bool) -> IpAddr) -> IpAddr {
        match self {
            Self::Nic(name) => address_of(name, is_v4),
            Self::At(v4, v6) => if is_v4 { v4 } else { v6 }.parse().expect("an address"),
        }
    }
}
