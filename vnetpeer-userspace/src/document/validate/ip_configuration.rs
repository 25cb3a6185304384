//! What holds for the ipConfigurations of every kind of owner: network interfaces and gateways.

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, KnownTarget, Named, check_name, resource_id},
        problem::{Finding, Findings},
        types::{Child, Resource},
    },
    PartNames, is_empty,
    vnet::Vnets,
};

/// A kind of owner, for messages.
pub(super) struct Owner {
    /// What it is called, `networkInterface` for instance.
    pub(super) what: &'static str,
    /// What to do if its ipConfigurations name several subnets.
    pub(super) help: &'static str,
}

impl Owner {
    /// The subnet that all references name, and the first reference that could be followed.
    pub(super) fn subnet<'d>(
        &self,
        references: impl Iterator<Item = (&'d Spanned<String>, Option<&'d KnownTarget>)>,
        vnets: &Vnets,
        findings: &mut Findings,
    ) -> Option<(usize, &'d Spanned<String>)> {
        let mut first: Option<(usize, &Spanned<String>)> = None;
        for (reference, known) in references {
            let code = Code::InvalidResourceReference;
            let found = vnets.subnets.find_known(reference, known, code, findings);
            let Some(subnet) = found else { continue };
            let (other, before) = *first.get_or_insert((subnet, reference));
            if other != subnet {
                let message =
                    format!("the ipConfigurations of one {} name several subnets", self.what);
                findings.push(
                    Finding::error(
                        Code::IpConfigurationsInDifferentSubnets,
                        reference.span,
                        message,
                    )
                    .help(self.help)
                    .note(before.span, "another subnet"),
                );
            }
        }
        first
    }

    /// There is at least one ipConfiguration, and no two have the same name.
    pub(super) fn check_list<P>(
        &self,
        owner: &Named,
        configurations: &List<Child<P>>,
        findings: &mut Findings,
    ) {
        if is_empty(configurations) {
            let message = format!("{} `{}` has no ipConfiguration", self.what, owner.id.name());
            findings.push(
                Finding::error(Code::MissingProperty, configurations.span, message)
                    .help("add an ipConfiguration with its subnet"),
            );
        }
        // Most have one, which is unlike no other.
        if let [only] = configurations.items.as_slice() {
            if let Some(name) = only.name.as_ref() {
                check_name(&name.value, name.span, findings);
            }
            return;
        }
        let mut parts = PartNames::default();
        for name in configurations.items.iter().filter_map(|child| child.name.as_ref()) {
            parts.add("ipConfiguration", name, findings);
        }
    }
}

/// The id of a resource in a VNet. Without a subscription of its own it belongs to the VNet's.
pub(super) fn id_in_vnet<P>(
    kind: &'static str,
    resource: &Resource<P>,
    place: Option<(usize, usize)>,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<Named> {
    let vnet = place.and_then(|(vnet, _)| vnets.list.get(vnet));
    let mut header = resource.header();
    header.subscription = header.subscription.or(vnet.map(|vnet| vnet.subscription.as_str()));
    resource_id(kind, header, defaults, findings)
}
