//! What somebody asks for, in the datapath's numbers.

use std::net::IpAddr;

use ipnet::IpNet;
use vnetpeer_common::{
    abi::{Event, SNAP_MAX, Watch},
    reason::DropReason,
    types::{Addr, LinkId, NicId, VnetId},
};

use crate::{
    agent::{api::WatchRequest, deployment::Deployment},
    topology::model::ResourceId,
};

/// All drop reasons and none.
const ANY_REASON: u64 = u64::MAX;
/// The whole protocol counts.
const PROTOCOL_COUNTS: u32 = 0xff00;

/// Something that a request names does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no {what} `{name}`; `vnetpeer {list} list` shows what there is")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    list: &'static str,
}

/// The datapath's filter for a request.
pub(super) fn watch_of(
    request: &WatchRequest,
    deployment: &Deployment,
) -> Result<Watch, UnknownName> {
    let state = deployment.state();
    let numbered =
        |what, list, name: &Option<String>, number: &dyn Fn(&ResourceId) -> Option<u32>| {
            let Some(name) = name else { return Ok(0) };
            let unknown = || UnknownName { what, name: name.clone(), list };
            number(&ResourceId::new(name.as_str())).ok_or_else(unknown)
        };
    let nic = numbered("network interface", "nic", &request.network_interface, &|id| {
        state.nic(id).map(|it| it.0)
    })?;
    let vnet = numbered("virtual network", "vnet", &request.virtual_network, &|id| {
        state.vnet(id).map(|it| it.0)
    })?;
    let link =
        numbered("peering", "peering", &request.peering, &|id| state.link(id).map(|it| it.0))?;
    let reverse = request.peering.as_ref().and_then(|id| reverse_of(deployment, id));
    let (address, mask) = request.address.map_or_else(Default::default, words);
    let mut watch = Watch {
        stages: request.stages.iter().map(|it| it.bit()).fold(0, |all, bit| all | bit),
        reasons: reasons(&request.reasons)?,
        nic: NicId(nic),
        vnet: VnetId(vnet),
        link: LinkId(link),
        reverse: reverse.unwrap_or(LinkId(link)),
        protocol: request.protocol.map_or(0, |it| u32::from(it) | PROTOCOL_COUNTS),
        port: request.port.map_or(0, u32::from),
        address,
        mask,
        snap: request.snap.min(SNAP_MAX),
        ..Watch::default()
    };
    watch.by_packet = u32::from(looks_inside(&watch));
    Ok(watch)
}

fn looks_inside(watch: &Watch) -> bool {
    watch.protocol != 0 || watch.port != 0 || watch.mask != Addr::default()
}

fn reasons(names: &[String]) -> Result<u64, UnknownName> {
    if names.is_empty() {
        return Ok(ANY_REASON);
    }
    let mut bits = 0;
    for name in names {
        let found = DropReason::ALL.iter().find(|it| it.name().eq_ignore_ascii_case(name));
        let unknown = || UnknownName { what: "drop reason", name: name.clone(), list: "explain" };
        bits |= 1 << found.ok_or_else(unknown)?.number();
    }
    Ok(bits)
}

/// The other side's link of a peering.
fn reverse_of(deployment: &Deployment, id: &str) -> Option<LinkId> {
    let topology = deployment.topology();
    let own = topology.written_peerings().find(|it| it.id == ResourceId::new(id))?;
    deployment.state().link(&topology.peering(own.reverse?)?.id)
}

/// A prefix as the datapath compares it.
fn words(net: IpNet) -> (Addr, Addr) {
    let mask = match net.netmask() {
        IpAddr::V4(mask) => {
            let mut octets = [0xff; 16];
            let [.., a, b, c, d] = &mut octets;
            (*a, *b, *c, *d) = mask.octets().into();
            Addr::v6(octets)
        }
        IpAddr::V6(mask) => Addr::v6(mask.octets()),
    };
    (Addr::from(net.network()), mask)
}

/// One filter that lets everything pass that any of several does.
pub(super) fn union(watches: impl IntoIterator<Item = Watch>) -> Watch {
    watches.into_iter().reduce(either).unwrap_or_default()
}

fn either(a: Watch, b: Watch) -> Watch {
    fn same<T: Copy + PartialEq + Default>(a: T, b: T) -> T {
        if a == b { a } else { T::default() }
    }
    let (link, reverse) = same((a.link, a.reverse), (b.link, b.reverse));
    let (address, mask) = same((a.address, a.mask), (b.address, b.mask));
    let mut watch = Watch {
        stages: a.stages | b.stages,
        reasons: a.reasons | b.reasons,
        nic: same(a.nic, b.nic),
        vnet: same(a.vnet, b.vnet),
        link,
        reverse,
        protocol: same(a.protocol, b.protocol),
        port: same(a.port, b.port),
        address,
        mask,
        snap: a.snap.max(b.snap),
        ..Watch::default()
    };
    watch.by_packet = u32::from(looks_inside(&watch));
    watch
}

/// Whether an event of the common filter is one that this one asks for. `vnet` tells a NIC's network.
pub(super) fn takes(watch: &Watch, event: &Event, vnet: impl Fn(NicId) -> Option<VnetId>) -> bool {
    let fits = |address: Addr| {
        let [high, low] = address.words();
        let [wanted_high, wanted_low] = watch.address.words();
        let [mask_high, mask_low] = watch.mask.words();
        ((high ^ wanted_high) & mask_high) | ((low ^ wanted_low) & mask_low) == 0
    };
    let port = |it: u16| u32::from(it) == watch.port;
    let of_nic = |it: NicId| !watch.nic.is_some() || watch.nic == it;
    let in_vnet = |it: NicId| !watch.vnet.is_some() || vnet(it) == Some(watch.vnet);
    watch.stages & u32::from(event.stages) != 0
        && watch.reasons >> (event.reason & 63) & 1 == 1
        && (of_nic(event.nic) || of_nic(event.source_nic))
        && (in_vnet(event.nic) || in_vnet(event.source_nic))
        && (!watch.link.is_some() || [watch.link, watch.reverse].contains(&event.link))
        && (watch.protocol == 0 || watch.protocol & 0xff == u32::from(event.protocol))
        && (fits(event.src) || fits(event.dst))
        && (watch.port == 0 || port(event.src_port) || port(event.dst_port))
}
