//! Connected groups for tests.

use super::{Random, nic, resource, vnet};
use crate::topology::model::{ConnectedGroup, Topology, VnetIndex};

/// A connected group of these VNets.
pub(crate) fn group(name: &str, members: &[usize]) -> ConnectedGroup {
    let id = resource("networkManagers/m/connectivityConfigurations", name);
    ConnectedGroup { id, members: members.iter().map(|it| VnetIndex(*it)).collect() }
}

/// Up to three groups, out of what there is and of further VNets whose spaces are those of others in part.
pub(crate) fn add_groups(random: &mut Random, topology: &mut Topology) {
    if random.percent(30) {
        return;
    }
    let spaces: [&[&str]; 7] = [
        &["10.0.0.0/13", "fd00:0::/40"],
        &["10.16.0.0/24"],
        &["10.32.0.0/16", "fd00:32::/52"],
        &["10.16.0.0/20", "10.200.0.0/16"],
        &["203.0.113.0/24", "2001:db8:7::/48"],
        &["10.32.0.4/31"],
        &["172.16.0.0/12"],
    ];
    let first = topology.vnets.len();
    for (number, space) in spaces.iter().enumerate() {
        if !random.percent(40) {
            continue;
        }
        let index = topology.vnets.len();
        let mut it = vnet(&format!("g{number}"), space);
        if random.percent(30) {
            it.location = "North Europe".into();
        }
        topology.vnets.push(it);
        let address = [
            "10.0.0.4",
            "10.16.0.5",
            "10.32.0.4",
            "10.16.0.4",
            "203.0.113.4",
            "10.32.0.5",
            "172.16.0.4",
        ];
        let host = random.below(2);
        topology.nics.push(nic(&format!("gn{number}"), index, host, &[address[number]]));
    }
    // Peers outside of groups, and inside: those whose spaces have nothing in common.
    for index in first..topology.vnets.len() {
        let other = random.below(topology.vnets.len());
        let spaces = |index: usize| topology.vnets[index].address_space.clone();
        let apart = spaces(index)
            .iter()
            .all(|a| spaces(other).iter().all(|b| !a.contains(b) && !b.contains(a)));
        let taken = topology.peerings.iter().any(|it| [index, other].contains(&it.vnet.0));
        if other != index && apart && !taken && random.percent(50) {
            topology.peer(index, other);
        }
    }
    for number in 0..=random.below(3) {
        let all = 0..topology.vnets.len();
        let members: Vec<usize> = all.filter(|_| random.percent(60)).collect();
        topology.connected_groups.push(group(&format!("c{number}"), &members));
    }
}
