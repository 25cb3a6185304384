//! Operations on the maps, executed on an image of them.

use vnetpeer_userspace::topology::plan::Op;

use crate::world::Image;

/// Executes one operation.
pub(super) fn execute(image: &mut Image, op: &Op) {
    match op {
        Op::SetNode4 { index, node } => _ = image.trie_v4.insert(*index, **node),
        Op::SetNode6 { index, node } => _ = image.trie_v6.insert(*index, **node),
        Op::SetNextHop { id, next_hop } => _ = image.next_hops.insert(id.0, *next_hop),
        Op::SetRow { index, row } => _ = image.rows.insert(*index, **row),
        Op::SetClassifier { index, classifier } => {
            image.classifiers.insert(*index, **classifier);
        }
        Op::SetPolicy { id, classifier } => _ = image.policies.insert(id.0, *classifier),
        Op::SetFilter { slot, filter } => _ = image.filters.insert(*slot, *filter),
        Op::SetIface { ifindex, nic } => _ = image.interfaces.insert(*ifindex, *nic),
        Op::SetNic { id, nic } => _ = image.nics.insert(id.0, *nic),
        Op::SetVnet { id, vnet } => _ = image.vnets.insert(id.0, *vnet),
        Op::SetRoutes { id, roots } => _ = image.routes.insert(id.0, *roots),
        Op::SetLink { id, link } => _ = image.links.insert(id.0, *link),
        Op::SetRelation { key, link } => _ = image.relations.insert(*key, *link),
        Op::DeleteRelation { key } => _ = image.relations.remove(key),
        Op::SetBalancer { id, balancer } => _ = image.balancers.insert(id.0, *balancer),
        Op::SetFrontend { key, id } => _ = image.frontends.insert(*key, *id),
        Op::DeleteFrontend { key } => _ = image.frontends.remove(key),
        Op::SetVtep { id, vtep } => _ = image.vteps.insert(id.0, *vtep),
        Op::SetVtepAddr { addr, id } => _ = image.vtep_addresses.insert(*addr, *id),
        Op::DeleteVtepAddr { addr } => _ = image.vtep_addresses.remove(addr),
        Op::SetNicAddr { key } => _ = image.addresses.insert(*key, 1),
        Op::DeleteNicAddr { key } => _ = image.addresses.remove(key),
        Op::SetConfig { config } => _ = image.config.insert(0, *config),
        // Nothing was counted yet.
        Op::ZeroMeter { .. } | Op::ZeroDrops { .. } => {}
        other => panic!("an operation that the image does not know: {other:?}"),
    }
}
