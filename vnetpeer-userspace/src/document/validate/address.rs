//! Private IP addresses: those that the document gives, then the next free ones for the rest.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::{
    super::{
        code::Code,
        decode::Spanned,
        prefixes::offset,
        problem::{Finding, Findings},
        scalar::{Allocation, IpVersion},
        source::Span,
    },
    limit,
    subnet::SubnetDraft,
    vnet::Vnets,
};

const ADDRESSES_PER_VNET_MAX: usize = 65_536;

/// First place in a subnet that Azure does not keep for itself.
const FIRST_USABLE: u64 = 4;

/// Who gets an address. Those that come first here choose first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// The NIC at an index.
    Nic(usize),
    /// The frontend of a load balancer at an index.
    Frontend(usize),
}

/// What one ipConfiguration asks for.
pub(super) struct Wanted<'d> {
    pub(super) holder: Holder,
    /// VNet and subnet.
    pub(super) place: (usize, usize),
    pub(super) address: Option<&'d Spanned<IpAddr>>,
    pub(super) version: Option<&'d Spanned<IpVersion>>,
    pub(super) allocation: Option<&'d Spanned<Allocation>>,
    /// The ipConfiguration's name.
    pub(super) span: Span,
}

/// An address that is wanted and makes sense in itself.
struct Request {
    holder: Holder,
    place: (usize, usize),
    /// `None`: the next free one.
    address: Option<IpAddr>,
    ipv4: bool,
    span: Span,
}

/// The addresses of all NICs and frontends, in the order in which they were wanted.
#[derive(Default)]
pub(super) struct Addresses {
    requests: Vec<Request>,
}

/// What is taken, by VNet.
#[derive(Default)]
struct Taken {
    by: HashMap<(usize, IpAddr), Span>,
    counts: HashMap<usize, usize>,
    /// By subnet and family: the place to look at next.
    cursors: HashMap<(usize, usize, bool), u64>,
}

impl Addresses {
    pub(super) fn want(&mut self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let Wanted { holder, place, address, version, allocation, span } = *wanted;
        if let Some(allocation) = allocation
            && allocation.value == Allocation::Static
            && address.is_none()
        {
            findings.push(
                Finding::error(
                    Code::MissingProperty,
                    allocation.span,
                    "a static address is not given",
                )
                .help("add privateIPAddress, or write privateIPAllocationMethod: Dynamic"),
            );
            return;
        }
        let stated = version.map(|it| it.value == IpVersion::V4);
        let ipv4 = address.map_or(stated.unwrap_or(true), |it| it.value.is_ipv4());
        if let (Some(address), Some(version), Some(stated)) = (address, version, stated)
            && stated != ipv4
        {
            let message = format!("{} is not of the stated privateIPAddressVersion", address.value);
            findings.push(
                Finding::error(Code::IpAddressVersionMismatch, address.span, message)
                    .help("remove privateIPAddressVersion, or correct one of the two")
                    .note(version.span, "the stated version"),
            );
            return;
        }
        let span = address.map_or(span, |it| it.span);
        let address = address.map(|it| it.value);
        self.requests.push(Request { holder, place, address, ipv4, span });
    }

    /// Everybody's addresses.
    pub(super) fn resolve(
        mut self,
        vnets: &Vnets,
        findings: &mut Findings,
    ) -> Vec<(Holder, IpAddr)> {
        let mut taken = Taken::default();
        // A load balancer that is added takes no address from a NIC.
        self.requests.sort_by_key(|request| request.holder);
        // An address that is given is never handed to somebody else, wherever in the document.
        for request in &self.requests {
            let subnet = vnets.subnet(request.place);
            if let (Some(address), Some(subnet)) = (request.address, subnet) {
                check(address, request.span, subnet, findings);
                taken.take(address, request, subnet, findings);
            }
        }
        let mut resolved = Vec::new();
        for request in &self.requests {
            let Some(subnet) = vnets.subnet(request.place) else { continue };
            let address = request.address.or_else(|| taken.allocate(request, subnet, findings));
            resolved.extend(address.map(|address| (request.holder, address)));
        }
        resolved
    }
}

impl Taken {
    fn take(
        &mut self,
        address: IpAddr,
        request: &Request,
        subnet: &SubnetDraft,
        findings: &mut Findings,
    ) {
        let vnet = request.place.0;
        if let Some(first) = self.by.insert((vnet, address), request.span) {
            findings.push(
                Finding::error(
                    Code::PrivateIPAddressIsAllocated,
                    request.span,
                    format!(
                        "the address {address} of subnet `{}` is taken",
                        subnet.named.id.name()
                    ),
                )
                .help("choose another address, or leave it out to get the next free one")
                .note(first, "taken here"),
            );
            return;
        }
        let count = self.counts.entry(vnet).or_default();
        *count += 1;
        if *count == ADDRESSES_PER_VNET_MAX + 1 {
            let what = "private IP addresses of one virtualNetwork";
            let help = "use another virtualNetwork and peer the two";
            findings.push(limit(what, ADDRESSES_PER_VNET_MAX, request.span, help));
        }
    }

    fn allocate(
        &mut self,
        request: &Request,
        subnet: &SubnetDraft,
        findings: &mut Findings,
    ) -> Option<IpAddr> {
        let Some(prefix) = subnet.prefix_for(request.ipv4) else {
            if subnet.prefixes_known {
                let family = if request.ipv4 { "IPv4" } else { "IPv6" };
                findings.push(no_family(family, request.span, subnet));
            }
            return None;
        };
        let (vnet, subnet_index) = request.place;
        let key = (vnet, subnet_index, request.ipv4);
        let mut place = self.cursors.get(&key).copied().unwrap_or(FIRST_USABLE);
        let free = loop {
            let address = offset(prefix.network(), place).filter(|it| prefix.contains(it));
            match address.filter(|address| !SubnetDraft::reserves(&prefix, *address)) {
                Some(address) if self.by.contains_key(&(vnet, address)) => place += 1,
                other => break other,
            }
        };
        self.cursors.insert(key, place.saturating_add(1));
        let Some(address) = free else {
            let message =
                format!("subnet `{}` has no free address left in {prefix}", subnet.named.id.name());
            findings.push(
                Finding::error(Code::SubnetIsFull, request.span, message)
                    .help("make the subnet larger, or use another one")
                    .note(subnet.named.span, "the subnet"),
            );
            return None;
        };
        self.take(address, request, subnet, findings);
        Some(address)
    }
}

fn no_family(family: &str, span: Span, subnet: &SubnetDraft) -> Finding {
    let name = subnet.named.id.name();
    let message = format!("subnet `{name}` has no {family} prefix");
    Finding::error(Code::PrivateIPAddressNotInSubnet, span, message)
        .help(format!("add an {family} prefix to the subnet, or use the other family"))
        .note(subnet.named.span, "the subnet")
}

fn check(address: IpAddr, span: Span, subnet: &SubnetDraft, findings: &mut Findings) {
    let inside = |net: &IpNet| net.contains(&address);
    let Some(prefix) = subnet.prefixes.iter().map(|it| it.value).find(inside) else {
        if subnet.prefixes_known {
            findings.push(outside(address, span, subnet));
        }
        return;
    };
    if SubnetDraft::reserves(&prefix, address) {
        let first = offset(prefix.network(), FIRST_USABLE).unwrap_or(address);
        let rule = if address.is_ipv4() {
            "the first four and the last address"
        } else {
            "the first four addresses"
        };
        let message = format!("{address} is reserved in subnet {prefix}");
        findings.push(
            Finding::error(Code::PrivateIPAddressInReservedRange, span, message).help(format!(
                "Azure keeps {rule} of every subnet; {first} is the first usable one"
            )),
        );
    }
}

fn outside(address: IpAddr, span: Span, subnet: &SubnetDraft) -> Finding {
    let name = subnet.named.id.name();
    let Some(prefix) = subnet.prefix_for(address.is_ipv4()) else {
        return no_family(if address.is_ipv4() { "IPv4" } else { "IPv6" }, span, subnet);
    };
    let message = format!("the address {address} is not in subnet `{name}` ({prefix})");
    Finding::error(Code::PrivateIPAddressNotInSubnet, span, message)
        .help(format!("choose an address of {prefix}, or leave it out to get the next free one"))
        .note(subnet.named.span, "the subnet")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::names::{Named, Registry},
            vnet::VnetDraft,
        },
        *,
    };
    use crate::topology::model::ResourceId;

    /// One VNet with one subnet.
    fn vnets(prefix: &str) -> Vnets {
        let named = || Named { id: ResourceId::new("/x"), span: Span::default() };
        let prefix = Spanned { value: prefix.parse().unwrap(), span: Span::default() };
        let subnet = SubnetDraft {
            named: named(),
            prefixes: vec![prefix.clone()],
            prefixes_known: true,
            route_table: None,
            security_group: None,
        };
        let vnet = VnetDraft {
            named: named(),
            subscription: String::new(),
            location: "westeurope".to_owned(),
            space: vec![prefix],
            space_known: true,
            subnets: vec![subnet],
            tags: std::collections::BTreeMap::new(),
            flow_timeout_minutes: None,
            classic: false,
        };
        Vnets {
            registry: Registry::new("virtualNetworks", false),
            list: vec![vnet],
            subnets: Registry::new("virtualNetworks/subnets", false),
            subnet_places: vec![(0, 0)],
        }
    }

    fn allocate(prefix: &str, count: usize) -> (Vec<(Holder, IpAddr)>, bool) {
        let request = |nic| {
            let ipv4 = !prefix.contains(':');
            Request {
                holder: Holder::Nic(nic),
                place: (0, 0),
                address: None,
                ipv4,
                span: Span::default(),
            }
        };
        let addresses = Addresses { requests: (0..count).map(request).collect() };
        let mut findings = Findings::default();
        let resolved = addresses.resolve(&vnets(prefix), &mut findings);
        (resolved, findings.has_errors())
    }

    #[test]
    fn one_network_has_a_limit_over_all_its_subnets() {
        assert!(!allocate("10.0.0.0/8", ADDRESSES_PER_VNET_MAX).1);
        assert!(allocate("10.0.0.0/8", ADDRESSES_PER_VNET_MAX + 1).1);
    }

    #[test]
    fn reserved_addresses_are_not_handed_out() {
        let (resolved, failed) = allocate("10.0.0.0/29", 3);
        let seen: Vec<String> = resolved.iter().map(|(_, address)| address.to_string()).collect();
        assert_eq!(
            (seen, failed),
            (["10.0.0.4", "10.0.0.5", "10.0.0.6"].map(String::from).to_vec(), false)
        );
        assert!(allocate("10.0.0.0/29", 4).1);
        assert_eq!(allocate("fd00::/64", 1).0, [(Holder::Nic(0), "fd00::4".parse().unwrap())]);
    }
}
