//! What the maps say about an address, without a packet.

use std::net::IpAddr;

use vnetpeer_common::{
    abi::{self, Roots, link_flags, next_hop_kind},
    datapath::{Tables, lookup4, lookup6},
    types::{LinkId, NextHopId, NicId, TableId, V4, V6, VnetId},
};

use super::{flows::Flows, network::Network, tables::HostTables};

impl Network {
    /// Where the effective routes of a NIC's subnet lead for an address.
    pub(super) fn next_hop(
        &self,
        flows: &Flows,
        nic: NicId,
        address: IpAddr,
    ) -> Option<abi::NextHop> {
        let host = self.attached(nic)?.host;
        let tables = HostTables::new(self.image(host)?, flows, true);
        let table: TableId = tables.nic(nic)?.table;
        let id = lookup(&tables, *tables.routes(table)?, address)?;
        tables.next_hop(NextHopId(id)).copied()
    }

    /// Whether these routes lead to a NIC.
    pub(super) fn leads_to_nic(&self, flows: &Flows, nic: NicId, address: IpAddr) -> bool {
        let Some(next) = self.next_hop(flows, nic, address) else { return false };
        match next.kind {
            next_hop_kind::VNET | next_hop_kind::CONNECTED_GROUP => {
                let host = self.attached(nic).and_then(|it| self.image(it.host));
                let Some(image) = host else { return false };
                let tables = HostTables::new(image, flows, true);
                let vnet = tables.vnet(VnetId(next.target));
                let owner = vnet.and_then(|vnet| lookup(&tables, vnet.endpoints, address));
                owner.is_some_and(|owner| owner != 0)
            }
            next_hop_kind::NIC | next_hop_kind::SPREAD => true,
            _ => false,
        }
    }

    /// Whether a peering, as the host of `nic` knows it, lets the VNets talk without a rule that says so.
    pub(super) fn has_access(&self, nic: NicId, link: LinkId) -> bool {
        let image = self.attached(nic).and_then(|it| self.image(it.host));
        let flags = image.map_or(0, |image| image.links.get(link.0).flags);
        !link.is_some() || flags & link_flags::ALLOW_ACCESS != 0
    }
}

fn lookup(tables: &HostTables<'_>, roots: Roots, address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(v4) => lookup4(tables, roots.v4, V4::new(v4.octets())),
        IpAddr::V6(v6) => lookup6(tables, roots.v6, V6::new(v6.octets())),
    }
}
