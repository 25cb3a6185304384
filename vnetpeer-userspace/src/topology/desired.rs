//! What the maps of one host should hold, before trie nodes and next hops get their numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vnetpeer_common::{
    abi,
    types::{LinkId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use super::policy::Policy;

/// A longest-prefix-match table of both families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixTable<T> {
    /// IPv4 prefixes, host bits zero.
    pub v4: BTreeMap<Ipv4Net, T>,
    /// IPv6 prefixes, host bits zero.
    pub v6: BTreeMap<Ipv6Net, T>,
}

impl<T> Default for PrefixTable<T> {
    fn default() -> Self {
        Self { v4: BTreeMap::new(), v6: BTreeMap::new() }
    }
}

impl<T> PrefixTable<T> {
    /// Sets the value of a prefix.
    pub fn insert(&mut self, prefix: IpNet, value: T) {
        match prefix {
            IpNet::V4(net) => self.v4.insert(net.trunc(), value),
            IpNet::V6(net) => self.v6.insert(net.trunc(), value),
        };
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// There.
    One(abi::NextHop),
    /// To one of several appliances, which one depends on the flow.
    Spread {
        /// As [`abi::NextHop::class`].
        class: u16,
        /// The appliances, by the numbers of their NICs; never none.
        members: Arc<[abi::NextHop]>,
    },
}

impl Hop {
    /// Everywhere that it leads.
    pub fn next_hops(&self) -> &[abi::NextHop] {
        match self {
            Self::One(hop) => std::slice::from_ref(hop),
            Self::Spread { members, .. } => members,
        }
    }

    /// Which service tags hold the addresses that lead here; see [`abi::NextHop::class`].
    pub fn class(&self) -> u16 {
        match self {
            Self::One(hop) => hop.class,
            Self::Spread { class, .. } => *class,
        }
    }

    /// The same place for addresses of a class.
    #[must_use]
    pub fn with_class(&self, class: u16) -> Self {
        match self {
            Self::One(hop) => Self::One(abi::NextHop { class, ..*hop }),
            Self::Spread { members, .. } => Self::Spread { class, members: Arc::clone(members) },
        }
    }
}

/// Address tables of one VNet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VnetTables {
    /// Whether this host has a NIC of the VNet.
    pub hosted: bool,
    /// Own address space (value `NicId::NONE`) and, as host prefixes, the NICs in it.
    pub endpoints: PrefixTable<NicId>,
    /// Peers' address spaces as last synced → this VNet's link to that peer.
    pub peers: PrefixTable<LinkId>,
}

/// What the maps of one host should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Interface index → the NIC behind it.
    pub ifaces: BTreeMap<u32, NicId>,
    /// Local NICs, and the remote ones that local NICs can reach or be reached from. Epochs are 0;
    /// `plan` gives them out.
    pub nics: BTreeMap<NicId, abi::Nic>,
    /// Further addresses of local NICs.
    pub nic_addresses: BTreeSet<abi::AddressKey>,
    /// VNets that local NICs can reach.
    pub vnets: BTreeMap<VnetId, VnetTables>,
    /// Effective routes by table.
    pub routes: BTreeMap<TableId, PrefixTable<Hop>>,
    /// Links of the VNets that are hosted here, and their reverses.
    pub links: BTreeMap<LinkId, abi::Link>,
    /// (receiving VNet, sending VNet) → the receiving side's link.
    pub relations: BTreeMap<abi::RelationKey, LinkId>,
    /// Remote hosts.
    pub vteps: BTreeMap<VtepId, abi::Vtep>,
    /// What judges each local NIC, by its slot. Generations are 0; `plan` gives them out.
    pub filters: BTreeMap<u32, abi::Filter>,
    /// The policies that filters name.
    pub policies: BTreeMap<PolicyId, Arc<Policy>>,
    /// Those of them whose changes apply to running flows too: security admin rules, and groups with
    /// `flushConnection`.
    pub flushing: BTreeSet<PolicyId>,
    /// This host's settings. The epoch is 0; `plan` gives epochs out.
    pub config: abi::Config,
    /// Interfaces that the document names and the host does not have (yet): their NICs are left out.
    pub missing_interfaces: Vec<String>,
}
