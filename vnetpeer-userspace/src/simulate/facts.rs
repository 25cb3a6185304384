//! What a host would say about itself if everything were in order: every interface of the topology is
//! there, and every other host is a neighbour.

use vnetpeer_common::types::Mac;

use crate::topology::{
    facts::{Delivery, Hook, HostFacts, InterfaceFacts, NetworkFacts, VtepFacts},
    model::{HostIndex, Topology, common_underlay},
};

/// The underlay interface.
const UNDERLAY: u32 = 1;
/// The first interface of a workload.
const WORKLOADS: u32 = 2;
const MTU: u16 = 1_500;
/// Room for the outer headers, so that the underlay is no bottleneck.
const UNDERLAY_MTU: u16 = 1_600;
/// MAC addresses on the underlay: this host's and its neighbour's.
const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

/// The facts of the host at `index`.
pub(super) fn of_host(topology: &Topology, index: HostIndex, network: &NetworkFacts) -> HostFacts {
    let mut facts = HostFacts { network: network.clone(), ..HostFacts::default() };
    let Some(host) = topology.host(index) else { return facts };
    let of_nics = topology.nics.iter().filter(|nic| nic.host == index).map(|nic| &nic.interface);
    let of_uplinks = host.uplinks.iter().map(|uplink| &uplink.interface);
    for (ifindex, name) in (WORKLOADS..).zip(of_nics.chain(of_uplinks)) {
        let (delivery, hook) = (Delivery::Transmit, Hook::Tc);
        let interface = InterfaceFacts { ifindex, mtu_bytes: MTU, delivery, hook, shaper: None };
        facts.interfaces.entry(name.clone()).or_insert(interface);
    }
    let [src_mac, dst_mac] = MACS;
    for (_, remote) in topology.hosts.iter().enumerate().filter(|(other, _)| *other != index.0) {
        let ways = common_underlay(host, remote).into_iter().map(|(local, remote)| VtepFacts {
            local,
            remote,
            ifindex: UNDERLAY,
            src_mac,
            dst_mac: Some(dst_mac),
            underlay_mtu_bytes: UNDERLAY_MTU,
            transmit_xdp: false,
        });
        facts.vteps.insert(remote.name.clone(), ways.collect());
    }
    facts
}
