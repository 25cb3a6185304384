//! Application security groups and their members.

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id},
        problem::{Finding, Findings},
        scalar::Location,
        source::Span,
        types::{ApplicationGroupProperties, Child, IpConfigurationProperties, Resource},
    },
    PerRegion, check_region, incomplete, limit,
    vnet::Vnets,
};

const KIND: &str = "applicationSecurityGroups";
const GROUPS_PER_REGION_MAX: usize = 3_000;
const GROUPS_PER_CONFIGURATION_MAX: usize = 20;
const CONFIGURATIONS_PER_GROUP_MAX: usize = 4_000;

/// All application security groups.
pub(super) struct ApplicationGroups {
    pub(super) registry: Registry,
    pub(super) list: Vec<ApplicationGroupDraft>,
}

pub(super) struct ApplicationGroupDraft {
    pub(super) named: Named,
    /// The region if the document states one.
    location: Option<Spanned<Location>>,
    /// The VNet of the first member, and where that member names the group.
    pub(super) home: Option<(usize, Span)>,
    /// How many ipConfigurations name the group.
    configurations: usize,
}

pub(super) fn collect(
    list: Option<&List<Resource<ApplicationGroupProperties>>>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> ApplicationGroups {
    let registry = Registry::new(KIND, incomplete(list));
    let mut groups = ApplicationGroups { registry, list: Vec::new() };
    let help = "use another subscription or region";
    let mut per_region = PerRegion::new(KIND, GROUPS_PER_REGION_MAX, help);
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, resource.header(), defaults, findings) else {
            groups.registry.set_incomplete();
            continue;
        };
        let region = resource.location.as_ref().map_or(&defaults.location, |it| &it.value.0);
        per_region.add(&named, region, findings);
        groups.registry.add(&named, findings);
        let location = resource.location.clone();
        groups.list.push(ApplicationGroupDraft { named, location, home: None, configurations: 0 });
    }
    groups
}

impl ApplicationGroups {
    /// Makes a NIC a member of the groups that its ipConfigurations name. Returns their indices.
    pub(super) fn join(
        &mut self,
        configurations: Option<&List<Child<IpConfigurationProperties>>>,
        vnet: Option<usize>,
        vnets: &Vnets,
        findings: &mut Findings,
    ) -> Vec<usize> {
        let mut joined = Vec::new();
        for child in configurations.into_iter().flatten() {
            let properties = child.properties.as_ref();
            let named = properties.and_then(|it| it.application_security_groups.as_ref());
            for (index, reference) in named.into_iter().flatten().enumerate() {
                let Some(id) = reference.id.as_ref() else { continue };
                if index == GROUPS_PER_CONFIGURATION_MAX {
                    let what = "applicationSecurityGroups in one ipConfiguration";
                    let help = "use fewer groups";
                    findings.push(limit(what, GROUPS_PER_CONFIGURATION_MAX, id.span, help));
                }
                let code = Code::InvalidResourceReference;
                let Some(group) = self.registry.find(id, code, findings) else { continue };
                if let Some(draft) = self.list.get_mut(group) {
                    draft.add(id.span, vnet, vnets, findings);
                }
                if !joined.contains(&group) {
                    joined.push(group);
                }
            }
        }
        joined
    }
}

impl ApplicationGroupDraft {
    /// Notes an ipConfiguration that names the group at `span`, and the VNet that it is in.
    fn add(&mut self, span: Span, vnet: Option<usize>, vnets: &Vnets, findings: &mut Findings) {
        self.configurations += 1;
        if self.configurations == CONFIGURATIONS_PER_GROUP_MAX + 1 {
            let name = self.named.id.name();
            let what = format!("ipConfigurations in applicationSecurityGroup `{name}`");
            findings.push(limit(&what, CONFIGURATIONS_PER_GROUP_MAX, span, "use several groups"));
        }
        let Some((index, vnet)) = vnet.and_then(|index| Some((index, vnets.list.get(index)?)))
        else {
            return;
        };
        let Some((home, first)) = self.home else {
            self.home = Some((index, span));
            check_region(self.location.as_ref(), &self.named, vnet, findings);
            return;
        };
        if let Some(home) = vnets.list.get(home).filter(|_| home != index) {
            let message = format!(
                "the members of applicationSecurityGroup `{}` are in virtualNetworks `{}` and `{}`",
                self.named.id.name(),
                home.named.id.name(),
                vnet.named.id.name()
            );
            findings.push(
                Finding::error(Code::ApplicationSecurityGroupInSeveralVnets, span, message)
                    .help("use a group for each virtualNetwork, as in Azure")
                    .note(first, format!("a member in `{}`", home.named.id.name())),
            );
        }
    }
}
