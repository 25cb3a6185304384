//! What the maps of one host should hold, before trie nodes and next hops get their numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use vnetpeer_common::{
    abi,
    types::{BalancerId, LinkId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use super::policy::Policy;
pub use super::prefixes::PrefixTable;

/// A table of which a part is shared with other tables. A prefix of its own comes in the place of an equal
/// one of that part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTable<T> {
    /// What several tables have.
    pub shared: Option<Arc<PrefixTable<T>>>,
    /// What this one has besides.
    pub own: PrefixTable<T>,
}

impl<T> Default for SharedTable<T> {
    fn default() -> Self {
        Self::from(PrefixTable::default())
    }
}

impl<T> From<PrefixTable<T>> for SharedTable<T> {
    fn from(own: PrefixTable<T>) -> Self {
        Self { shared: None, own }
    }
}

impl<T: Clone> SharedTable<T> {
    /// All of it in one table.
    pub fn merged(&self) -> PrefixTable<T> {
        let mut merged = self.shared.as_deref().cloned().unwrap_or_default();
        merged.v4.extend(self.own.v4.clone());
        merged.v6.extend(self.own.v6.clone());
        merged
    }
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody's.
    Nobody,
    /// That of the VNet at the other side of a link.
    Link(LinkId),
    /// That of a member of a connected group.
    Member(VnetId),
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
    /// Whose the addresses around it are: peers' spaces as last synced, and those of connected groups.
    pub peers: SharedTable<Peer>,
    /// The number of its region.
    pub region: u32,
    /// Its links that meter connected groups; none if it is in none.
    pub group_links: [LinkId; 2],
}

/// A load balancing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Which packets it takes.
    pub key: abi::FrontendKey,
    /// What becomes of them. `slots` is 0; `plan` deals them out among the members.
    pub rule: abi::Balancer,
    /// NICs of the backends that take new flows.
    pub members: Arc<[NicId]>,
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
    pub routes: BTreeMap<TableId, SharedTable<Hop>>,
    /// Links of the VNets that are hosted here, and their reverses; links that meter connected groups.
    pub links: BTreeMap<LinkId, abi::Link>,
    /// (receiving VNet, sending VNet) → the receiving side's link.
    pub relations: BTreeMap<abi::RelationKey, LinkId>,
    /// Load balancing rules of the frontends in `nics`.
    pub balancers: BTreeMap<BalancerId, Balancer>,
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
