//! Which host carries which network interface, and behind which interface of the host.

use hashbrown::HashMap;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{KnownTarget, Registry},
        problem::{Finding, Findings},
        scalar::{
            INTERFACE_NAME_BYTES_MAX, INTERFACE_NAMES_TAKEN, InterfaceName, NamespacePath,
            OutboundBandwidth,
        },
        source::Span,
        types::{Host, PlacedGateway, PlacedNic},
    },
    gateway::Gateways,
    host::Hosts,
    nic::Nics,
};
use crate::topology::model::{HookMode, ResourceId};

/// Bytes of a derived name that come from the NIC's name: room for `-` and four hex digits is left.
const STEM_BYTES_MAX: usize = INTERFACE_NAME_BYTES_MAX - 5;

/// Where a NIC lives.
pub(super) struct Placement {
    pub(super) host: usize,
    pub(super) interface: String,
    pub(super) mode: HookMode,
    pub(super) outbound_bits_per_second: Option<u64>,
    /// Where a gateway's routing daemon runs.
    pub(super) network_namespace: Option<String>,
    span: Span,
}

/// The placement of each NIC by its index, those of gateways among them.
#[derive(Default)]
pub(super) struct Placements(Vec<Option<Placement>>);

impl Placements {
    fn of(nics: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(nics).collect())
    }

    fn get(&self, nic: usize) -> Option<&Placement> {
        self.0.get(nic)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, nic: usize) -> Option<&mut Placement> {
        self.0.get_mut(nic)?.as_mut()
    }

    fn insert(&mut self, nic: usize, placement: Placement) {
        if let Some(place) = self.0.get_mut(nic) {
            *place = Some(placement);
        }
    }

    /// Takes one out.
    pub(super) fn take(&mut self, nic: usize) -> Option<Placement> {
        self.0.get_mut(nic)?.take()
    }
}

/// A network interface or a gateway as a host lists it.
struct Placed<'d> {
    name: Option<&'d Spanned<String>>,
    known: Option<&'d KnownTarget>,
    interface: Option<&'d Spanned<InterfaceName>>,
    mode: Option<&'d Spanned<HookMode>>,
    outbound_bandwidth: Option<&'d Spanned<OutboundBandwidth>>,
    network_namespace: Option<&'d Spanned<NamespacePath>>,
}

/// Reads where hosts carry NICs and gateways.
pub(super) fn collect(
    list: Option<&List<Host>>,
    hosts: &mut Hosts,
    nics: &Nics,
    gateways: &Gateways,
    findings: &mut Findings,
) -> Placements {
    let mut placements = Placements::of(nics.list.len());
    let mut unresolved = 0;
    let of_gateway = |index: usize| gateways.list.get(index).map(|it| it.nic);
    for (index, host) in list.into_iter().flatten().enumerate() {
        if super::incomplete(host.network_interfaces.as_ref())
            || super::incomplete(host.gateways.as_ref())
        {
            hosts.incomplete = true;
        }
        for placed in host.network_interfaces.iter().flatten().map(Placed::nic) {
            let nic = placed.find(&nics.registry, findings);
            unresolved += placed.on(index, nic, hosts, &mut placements, findings);
        }
        for placed in host.gateways.iter().flatten().map(Placed::gateway) {
            let nic = placed.find(&gateways.registry, findings).and_then(of_gateway);
            unresolved += placed.on(index, nic, hosts, &mut placements, findings);
        }
    }
    report_unplaced(&placements, unresolved, hosts, nics, findings);
    name_interfaces(&mut placements, hosts, nics);
    placements
}

impl<'d> Placed<'d> {
    fn nic(it: &'d PlacedNic) -> Self {
        Self {
            name: it.name.as_ref(),
            known: Some(&it.known_nic),
            interface: it.interface.as_ref(),
            mode: it.mode.as_ref(),
            outbound_bandwidth: it.outbound_bandwidth_mbps.as_ref(),
            network_namespace: None,
        }
    }

    fn gateway(it: &'d PlacedGateway) -> Self {
        Self {
            name: it.name.as_ref(),
            known: None,
            interface: it.interface.as_ref(),
            mode: it.mode.as_ref(),
            outbound_bandwidth: None,
            network_namespace: it.network_namespace.as_ref(),
        }
    }

    fn find(&self, registry: &Registry, findings: &mut Findings) -> Option<usize> {
        let code = Code::InvalidResourceReference;
        registry.find_known(self.name?, self.known, code, findings)
    }

    /// Places the NIC on a host. Returns how many NICs are not known: one or none.
    fn on(
        &self,
        host: usize,
        nic: Option<usize>,
        hosts: &mut Hosts,
        placements: &mut Placements,
        findings: &mut Findings,
    ) -> usize {
        if let (Some(interface), Some(draft)) = (self.interface, hosts.list.get_mut(host)) {
            draft.use_interface(interface, findings);
        }
        self.report_xdp(findings);
        let (Some(name), Some(nic)) = (self.name, nic) else { return 1 };
        if let Some(first) = placements.get(nic) {
            findings.push(placed_twice(name, first.span));
            return 0;
        }
        let placement = Placement {
            host,
            interface: self.interface.map(|it| it.value.0.clone()).unwrap_or_default(),
            mode: self.mode.map(|it| it.value).unwrap_or_default(),
            outbound_bits_per_second: self.outbound_bandwidth.map(|it| it.value.bits_per_second()),
            network_namespace: self.network_namespace.map(|it| it.value.0.clone()),
            span: name.span,
        };
        placements.insert(nic, placement);
        0
    }
}

impl Placed<'_> {
    /// XDP has no queue in which packets could wait.
    fn report_xdp(&self, findings: &mut Findings) {
        if let (Some(limit), Some(mode)) = (self.outbound_bandwidth, self.mode)
            && mode.value == HookMode::Xdp
        {
            let message = "`outboundBandwidthMbps` cannot be kept with XDP";
            findings.push(
                Finding::error(Code::ConflictingProperties, limit.span, message)
                    .help("remove `mode: xdp`, or the limit: what it limits is handled by TC")
                    .note(mode.span, "XDP is asked for here"),
            );
        }
    }
}

fn placed_twice(name: &Spanned<String>, first: Span) -> Finding {
    let message = format!("`{}` is placed twice", name.value);
    Finding::error(Code::NetworkInterfacePlacedTwice, name.span, message)
        .help("remove one of the two: it lives on exactly one host")
        .note(first, "placed here first")
}

fn report_unplaced(
    placements: &Placements,
    unresolved: usize,
    hosts: &Hosts,
    nics: &Nics,
    findings: &mut Findings,
) {
    let unplaced: Vec<usize> =
        (0..nics.list.len()).filter(|nic| placements.get(*nic).is_none()).collect();
    // A name that is not known probably stands for a NIC that seems to be missing.
    if hosts.incomplete || unplaced.len() <= unresolved {
        return;
    }
    if hosts.list.is_empty() {
        let message = format!("no host carries the {} networkInterfaces", unplaced.len());
        findings.push(
            Finding::error(Code::NetworkInterfaceNotPlaced, nics.span, message)
                .help("add `hosts` and list each networkInterface on one of them"),
        );
        return;
    }
    for nic in unplaced.iter().filter_map(|nic| nics.list.get(*nic)) {
        let name = nic.named.id.name();
        let (kind, list) = if nic.is_gateway {
            ("virtualNetworkGateway", "gateways")
        } else {
            ("networkInterface", "networkInterfaces")
        };
        let message = format!("{kind} `{name}` is on no host");
        findings.push(
            Finding::error(Code::NetworkInterfaceNotPlaced, nic.named.span, message)
                .help(format!("add `- name: {name}` to the {list} of a host")),
        );
    }
}

/// Gives an interface name to every placed NIC without one. The name depends on the NIC and on what
/// else the host has, not on the order of the document.
fn name_interfaces(placements: &mut Placements, hosts: &mut Hosts, nics: &Nics) {
    let mut unnamed: Vec<(&ResourceId, &mut Placement)> = (nics.list.iter())
        .zip(&mut placements.0)
        .filter_map(|(nic, placement)| Some((&nic.named.id, placement.as_mut()?)))
        .filter(|(_, placement)| placement.interface.is_empty())
        .collect();
    if unnamed.is_empty() {
        return;
    }
    unnamed.sort_by_key(|(id, _)| *id);
    let mut wishes: HashMap<(usize, String), usize> = HashMap::new();
    for (id, placement) in &unnamed {
        *wishes.entry((placement.host, id.name().to_owned())).or_default() += 1;
    }
    for (id, placement) in unnamed {
        let Some(host) = hosts.list.get_mut(placement.host) else { continue };
        let name = id.name();
        let alone = wishes.get(&(placement.host, name.to_owned())) == Some(&1);
        let usable = name.len() <= INTERFACE_NAME_BYTES_MAX
            && !INTERFACE_NAMES_TAKEN.contains(&name)
            && !host.interfaces.contains_key(name);
        placement.interface = if alone && usable {
            name.to_owned()
        } else {
            (0..=u16::MAX)
                .map(|salt| hashed_name(id, salt))
                .find(|name| !host.interfaces.contains_key(name))
                .unwrap_or_default()
        };
        host.interfaces.insert(placement.interface.clone(), placement.span);
    }
}

/// The beginning of the NIC's name and a hash of its id.
fn hashed_name(id: &ResourceId, salt: u16) -> String {
    // FNV-1a: names must be the same on every host and in every version.
    let bytes = id.as_str().bytes().map(|byte| byte.to_ascii_lowercase());
    let hash = bytes
        .chain(salt.to_be_bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let name = id.name();
    let stem = name.get(..name.floor_char_boundary(STEM_BYTES_MAX)).unwrap_or(name);
    format!("{stem}-{:04x}", hash >> 16)
}
