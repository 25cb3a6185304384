//! Hosts: their underlay addresses, and their ways to the Internet.

use std::{collections::HashSet, net::IpAddr};

use hashbrown::HashMap;
use vnetpeer_common::types::Mac;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::check_name,
        problem::{Finding, Findings},
        scalar::InterfaceName,
        source::Span,
        types::{Host, InternetUplink},
    },
    incomplete,
    vnet::Vnets,
};
use crate::topology::model::HookMode;

/// All hosts.
pub(super) struct Hosts {
    pub(super) list: Vec<HostDraft>,
    /// Whether a host could not be read.
    pub(super) incomplete: bool,
}

pub(super) struct HostDraft {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) underlay_interface: Option<Spanned<InterfaceName>>,
    pub(super) underlay_addresses: Vec<Spanned<IpAddr>>,
    pub(super) underlay_mode: HookMode,
    pub(super) uplinks: Vec<UplinkDraft>,
    /// Who uses which interface.
    pub(super) interfaces: HashMap<String, Span>,
}

pub(super) struct UplinkDraft {
    pub(super) vnet: usize,
    pub(super) interface: String,
    pub(super) mac: Mac,
}

impl HostDraft {
    /// Notes that an interface is used; reports a second use.
    pub(super) fn use_interface(&mut self, name: &Spanned<InterfaceName>, findings: &mut Findings) {
        if let Some(first) = self.interfaces.insert(name.value.0.clone(), name.span) {
            let message =
                format!("interface `{}` of host `{}` is used twice", name.value.0, self.name);
            findings.push(
                Finding::error(Code::InterfaceInUse, name.span, message)
                    .help("name another interface")
                    .note(first, "used here"),
            );
        }
    }

    fn has(&self, ipv4: bool) -> bool {
        self.underlay_addresses.iter().any(|it| it.value.is_ipv4() == ipv4)
    }
}

pub(super) fn collect(list: Option<&List<Host>>, vnets: &Vnets, findings: &mut Findings) -> Hosts {
    let mut hosts = Hosts { list: Vec::new(), incomplete: incomplete(list) };
    let mut names: HashMap<&str, Span> = HashMap::new();
    for host in list.into_iter().flatten() {
        // An unnamed host was reported; it is judged all the same.
        let name = host.name.as_ref();
        if let Some(name) = name {
            check_name(&name.value, name.span, findings);
            if let Some(first) = names.insert(&name.value, name.span) {
                let message = format!("host `{}` exists twice", name.value);
                findings.push(
                    Finding::error(Code::DuplicateResource, name.span, message)
                        .help("rename one of them")
                        .note(first, "first here"),
                );
            }
        }
        let mut draft = draft(name, host, findings);
        let uplinks = host.internet_uplinks.as_ref();
        draft.uplinks = uplinks_of(&mut draft, uplinks, vnets, findings);
        hosts.list.push(draft);
    }
    check_addresses(&hosts, findings);
    check_families(&hosts, findings);
    hosts
}

fn draft(name: Option<&Spanned<String>>, host: &Host, findings: &mut Findings) -> HostDraft {
    let underlay = host.underlay.as_ref();
    let addresses = underlay.and_then(|it| it.addresses.as_ref());
    if let Some(list) = addresses.filter(|list| list.items.is_empty() && !list.incomplete) {
        findings.push(
            Finding::error(Code::MissingProperty, list.span, "a host without an underlay address")
                .help("add the host's own address on its underlay interface"),
        );
    }
    let interface = underlay.and_then(|it| it.interface.clone());
    let mode = underlay.and_then(|it| it.mode.as_ref());
    let mut draft = HostDraft {
        name: name.map(|it| it.value.clone()).unwrap_or_default(),
        span: name.map(|it| it.span).or(interface.as_ref().map(|it| it.span)).unwrap_or_default(),
        underlay_interface: interface,
        underlay_addresses: addresses.into_iter().flatten().cloned().collect(),
        underlay_mode: mode.map(|it| it.value).unwrap_or_default(),
        uplinks: Vec::new(),
        interfaces: HashMap::new(),
    };
    if let Some(interface) = draft.underlay_interface.clone() {
        draft.use_interface(&interface, findings);
    }
    draft
}

fn uplinks_of(
    host: &mut HostDraft,
    list: Option<&List<InternetUplink>>,
    vnets: &Vnets,
    findings: &mut Findings,
) -> Vec<UplinkDraft> {
    let mut drafts = Vec::new();
    let mut seen: HashMap<usize, Span> = HashMap::new();
    for uplink in list.into_iter().flatten() {
        if let Some(interface) = uplink.interface.as_ref() {
            host.use_interface(interface, findings);
        }
        let Some(reference) = uplink.virtual_network.as_ref() else { continue };
        let found = vnets.registry.find(reference, Code::InvalidResourceReference, findings);
        let Some(vnet) = found else { continue };
        if let Some(first) = seen.insert(vnet, reference.span) {
            let message = format!(
                "host `{}` has two uplinks for virtualNetwork `{}`",
                host.name, reference.value
            );
            findings.push(
                Finding::error(Code::DuplicateUplink, reference.span, message)
                    .help("keep one of them")
                    .note(first, "the other one"),
            );
        }
        if let (Some(interface), Some(mac)) = (&uplink.interface, &uplink.mac_address) {
            drafts.push(UplinkDraft { vnet, interface: interface.value.0.clone(), mac: mac.value });
        }
    }
    drafts
}

fn check_addresses(hosts: &Hosts, findings: &mut Findings) {
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    for host in &hosts.list {
        let mut families = HashSet::new();
        for address in &host.underlay_addresses {
            let problem = if !is_host_address(address.value) {
                Some((format!("{} cannot be a host's address", address.value), None))
            } else if let Some(first) = seen.insert(address.value, address.span) {
                Some((
                    format!("two hosts have the underlay address {}", address.value),
                    Some(first),
                ))
            } else if !families.insert(address.value.is_ipv4()) {
                let message =
                    format!("host `{}` has two underlay addresses of one family", host.name);
                Some((message, None))
            } else {
                None
            };
            let Some((message, first)) = problem else { continue };
            let finding = Finding::error(Code::InvalidUnderlayAddress, address.span, message)
                .help("give each host one unicast address of its own for each family it has");
            findings.push(match first {
                Some(first) => finding.note(first, "first here"),
                None => finding,
            });
        }
    }
}

/// Whether other hosts can send to the address.
fn is_host_address(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !special
        && match address {
            IpAddr::V4(address) => !address.is_broadcast() && !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        }
}

/// Every two hosts need a family in common. If two have none, one has only IPv4 and the other only
/// IPv6, so it is enough to compare with the first host that has only IPv4.
fn check_families(hosts: &Hosts, findings: &mut Findings) {
    let only = |host: &&HostDraft, ipv4: bool| host.has(ipv4) && !host.has(!ipv4);
    let Some(first) = hosts.list.iter().find(|host| only(host, true)) else { return };
    for host in hosts.list.iter().filter(|host| only(host, false)) {
        let message =
            format!("hosts `{}` and `{}` have no address family in common", first.name, host.name);
        findings.push(
            Finding::error(Code::NoCommonUnderlayFamily, host.span, message)
                .help(format!(
                    "give `{}` an IPv4 address, or `{}` an IPv6 address",
                    host.name, first.name
                ))
                .note(first.span, "has only IPv4"),
        );
    }
}
