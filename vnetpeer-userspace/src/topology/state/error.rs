//! Why a state cannot advance or be read.

use std::fmt;

use ipnet::IpNet;

use crate::topology::model::ResourceId;

/// Which numbers ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberSpace {
    /// Virtual networks.
    Vnet,
    /// NICs, uplinks and frontends.
    Nic,
    /// Peerings, and what meters connected groups.
    Link,
    /// Regions.
    Region,
    /// Load balancing rules.
    Balancer,
    /// Tables of effective routes.
    Table,
    /// Hosts.
    Vtep,
    /// Rows of drop counters on one host.
    DropSlot,
    /// Security groups and collections of security admin rules, counted once per direction.
    Policy,
    /// Security rules, default rules among them.
    Rule,
}

impl fmt::Display for NumberSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vnet => "virtual network",
            Self::Nic => "network interface",
            Self::Link => "peering",
            Self::Region => "region",
            Self::Balancer => "load balancing rule",
            Self::Table => "route table",
            Self::Vtep => "host",
            Self::DropSlot => "drop counter",
            Self::Policy => "policy",
            Self::Rule => "security rule",
        })
    }
}

/// Why a state cannot advance or be read. Where Azure has a code for it, the message begins with it
/// and [`StateError::code`] returns it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// More resources than numbers.
    #[error("no {space} number is left: the maps hold {limit}")]
    Exhausted {
        /// Which numbers.
        space: NumberSpace,
        /// How many there are.
        limit: u32,
    },
    /// Two VNets would claim the same addresses towards a third.
    #[error(
        "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet: {second} of {other} overlaps {first} of \
         {owner}; sync the peering whose copy is old, or delete the one that is Disconnected"
    )]
    SpacesOverlap {
        /// The larger prefix.
        first: IpNet,
        /// The VNet or peering that claims it.
        owner: ResourceId,
        /// The prefix inside it.
        second: IpNet,
        /// The VNet or peering that claims that one.
        other: ResourceId,
    },
    /// The other side lost its counterpart and was not written since.
    #[error(
        "RemotePeeringIsDisconnected: Cannot create or update peering {id} because remote peering \
         {remote} referencing parent virtual network {vnet} is in Disconnected state. Update or \
         re-create the remote peering to get it back to Initiated state"
    )]
    RemotePeeringIsDisconnected {
        /// The peering that was to be created.
        id: ResourceId,
        /// The peering of the other side.
        remote: ResourceId,
        /// The VNet that owns the first.
        vnet: ResourceId,
    },
    /// A peering points at another VNet than before.
    #[error(
        "ChangingRemoteVirtualNetworkNotAllowed: Peering {id} references remote virtual network \
         {before} and cannot reference {after}. Delete the peering first, or give the new one another \
         name"
    )]
    ChangingRemoteVirtualNetworkNotAllowed {
        /// The peering.
        id: ResourceId,
        /// The VNet that it points at.
        before: ResourceId,
        /// The VNet that it was to point at.
        after: ResourceId,
    },
    /// A peering of complete VNets was to become one of subnets, or the other way round.
    #[error(
        "ChangingPeerCompleteVnetsNotAllowed: peerCompleteVnets of peering {id} cannot change. Delete \
         the peering first, or give the new one another name"
    )]
    ChangingPeerCompleteVnetsNotAllowed {
        /// The peering.
        id: ResourceId,
    },
    /// A peering points at a VNet that is not there.
    #[error(
        "InvalidResourceReference: Resource {remote} referenced by resource {id} was not found. Add \
         the virtual network to the document, or remove the peering"
    )]
    InvalidResourceReference {
        /// The peering.
        id: ResourceId,
        /// The VNet that it points at.
        remote: ResourceId,
    },
    /// The address space of a VNet that is peered with a classic one changed, or that of the classic
    /// one.
    #[error(
        "VnetAddressSpaceCannotChangeDueToPeerings: peering {id} connects a classic virtual network, so \
         neither address space can change. Delete the peering first, and create it again afterwards"
    )]
    AddressSpaceCannotChange {
        /// The peering.
        id: ResourceId,
    },
    /// There is no such peering.
    #[error("ResourceNotFound: The Resource {id} was not found")]
    PeeringUnknown {
        /// The id asked for.
        id: ResourceId,
    },
    /// A peering was to be deleted that the document still has.
    #[error("peering {id} is still in the document; remove it there")]
    StillDeclared {
        /// The peering.
        id: ResourceId,
    },
    /// The topology refers to an element that it does not have.
    #[error("{id} refers to something that the topology does not have")]
    Dangling {
        /// The resource that refers.
        id: ResourceId,
    },
    /// The JSON form has another version.
    #[error("the state has schema version {found}, this program reads {expected}")]
    SchemaVersion {
        /// The version found.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
    /// The JSON form cannot be read or written.
    #[error("the state is no valid JSON of its schema")]
    Json(#[from] serde_json::Error),
}

impl StateError {
    /// The stable code of a broken rule about peerings: Azure's, where Azure has one.
    pub const fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::SpacesOverlap { .. } => "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
            Self::RemotePeeringIsDisconnected { .. } => "RemotePeeringIsDisconnected",
            Self::ChangingRemoteVirtualNetworkNotAllowed { .. } => {
                "ChangingRemoteVirtualNetworkNotAllowed"
            }
            Self::ChangingPeerCompleteVnetsNotAllowed { .. } => {
                "ChangingPeerCompleteVnetsNotAllowed"
            }
            Self::InvalidResourceReference { .. } => "InvalidResourceReference",
            Self::AddressSpaceCannotChange { .. } => "VnetAddressSpaceCannotChangeDueToPeerings",
            Self::PeeringUnknown { .. } => "ResourceNotFound",
            Self::Exhausted { .. }
            | Self::StillDeclared { .. }
            | Self::Dangling { .. }
            | Self::SchemaVersion { .. }
            | Self::Json(_) => return None,
        })
    }
}
