//! Frontends: addresses in subnets of one VNet.

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            problem::{Finding, Findings},
            types::{Child, FrontendProperties},
        },
        PartNames,
        address::{Addresses, Holder, Wanted},
        gateway::is_gateway_subnet,
        is_empty,
        vnet::Vnets,
    },
    FrontendDraft, LoadBalancerDraft, part,
};

impl LoadBalancerDraft {
    /// Reads the frontends, of which the first has the number `first` among those of all load balancers.
    pub(super) fn read_frontends(
        &mut self,
        list: Option<&List<Child<FrontendProperties>>>,
        first: usize,
        vnets: &Vnets,
        addresses: &mut Addresses,
        findings: &mut Findings,
    ) {
        let Some(list) = list else { return };
        if is_empty(list) {
            let message = format!("loadBalancer `{}` has no frontend", self.named.id.name());
            findings.push(
                Finding::error(Code::MissingProperty, list.span, message)
                    .help("add a frontendIPConfiguration with its subnet"),
            );
        }
        let mut taken = PartNames::default();
        for child in list {
            let Some(name) = child.name.as_ref() else { continue };
            taken.add("frontendIPConfiguration", name, findings);
            let named = part(&self.named, "frontendIPConfigurations", name);
            let properties = child.properties.as_ref();
            let place = properties.and_then(|it| self.place(name, it, vnets, findings));
            if let (Some(place), Some(properties)) = (place, properties) {
                let wanted = Wanted {
                    holder: Holder::Frontend(first + self.frontends.len()),
                    place,
                    address: properties.private_ip_address.as_ref(),
                    version: properties.private_ip_address_version.as_ref(),
                    allocation: properties.private_ip_allocation_method.as_ref(),
                    span: name.span,
                };
                addresses.want(&wanted, findings);
            }
            self.frontends.push(FrontendDraft { named, place, address: None });
        }
    }

    /// The frontend's VNet and subnet. All frontends are in one VNet.
    fn place(
        &mut self,
        name: &Spanned<String>,
        properties: &FrontendProperties,
        vnets: &Vnets,
        findings: &mut Findings,
    ) -> Option<(usize, usize)> {
        if properties.public_ip_address.is_some() {
            findings.push(public(name));
            return None;
        }
        let Some(subnet) = properties.subnet.as_ref() else {
            let message = "property `subnet` is missing";
            findings.push(
                Finding::error(Code::MissingProperty, name.span, message)
                    .help("add `subnet` with the subnet that the frontend's address is in"),
            );
            return None;
        };
        let reference = subnet.id.as_ref()?;
        let index = vnets.subnets.find(reference, Code::InvalidResourceReference, findings)?;
        let place = vnets.subnet_places.get(index).copied()?;
        if let Some(subnet) = vnets.subnet(place).filter(|it| is_gateway_subnet(it)) {
            let message = format!("frontend `{}` cannot be in GatewaySubnet", name.value);
            findings.push(
                Finding::error(Code::InvalidResourceReference, reference.span, message)
                    .help("name another subnet: only gateways can be there")
                    .note(subnet.named.span, "the subnet"),
            );
        }
        let vnet = *self.vnet.get_or_insert(place.0);
        if vnet != place.0 {
            let message = format!(
                "the frontends of loadBalancer `{}` are in several virtualNetworks",
                self.named.id.name()
            );
            findings.push(
                Finding::error(Code::InvalidResourceReference, reference.span, message)
                    .help("name a subnet of the same virtualNetwork, or use another loadBalancer"),
            );
        }
        Some(place)
    }
}

fn public(name: &Spanned<String>) -> Finding {
    let message = "not supported yet: publicIPAddress, and with it public load balancers";
    Finding::error(Code::NotSupportedYet, name.span, message).help(
        "give the frontend a subnet: addresses of the Internet are translated behind an uplink, by \
         the operator's router, and no frontend can have one",
    )
}
