//! NICs and uplinks: local ones in full, remote ones as far as packets need them.

use std::net::Ipv4Addr;

use vnetpeer_common::{
    abi::{self, nic_flags},
    types::{Addr, Mac, NicId, TableId, VnetId, VtepId},
};

use super::{Compiler, filters, split_addresses};
use crate::topology::{
    facts::{Delivery, Hook, InterfaceFacts},
    model::{HostIndex, Nic},
    network::{NetworkError, NumberedNic, NumberedUplink, NumberedVnet},
};

/// Microsoft's prefix for virtual machines with the "locally administered" bit set, so that no
/// machine of theirs can have the address.
const GUEST_PREFIX: [u8; 3] = [0x02, 0x0d, 0x3a];

/// The MAC address that a guest must use: the document's, else one that follows from the NIC's
/// number.
pub fn guest_mac(nic: &Nic, id: NicId) -> Mac {
    let [_, number @ ..] = id.0.to_be_bytes();
    let mut octets = [0; 6];
    for (octet, value) in octets.iter_mut().zip(GUEST_PREFIX.into_iter().chain(number)) {
        *octet = value;
    }
    nic.mac.unwrap_or(Mac(octets))
}

impl Compiler<'_> {
    /// All NICs and uplinks of a VNet.
    pub(super) fn add_nics(&mut self, vnet: &NumberedVnet<'_>) -> Result<(), NetworkError> {
        for it in &vnet.nics {
            if it.nic.host == self.index {
                self.add_local_nic(vnet, it)?;
            } else {
                let vtep = self.vtep(it.nic.host)?;
                let (ipv4, ipv6, _) = split_addresses(&it.nic.addresses);
                let mut nic = abi::Nic { ipv4, ipv6, ..remote(vnet.id, vtep) };
                nic.flags |= gateway_flag(vnet, it.id);
                self.desired.nics.insert(it.id, nic);
            }
        }
        for it in &vnet.uplinks {
            if it.host == self.index {
                self.add_local_uplink(vnet, it)?;
            } else {
                let vtep = self.vtep(it.host)?;
                self.desired.nics.insert(it.id, remote(vnet.id, vtep));
            }
        }
        Ok(())
    }

    fn add_local_nic(
        &mut self,
        vnet: &NumberedVnet<'_>,
        it: &NumberedNic<'_>,
    ) -> Result<(), NetworkError> {
        let NumberedNic { nic, id } = *it;
        let not_numbered = || NetworkError::NotNumbered { id: nic.id.to_string() };
        let dangling = || NetworkError::Dangling { id: nic.id.clone() };
        let subnet = vnet.vnet.subnets.get(nic.subnet.0).ok_or_else(dangling)?;
        let table = self.network.table(vnet.index, subnet.route_table).ok_or_else(not_numbered)?;
        let slot = self.network.state.slot(&self.host.name, &nic.id).ok_or_else(not_numbered)?;
        let Some(facts) = self.interface(&nic.interface) else { return Ok(()) };
        let (ipv4, ipv6, more) = split_addresses(&nic.addresses);
        let mut entry = local(vnet.id, table, slot, &facts);
        if nic.enable_ip_forwarding {
            entry.flags |= nic_flags::FORWARDING;
        }
        let gateway = gateway_flag(vnet, id);
        entry.flags |= gateway;
        if self.probed.contains(&nic.id) {
            entry.flags |= nic_flags::PROBED;
        }
        if !more.is_empty() {
            entry.flags |= nic_flags::MORE_ADDRESSES;
        }
        entry.mac = guest_mac(nic, id);
        entry.ipv4 = ipv4;
        entry.ipv6 = ipv6;
        let limits = &self.facts.datapath.flow_limits;
        let filter = if gateway == 0 {
            self.filters.nic(vnet.vnet, nic, subnet, limits)?
        } else {
            filters::unjudged(vnet.vnet, limits)
        };
        self.desired.filters.insert(slot, filter);
        entry.gateway_ipv4 = subnet.gateway_ipv4().unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
        let more = more.into_iter().map(|ip| abi::AddressKey::new(id, Addr::from(ip)));
        self.desired.nic_addresses.extend(more);
        self.desired.nics.insert(id, entry);
        self.desired.ifaces.insert(facts.ifindex, id);
        self.desired.ifaces.extend(facts.shaper.map(|shaper| (shaper.leaves, id)));
        Ok(())
    }

    /// An uplink is a NIC that forwards: any source address, the operator's router behind it.
    fn add_local_uplink(
        &mut self,
        vnet: &NumberedVnet<'_>,
        it: &NumberedUplink<'_>,
    ) -> Result<(), NetworkError> {
        let not_numbered = || NetworkError::NotNumbered { id: it.uplink.id.to_string() };
        let table = self.network.table(vnet.index, None).ok_or_else(not_numbered)?;
        let slot =
            self.network.state.slot(&self.host.name, &it.uplink.id).ok_or_else(not_numbered)?;
        let Some(facts) = self.interface(&it.uplink.interface) else { return Ok(()) };
        let mut entry = local(vnet.id, table, slot, &facts);
        entry.flags |= nic_flags::FORWARDING;
        entry.mac = it.uplink.mac;
        let limits = &self.facts.datapath.flow_limits;
        self.desired.filters.insert(slot, filters::unjudged(vnet.vnet, limits));
        self.desired.nics.insert(it.id, entry);
        self.desired.ifaces.insert(facts.ifindex, it.id);
        Ok(())
    }

    /// The facts of an interface; a missing one is noted.
    fn interface(&mut self, name: &str) -> Option<InterfaceFacts> {
        let facts = self.facts.interfaces.get(name).filter(|facts| facts.ifindex != 0).cloned();
        if facts.is_none() {
            self.desired.missing_interfaces.push(name.to_owned());
        }
        facts
    }

    /// The number of a remote host, which is in reach from now on.
    fn vtep(&mut self, host: HostIndex) -> Result<VtepId, NetworkError> {
        if let Some(known) = self.remote_hosts.get(&host) {
            return Ok(*known);
        }
        let name = self.network.topology.host(host).map(|host| host.name.as_str());
        let name = name.unwrap_or_default();
        let not_numbered = || NetworkError::NotNumbered { id: name.to_owned() };
        let id = self.network.state.vtep(name).ok_or_else(not_numbered)?;
        self.remote_hosts.insert(host, id);
        Ok(id)
    }
}

/// The flag of the NIC that stands for the VNet's gateway; no flag for another one.
fn gateway_flag(vnet: &NumberedVnet<'_>, nic: NicId) -> u32 {
    let is_gateway = vnet.gateway.is_some_and(|gateway| gateway.nic.id == nic);
    if is_gateway { nic_flags::GATEWAY } else { 0 }
}

fn remote(vnet: VnetId, vtep: VtepId) -> abi::Nic {
    abi::Nic { flags: nic_flags::PRESENT, vnet, vtep, ..abi::Nic::default() }
}

fn local(vnet: VnetId, table: TableId, slot: u32, facts: &InterfaceFacts) -> abi::Nic {
    let peer = if facts.delivery == Delivery::Peer { nic_flags::DELIVER_PEER } else { 0 };
    let xdp = if facts.hook == Hook::Xdp { nic_flags::DELIVER_XDP } else { 0 };
    abi::Nic {
        flags: nic_flags::PRESENT | peer | xdp,
        vnet,
        table,
        ifindex: facts.ifindex,
        slot,
        mtu: facts.mtu_bytes,
        shaper: facts.shaper.filter(|it| it.in_use).map_or(0, |it| it.enters),
        ..abi::Nic::default()
    }
}
