//! Members of backend pools: the ipConfigurations that name them.

use std::net::IpAddr;

use super::{
    super::{
        super::{
            code::Code,
            decode::Spanned,
            names::Named,
            problem::{Finding, Findings},
            scalar::IpVersion,
            source::Span,
            types::{Child, IpConfigurationProperties},
        },
        nic::{NicDraft, Nics},
        vnet::Vnets,
    },
    LoadBalancerDraft, LoadBalancers,
};
use crate::topology::model::{BackendMember, NicIndex};

/// A backend pool that an ipConfiguration names.
#[derive(Clone, Debug)]
pub(in crate::document::validate) struct PoolWish {
    reference: Spanned<String>,
    ipv4: bool,
    /// Whether it is the first ipConfiguration of its family, in the order of the NIC's addresses.
    is_first: bool,
}

impl PoolWish {
    /// What the ipConfigurations of a NIC name, which are in the order of its addresses.
    pub(in crate::document::validate) fn of(
        ordered: &[&Child<IpConfigurationProperties>],
    ) -> Vec<Self> {
        let mut wishes = Vec::new();
        let mut seen = [false; 2];
        for properties in ordered.iter().filter_map(|child| child.properties.as_ref()) {
            let stated = properties.private_ip_address_version.as_ref();
            let stated = stated.is_none_or(|it| it.value == IpVersion::V4);
            let address = properties.private_ip_address.as_ref();
            let ipv4 = address.map_or(stated, |it| it.value.is_ipv4());
            let is_first = match &mut seen {
                [seen, _] if ipv4 => !std::mem::replace(seen, true),
                [_, seen] => !std::mem::replace(seen, true),
            };
            let pools = properties.load_balancer_backend_address_pools.as_ref();
            let ids = pools.into_iter().flatten().filter_map(|it| it.id.clone());
            wishes.extend(ids.map(|reference| Self { reference, ipv4, is_first }));
        }
        wishes
    }
}

/// An ipConfiguration in a backend pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberDraft {
    pub(super) nic: usize,
    pub(super) address: IpAddr,
    /// Where it names the pool.
    pub(super) span: Span,
}

impl MemberDraft {
    pub(super) fn assemble(&self) -> BackendMember {
        BackendMember { nic: NicIndex(self.nic), address: self.address }
    }
}

impl LoadBalancers {
    /// Makes members of the NICs that name pools, and judges what follows from it.
    pub(in crate::document::validate) fn join(
        &mut self,
        nics: &Nics,
        vnets: &Vnets,
        findings: &mut Findings,
    ) {
        for (index, nic) in nics.list.iter().enumerate() {
            let mut first: Option<(usize, Span)> = None;
            for wish in &nic.pools {
                let found =
                    self.pools.find(&wish.reference, Code::InvalidResourceReference, findings);
                let place = found.and_then(|pool| self.pool_places.get(pool).copied());
                let Some((balancer, pool)) = place else { continue };
                let other = *first.get_or_insert((balancer, wish.reference.span));
                self.check_skus(other, (balancer, wish.reference.span), &nic.named, findings);
                self.add(index, nic, wish, (balancer, pool), vnets, findings);
            }
        }
        self.check_backend_ports(findings);
        // What could not be read may be the address that seems to be missing.
        if !findings.has_errors() {
            for draft in &self.list {
                draft.warn_families(nics, findings);
            }
        }
    }

    fn add(
        &mut self,
        index: usize,
        nic: &NicDraft,
        wish: &PoolWish,
        (balancer, pool): (usize, usize),
        vnets: &Vnets,
        findings: &mut Findings,
    ) {
        let Some(draft) = self.list.get_mut(balancer) else { return };
        let span = wish.reference.span;
        let home = nic.place.map(|(vnet, _)| vnet);
        if let (Some(home), Some(vnet)) = (home, draft.vnet)
            && home != vnet
        {
            findings.push(elsewhere(draft, nic, (home, vnet), span, vnets));
            return;
        }
        if !wish.is_first {
            let message =
                "not supported yet: backend pools of a further ipConfiguration of one family";
            findings.push(Finding::error(Code::NotSupportedYet, span, message).help(
                "name the pool in the networkInterface's first ipConfiguration of the family",
            ));
            return;
        }
        let address = nic.addresses.iter().find(|it| it.is_ipv4() == wish.ipv4).copied();
        let Some(pool) = draft.pools.get_mut(pool) else { return };
        let Some(address) = address else { return };
        if let Some(before) =
            pool.members.iter().find(|it| it.nic == index && it.address == address)
        {
            let message = format!("backendAddressPool `{}` is named twice", wish.reference.value);
            findings.push(
                Finding::error(Code::DuplicateResource, span, message)
                    .help("remove one of them")
                    .note(before.span, "first here"),
            );
            return;
        }
        pool.members.push(MemberDraft { nic: index, address, span });
    }

    /// As in Azure, all load balancers of a NIC have one SKU.
    fn check_skus(
        &self,
        (first, before): (usize, Span),
        (other, span): (usize, Span),
        nic: &Named,
        findings: &mut Findings,
    ) {
        let sku = |index: usize| self.list.get(index).map(|it| it.sku);
        if sku(first) != sku(other) {
            let message = format!(
                "networkInterface `{}` is behind a Basic and a Standard loadBalancer",
                nic.id.name()
            );
            findings.push(
                Finding::error(Code::DifferentSkuLoadBalancersNotAllowed, span, message)
                    .help("give the loadBalancers one SKU, or use another networkInterface")
                    .note(before, "of the other SKU"),
            );
        }
    }
}

fn elsewhere(
    draft: &LoadBalancerDraft,
    nic: &NicDraft,
    (home, vnet): (usize, usize),
    span: Span,
    vnets: &Vnets,
) -> Finding {
    let name = |index: usize| vnets.list.get(index).map_or("", |it| it.named.id.name());
    let message = format!(
        "networkInterface `{}` is in virtualNetwork `{}`, loadBalancer `{}` in `{}`",
        nic.named.id.name(),
        name(home),
        draft.named.id.name(),
        name(vnet)
    );
    Finding::error(Code::InvalidResourceReference, span, message)
        .help("name a pool of a loadBalancer in the networkInterface's own virtualNetwork")
        .note(draft.named.span, "the loadBalancer")
}
