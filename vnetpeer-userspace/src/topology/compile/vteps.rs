//! The other hosts that have a NIC in reach.

use std::net::IpAddr;

use vnetpeer_common::{
    abi::{self, vtep_flags},
    types::{Addr, VtepId},
};

use super::Compiler;
use crate::topology::{
    facts::VtepFacts,
    model::{Host, common_underlay},
    network::NetworkError,
};

/// Outer Ethernet is not part of an MTU: IP, UDP, VXLAN and inner Ethernet headers are.
const OVERHEAD_IPV4: u16 = 20 + 8 + 8 + 14;
const OVERHEAD_IPV6: u16 = 40 + 8 + 8 + 14;

/// Assumed of an underlay whose interface is not known; nothing is sent over it.
const MTU_UNKNOWN: u16 = 1500;

impl Compiler<'_> {
    /// An entry for every remote host in reach and every family that both hosts have. A way without a
    /// route gets one that cannot be sent to, because packets may still arrive.
    pub(super) fn add_vteps(&mut self) -> Result<(), NetworkError> {
        let topology = self.network.topology;
        let state = self.network.state;
        let remotes = self.remote_hosts.keys().filter_map(|index| topology.host(*index));
        for remote in remotes.collect::<Vec<_>>() {
            let not_numbered = || NetworkError::NotNumbered { id: remote.name.clone() };
            let first = state.vtep(&remote.name).ok_or_else(not_numbered)?;
            let second = state.other_vtep(&remote.name).ok_or_else(not_numbered)?;
            let ways = self.ways(remote);
            let has_second = ways.len() > 1;
            for ((way, id), other) in ways.into_iter().zip([first, second]).zip([second, first]) {
                let other = if has_second { other } else { VtepId::NONE };
                self.desired.vteps.insert(id, abi::Vtep { other, ..way });
            }
        }
        Ok(())
    }

    /// The ways to a host, at least one.
    fn ways(&self, remote: &Host) -> Vec<abi::Vtep> {
        let facts = self.facts.vteps.get(&remote.name).map_or(&[][..], Vec::as_slice);
        let mut ways: Vec<abi::Vtep> = common_underlay(self.host, remote)
            .into_iter()
            .map(|(ours, theirs)| match facts.iter().find(|it| it.remote == theirs) {
                Some(facts) => resolved(facts),
                None => unresolved(ours, theirs),
            })
            .collect();
        if ways.is_empty() {
            ways.push(abi::Vtep { flags: vtep_flags::PRESENT, ..abi::Vtep::default() });
        }
        ways
    }
}

fn resolved(facts: &VtepFacts) -> abi::Vtep {
    let known = if facts.dst_mac.is_some() { vtep_flags::RESOLVED } else { 0 };
    let xdp = if facts.transmit_xdp { vtep_flags::TRANSMIT_XDP } else { 0 };
    abi::Vtep {
        flags: vtep_flags::PRESENT | known | xdp | family(facts.remote),
        ifindex: facts.ifindex,
        local: Addr::from(facts.local),
        remote: Addr::from(facts.remote),
        src_mac: facts.src_mac,
        dst_mac: facts.dst_mac.unwrap_or_default(),
        mtu: inner_mtu(facts.underlay_mtu_bytes, facts.remote),
        ..abi::Vtep::default()
    }
}

fn unresolved(ours: IpAddr, theirs: IpAddr) -> abi::Vtep {
    abi::Vtep {
        flags: vtep_flags::PRESENT | family(theirs),
        local: Addr::from(ours),
        remote: Addr::from(theirs),
        mtu: inner_mtu(MTU_UNKNOWN, theirs),
        ..abi::Vtep::default()
    }
}

fn family(remote: IpAddr) -> u32 {
    if remote.is_ipv6() { vtep_flags::IPV6 } else { 0 }
}

fn inner_mtu(underlay: u16, remote: IpAddr) -> u16 {
    underlay.saturating_sub(outer_headers_len(remote))
}

/// Bytes that VXLAN adds to an IP packet on the way to an underlay address (RFC 7348 §5).
pub const fn outer_headers_len(remote: IpAddr) -> u16 {
    if remote.is_ipv6() { OVERHEAD_IPV6 } else { OVERHEAD_IPV4 }
}
