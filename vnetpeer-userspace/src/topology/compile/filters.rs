//! What judges each local NIC, and the policies that this needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use vnetpeer_common::{
    abi::{self, STAGES, filter_flags},
    types::PolicyId,
};

use crate::topology::{
    facts::FlowLimits,
    model::{
        AdminRulesIndex, Direction, Nic, ResourceId, SecurityGroupIndex, Subnet, Topology, Vnet,
        VnetIndex,
    },
    network::NetworkError,
    policy::{Policy, Resolver},
    state::{PolicyKey, State},
};

/// `flowTimeoutInMinutes` where a VNet does not say it.
const FLOW_TIMEOUT_MINUTES: u8 = 4;

/// Where a policy's rules are.
#[derive(Clone, Copy, Debug)]
enum Source {
    Group(SecurityGroupIndex),
    Admin(AdminRulesIndex),
}

/// Makes filters and notes which policies they name.
pub(super) struct Filters<'a> {
    topology: &'a Topology,
    state: &'a State,
    /// Security admin rules by the VNet that they apply to.
    admin: BTreeMap<VnetIndex, AdminRulesIndex>,
    named: BTreeMap<PolicyId, (Source, Direction)>,
}

impl<'a> Filters<'a> {
    /// No filter yet.
    pub(super) fn new(topology: &'a Topology, state: &'a State) -> Self {
        let of_vnets = topology.admin_rules.iter().enumerate().flat_map(|(index, rules)| {
            rules.vnets.iter().map(move |vnet| (*vnet, AdminRulesIndex(index)))
        });
        Self { topology, state, admin: of_vnets.collect(), named: BTreeMap::new() }
    }

    /// What judges a NIC.
    pub(super) fn nic(
        &mut self,
        vnet: &Vnet,
        nic: &Nic,
        subnet: &Subnet,
        limits: &FlowLimits,
    ) -> Result<abi::Filter, NetworkError> {
        let (own, around) = (nic.security_group, subnet.security_group);
        let loose = if nic.disable_tcp_state_tracking { filter_flags::LOOSE_TCP } else { 0 };
        Ok(abi::Filter {
            outbound: self.stages(nic.vnet, [own, around], Direction::Outbound)?,
            inbound: self.stages(nic.vnet, [around, own], Direction::Inbound)?,
            flags: loose,
            idle_timeout: idle_timeout(vnet),
            flows_max: limits.flows_per_nic,
            half_open_max: limits.half_open_per_nic,
            ..abi::Filter::default()
        })
    }

    /// Security admin rules first, then the groups in the order given.
    fn stages(
        &mut self,
        vnet: VnetIndex,
        groups: [Option<SecurityGroupIndex>; 2],
        direction: Direction,
    ) -> Result<[PolicyId; STAGES], NetworkError> {
        let [first, second] = groups;
        Ok([
            self.admin(vnet, direction)?,
            self.group(first, direction)?,
            self.group(second, direction)?,
        ])
    }

    /// Security admin rules of a VNet; none if they say nothing about this direction.
    fn admin(&mut self, vnet: VnetIndex, direction: Direction) -> Result<PolicyId, NetworkError> {
        let Some(index) = self.admin.get(&vnet).copied() else { return Ok(PolicyId::NONE) };
        let Some(rules) = self.topology.admin_rules.get(index.0) else {
            return Ok(PolicyId::NONE);
        };
        if !rules.rules.iter().any(|rule| rule.direction == direction) {
            return Ok(PolicyId::NONE);
        }
        self.name(&rules.id, Source::Admin(index), direction)
    }

    fn group(
        &mut self,
        group: Option<SecurityGroupIndex>,
        direction: Direction,
    ) -> Result<PolicyId, NetworkError> {
        let Some(index) = group else { return Ok(PolicyId::NONE) };
        let dangling = || NetworkError::Dangling {
            id: ResourceId::new(format!("networkSecurityGroups/{}", index.0)),
        };
        let group = self.topology.security_group(index).ok_or_else(dangling)?;
        self.name(&group.id, Source::Group(index), direction)
    }

    fn name(
        &mut self,
        id: &ResourceId,
        source: Source,
        direction: Direction,
    ) -> Result<PolicyId, NetworkError> {
        let key = PolicyKey { group: id.clone(), direction };
        let not_numbered = || NetworkError::NotNumbered { id: id.to_string() };
        let policy = self.state.policy(&key).ok_or_else(not_numbered)?;
        self.named.insert(policy, (source, direction));
        Ok(policy)
    }

    /// The policies that filters name; those whose changes apply to running flows are added to
    /// `flushing`.
    pub(super) fn resolve(
        &self,
        flushing: &mut BTreeSet<PolicyId>,
    ) -> Result<BTreeMap<PolicyId, Arc<Policy>>, NetworkError> {
        let resolver = Resolver::new(self.topology, self.state);
        let mut policies = BTreeMap::new();
        for (id, (source, direction)) in &self.named {
            let (policy, flushes) = match *source {
                Source::Group(index) => {
                    let group = self.topology.security_group(index);
                    let flushes = group.is_some_and(|group| group.flush_connection);
                    (resolver.group(index, *direction)?, flushes)
                }
                Source::Admin(index) => (resolver.admin_rules(index, *direction)?, true),
            };
            policies.insert(*id, Arc::new(policy));
            if flushes {
                flushing.insert(*id);
            }
        }
        Ok(policies)
    }
}

/// What judges an uplink or a gateway: no policy, and room for the flows of a whole VNet.
pub(super) fn unjudged(vnet: &Vnet, limits: &FlowLimits) -> abi::Filter {
    abi::Filter {
        flags: filter_flags::LOOSE_TCP,
        idle_timeout: idle_timeout(vnet),
        flows_max: limits.flows_per_uplink,
        half_open_max: limits.half_open_per_uplink,
        ..abi::Filter::default()
    }
}

/// In seconds.
fn idle_timeout(vnet: &Vnet) -> u32 {
    60 * u32::from(vnet.flow_timeout_minutes.unwrap_or(FLOW_TIMEOUT_MINUTES))
}
