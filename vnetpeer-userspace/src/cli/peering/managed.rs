//! Peerings that network managers make: what of them is left to others.

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::topology::model::{Peering, PeeringProperties, ResourceId, Topology, VnetIndex};

/// A write of a peering object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Update,
    Delete,
    Sync,
}

/// Refuses to make a peering object between two VNets where a network manager did.
pub(super) fn check_create(
    topology: &Topology,
    id: &ResourceId,
    own: &ResourceId,
    remote: &ResourceId,
) -> anyhow::Result<()> {
    let (Some(one), Some(other)) = (index(topology, own), index(topology, remote)) else {
        return Ok(());
    };
    check_enforced(topology, one, other)?;
    let mut made = topology.peerings.iter().filter(|it| it.managed_by.is_some());
    match made.find(|it| it.vnet == one && it.remote == other && it.id != *id) {
        None => Ok(()),
        Some(made) => bail!(
            "AnotherPeeringAlreadyReferencesRemoteVnet: peering {} already references remote virtual \
             network {remote}; connectivity configuration {} makes it. Use its name to change it",
            made.id,
            name(made)
        ),
    }
}

/// Refuses a write that a network manager does not allow, or would undo.
pub(super) fn check(topology: &Topology, id: &ResourceId, write: Write) -> anyhow::Result<()> {
    let Some(peering) = topology.peerings.iter().find(|it| it.id == *id) else { return Ok(()) };
    check_enforced(topology, peering.vnet, peering.remote)?;
    if write == Write::Delete && peering.managed_by.is_some() {
        bail!(
            "PeeringIsManaged: connectivity configuration {} makes peering {}, and would make it again; \
             take the virtual network from its network group, or end the configuration with `vnetpeer \
             network-manager commit --none`",
            name(peering),
            peering.id.name()
        );
    }
    Ok(())
}

/// What a managed peering says, to be declared with changes.
pub(super) fn declared(topology: &Topology, id: &ResourceId) -> Option<Map<String, Value>> {
    let mut managed = topology.peerings.iter().filter(|it| it.managed_by.is_some());
    let properties = topology.peering_properties(managed.find(|it| it.id == *id)?)?;
    let PeeringProperties { remote_virtual_network, .. } = properties;
    let value = json!({
        "remoteVirtualNetwork": { "id": remote_virtual_network },
        "allowVirtualNetworkAccess": properties.allow_virtual_network_access,
        "allowForwardedTraffic": properties.allow_forwarded_traffic,
        "allowGatewayTransit": properties.allow_gateway_transit,
        "useRemoteGateways": properties.use_remote_gateways,
    });
    value.as_object().cloned()
}

fn check_enforced(topology: &Topology, one: VnetIndex, other: VnetIndex) -> anyhow::Result<()> {
    let Some(by) = topology.enforcing(one, other) else { return Ok(()) };
    let name = |index| topology.vnet(index).map_or("", |it| it.id.name());
    bail!(
        "PeeringIsEnforced: connectivity configuration {} enforces the peerings between {} and {}; write \
         peeringEnforcement: Unenforced into it, and apply the document, before you change them",
        by.name(),
        name(one),
        name(other)
    )
}

fn index(topology: &Topology, id: &ResourceId) -> Option<VnetIndex> {
    topology.vnets.iter().position(|it| it.id == *id).map(VnetIndex)
}

fn name(peering: &Peering) -> &str {
    peering.managed_by.as_ref().map_or("", ResourceId::name)
}
