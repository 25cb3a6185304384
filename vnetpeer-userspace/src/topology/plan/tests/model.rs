//! What a packet would get from an image of the maps: the conditions of the datapath, restated.

use super::*;
use vnetpeer_common::{
    abi::{next_hop_kind, vtep_flags},
    types::VnetId,
};

/// A packet, sent by a local NIC or arriving from a remote one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    Out { ifindex: u32, nic: NicId, src: Addr, dst: Addr },
    In { from: Addr, nic: NicId, target: NicId, src: Addr, dst: Addr },
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop,
    /// The sender's half chose a target, and the target's half refused.
    Refused(Sent),
    /// Handed to the target's host, which decides the other half.
    Remote(Sent),
    /// Handed to a NIC of this host.
    Local(Sent, Admission),
}

/// The target's half: over which link, and whether as forwarded traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    ingress: LinkId,
    forwarded: bool,
}

/// The sender's half: who gets it, over which link, and whether the route names the target itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    source: NicId,
    target: NicId,
    egress: LinkId,
    by_route: bool,
}

impl Verdict {
    pub(super) fn is_drop(self) -> bool {
        matches!(self, Self::Drop | Self::Refused(_))
    }

    /// The same without reasons.
    pub(super) fn outcome(self) -> Self {
        let plain = |sent: Sent| Sent { by_route: false, ..sent };
        match self {
            Self::Drop | Self::Refused(_) => Self::Drop,
            Self::Remote(sent) => Self::Remote(plain(sent)),
            Self::Local(sent, it) => Self::Local(plain(sent), Admission { forwarded: false, ..it }),
        }
    }

    fn sent(self) -> Option<Sent> {
        match self {
            Self::Drop => None,
            Self::Refused(sent) | Self::Remote(sent) | Self::Local(sent, _) => Some(sent),
        }
    }

    /// Whether these differ only because the target is moving between hosts.
    pub(super) fn is_moved(self, other: Self) -> bool {
        let remote = |it| matches!(it, Self::Remote(_));
        let target = |it: Self| it.sent().map(|it| (it.source, it.target, it.egress));
        remote(self) != remote(other) && target(self) == target(other)
    }
}

pub(super) fn verdict(image: &Image, flow: &Flow) -> Verdict {
    let verdict = match *flow {
        Flow::Out { ifindex, nic, src, dst } => {
            let sends = image.ifaces.get(&ifindex) == Some(&nic);
            sends.then(|| outbound(image, nic, src, dst)).flatten()
        }
        Flow::In { from, nic, target, src, dst } => inbound(image, from, (nic, target), src, dst),
    };
    verdict.unwrap_or(Verdict::Drop)
}

fn inbound(
    image: &Image,
    from: Addr,
    (nic, target): (NicId, NicId),
    src: Addr,
    dst: Addr,
) -> Option<Verdict> {
    let source = present(image, nic)?;
    let vtep = image.vteps.get(&source.vtep)?;
    if !source.vtep.is_some() || vtep.remote != from {
        return None;
    }
    let entry = present(image, target)?;
    let hosted = image.vnets.get(&entry.vnet)?.flags != 0;
    if entry.vtep.is_some() || !hosted {
        return None;
    }
    let sent = Sent { source: nic, target, egress: LinkId::NONE, by_route: false };
    let ingress = admit(image, source.vnet, LinkId::NONE, target, entry, src, dst)?;
    Some(Verdict::Local(sent, ingress))
}

fn outbound(image: &Image, id: NicId, src: Addr, dst: Addr) -> Option<Verdict> {
    let nic = present(image, id)?;
    if nic.flags & nic_flags::FORWARDING == 0 && !owns(image, id, nic, src) {
        return None;
    }
    let roots = *image.routes.get(&nic.table)?;
    let hop = image.next_hops[&image.lookup(roots, dst)?];
    let target = match hop.kind {
        next_hop_kind::VNET | next_hop_kind::CONNECTED_GROUP => {
            let vnet = image.vnets.get(&VnetId(hop.target))?;
            NicId(image.lookup(vnet.endpoints, dst)?)
        }
        next_hop_kind::NIC => NicId(hop.target),
        _ => return None,
    };
    let link = match hop.kind {
        next_hop_kind::CONNECTED_GROUP if hop.target != nic.vnet.0 => {
            group_link(image, VnetId(hop.target), nic.vnet)?;
            group_link(image, nic.vnet, VnetId(hop.target))?
        }
        _ => hop.link,
    };
    if link.is_some() {
        usable(image, link)?;
    }
    let entry = present(image, target)?;
    let by_route = hop.kind == next_hop_kind::NIC;
    let sent = Sent { source: id, target, egress: link, by_route };
    if entry.vtep.is_some() {
        image.vteps.get(&entry.vtep).filter(|it| it.flags & vtep_flags::PRESENT != 0)?;
        return Some(Verdict::Remote(sent));
    }
    let ingress = admit(image, nic.vnet, hop.reverse, target, entry, src, dst);
    Some(ingress.map_or(Verdict::Refused(sent), |it| Verdict::Local(sent, it)))
}

fn admit(
    image: &Image,
    source_vnet: VnetId,
    known: LinkId,
    id: NicId,
    nic: &abi::Nic,
    src: Addr,
    dst: Addr,
) -> Option<Admission> {
    let (mut link, mut forwarded) = (LinkId::NONE, false);
    if source_vnet != nic.vnet {
        let vnet = image.vnets.get(&nic.vnet)?;
        let by_source = image.lookup(vnet.peers, src).unwrap_or(0);
        let member = abi::member_of_group(by_source);
        if member.is_some() {
            // Nothing forwarded is taken over a connected group.
            if member == source_vnet {
                let ingress = group_link(image, nic.vnet, member)?;
                usable(image, ingress)?;
                let takes = nic.flags & nic_flags::FORWARDING != 0 || owns(image, id, nic, dst);
                return takes.then_some(Admission { ingress, forwarded: false });
            }
        }
        let by_source = LinkId(if member.is_some() { 0 } else { by_source });
        link = if known.is_some() { known } else { by_source };
        let entry = image.links.get(&link).copied().unwrap_or_default();
        if entry.remote != source_vnet || entry.vnet != nic.vnet {
            let key = abi::RelationKey { vnet: nic.vnet, remote: source_vnet };
            link = *image.relations.get(&key)?;
        }
        let flags = usable(image, link)?;
        forwarded = link != by_source;
        if forwarded && flags & link_flags::ALLOW_FORWARDED == 0 {
            return None;
        }
    }
    let takes = nic.flags & nic_flags::FORWARDING != 0 || owns(image, id, nic, dst);
    takes.then_some(Admission { ingress: link, forwarded })
}

/// The link of a VNet that meters what it exchanges with another member of a connected group.
fn group_link(image: &Image, own: VnetId, other: VnetId) -> Option<LinkId> {
    let (own, other) = (image.vnets.get(&own)?, image.vnets.get(&other)?);
    let scope = usize::from(own.region != other.region);
    let link = own.group_links[scope];
    (link.is_some() && other.group_links[scope].is_some()).then_some(link)
}

fn present(image: &Image, id: NicId) -> Option<&abi::Nic> {
    image.nics.get(&id).filter(|nic| nic.flags & nic_flags::PRESENT != 0)
}

fn usable(image: &Image, link: LinkId) -> Option<u32> {
    let needed = link_flags::CONNECTED | link_flags::ALLOW_ACCESS;
    image.links.get(&link).map(|it| it.flags).filter(|flags| flags & needed == needed)
}

fn owns(image: &Image, id: NicId, nic: &abi::Nic, addr: Addr) -> bool {
    let first = [Addr::v4(nic.ipv4), Addr::v6(nic.ipv6)];
    let unset = [Addr::v4([0; 4]), Addr::v6([0; 16])];
    let more = nic.flags & nic_flags::MORE_ADDRESSES != 0
        && image.nic_addrs.contains(&abi::AddressKey::new(id, addr));
    !unset.contains(&addr) && (first.contains(&addr) || more)
}

/// Flows between all NICs of an image, with and without their own addresses.
pub(super) fn flows(image: &Image) -> BTreeSet<Flow> {
    let nics: Vec<_> = image.nics.iter().filter(|it| it.1.flags != 0).collect();
    let own = |id: NicId, nic: &abi::Nic| {
        let first = [Addr::v4(nic.ipv4), Addr::v6(nic.ipv6)].into_iter();
        let more = image.nic_addrs.iter().filter(move |it| it.nic == id).map(|it| it.addr);
        first.chain(more).filter(|it| ![Addr::v4([0; 4]), Addr::v6([0; 16])].contains(it))
    };
    let mut addresses: BTreeSet<Addr> = nics.iter().flat_map(|(id, nic)| own(**id, nic)).collect();
    let somewhere = ["8.8.8.8", "10.200.0.1", "2001:db8::1"]
        .map(|it| Addr::from(crate::topology::testing::ip(it)));
    addresses.extend(somewhere);
    let is_v4 = |it: &Addr| it.to_v4().is_some();
    let mut found = BTreeSet::new();
    for (id, nic) in &nics {
        let mut sources: Vec<Addr> = own(**id, nic).collect();
        sources.extend(addresses.iter().step_by(5));
        for src in sources {
            for dst in addresses.iter().filter(|it| is_v4(it) == is_v4(&src)) {
                if nic.vtep.is_some() {
                    let Some(vtep) = image.vteps.get(&nic.vtep) else { continue };
                    let local = nics.iter().filter(|it| !it.1.vtep.is_some());
                    for (target, _) in local.filter(|it| own(*it.0, it.1).any(|it| it == *dst)) {
                        let (nic, target) = (**id, **target);
                        found.insert(Flow::In { from: vtep.remote, nic, target, src, dst: *dst });
                    }
                } else {
                    found.insert(Flow::Out { ifindex: nic.ifindex, nic: **id, src, dst: *dst });
                }
            }
        }
    }
    found
}
