//! How often a rule of each kind of list has which shape.

use vnetpeer_userspace::topology::model::RuleProtocol;

use crate::random::Random;

/// A kind of rule list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// An access list: whom one service or another is for. Inner addresses and ports are mostly exact,
    /// the outer side is wide.
    AccessList,
    /// A firewall: many fields are any, ports come in ranges.
    Firewall,
    /// A chain of the Linux packet filter: pairs of prefixes, and everything in between.
    Chain,
}

/// How wide one end's addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// All.
    Any,
    /// A whole block.
    Block,
    /// A prefix in a block.
    Subnet,
    /// One address.
    Host,
    /// Some addresses.
    Hosts,
}

/// Which ports one end names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// All.
    Any,
    /// Those of clients.
    High,
    /// Those of servers.
    Low,
    /// One.
    One,
    /// A range from a server's on.
    Range,
    /// Some single ones.
    Several,
}

/// Values with their shares in a hundred.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares<T: 'static>(&'static [(usize, T)]);

impl<T> Shares<T> {
    /// One of the values, as often as its share says.
    pub(super) fn pick(&self, random: &mut Random) -> &T {
        let mut left = random.below(self.0.iter().map(|(share, _)| share).sum());
        let mut values = self.0.iter();
        loop {
            let (share, value) = values.next().expect("less than all shares");
            if left < *share {
                return value;
            }
            left -= share;
        }
    }
}

/// The shares of a flavour. The inner side is the one that is protected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) protocols: Shares<RuleProtocol>,
    pub(super) outer: Shares<Width>,
    pub(super) inner: Shares<Width>,
    pub(super) outer_ports: Shares<Ports>,
    pub(super) inner_ports: Shares<Ports>,
    /// How many of a hundred rules deny.
    pub(super) denied: usize,
}

const ACCESS_LIST: Shape = Shape {
    protocols: Shares(&[
        (72, RuleProtocol::Tcp),
        (14, RuleProtocol::Udp),
        (9, RuleProtocol::Any),
        (5, RuleProtocol::Icmp),
    ]),
    outer: Shares(&[(45, Width::Any), (25, Width::Block), (20, Width::Subnet), (10, Width::Host)]),
    inner: Shares(&[(55, Width::Host), (10, Width::Hosts), (30, Width::Subnet), (5, Width::Any)]),
    outer_ports: Shares(&[(97, Ports::Any), (3, Ports::High)]),
    inner_ports: Shares(&[
        (68, Ports::One),
        (12, Ports::Any),
        (10, Ports::Range),
        (6, Ports::High),
        (4, Ports::Several),
    ]),
    denied: 25,
};

const FIREWALL: Shape = Shape {
    protocols: Shares(&[
        (46, RuleProtocol::Tcp),
        (22, RuleProtocol::Udp),
        (20, RuleProtocol::Any),
        (6, RuleProtocol::Icmp),
        (3, RuleProtocol::Esp),
        (3, RuleProtocol::Ah),
    ]),
    outer: Shares(&[(60, Width::Any), (12, Width::Block), (14, Width::Subnet), (14, Width::Host)]),
    inner: Shares(&[(35, Width::Any), (30, Width::Host), (15, Width::Hosts), (20, Width::Subnet)]),
    outer_ports: Shares(&[(70, Ports::Any), (18, Ports::High), (7, Ports::One), (5, Ports::Range)]),
    inner_ports: Shares(&[
        (36, Ports::Any),
        (22, Ports::Range),
        (20, Ports::One),
        (12, Ports::High),
        (5, Ports::Low),
        (5, Ports::Several),
    ]),
    denied: 40,
};

const CHAIN: Shape = Shape {
    protocols: Shares(&[
        (55, RuleProtocol::Tcp),
        (22, RuleProtocol::Udp),
        (15, RuleProtocol::Any),
        (6, RuleProtocol::Icmp),
        (2, RuleProtocol::Esp),
    ]),
    outer: Shares(&[(42, Width::Subnet), (23, Width::Host), (15, Width::Block), (20, Width::Any)]),
    inner: Shares(&[(42, Width::Subnet), (28, Width::Host), (15, Width::Hosts), (15, Width::Any)]),
    outer_ports: Shares(&[(80, Ports::Any), (9, Ports::High), (8, Ports::One), (3, Ports::Range)]),
    inner_ports: Shares(&[
        (45, Ports::One),
        (27, Ports::Any),
        (12, Ports::Range),
        (9, Ports::High),
        (4, Ports::Low),
        (3, Ports::Several),
    ]),
    denied: 35,
};

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AccessList, Self::Firewall, Self::Chain];

    /// The name that `ClassBench` gives its seeds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessList => "acl",
            Self::Firewall => "fw",
            Self::Chain => "ipc",
        }
    }

    pub(super) const fn shape(self) -> Shape {
        match self {
            Self::AccessList => ACCESS_LIST,
            Self::Firewall => FIREWALL,
            Self::Chain => CHAIN,
        }
    }
}
