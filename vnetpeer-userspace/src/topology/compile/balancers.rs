//! Frontends of load balancers, and the rules that take packets to them.

use vnetpeer_common::{
    abi::{self, balancer_flags, distribution, nic_flags},
    wire::protocol,
};

use super::{Compiler, split_addresses};
use crate::topology::{
    balancing::NumberedFrontend,
    desired::Balancer,
    model::{BalancedProtocol, LoadBalancerSku, LoadBalancingRule, LoadDistribution},
    network::{NetworkError, NumberedVnet},
};

impl Compiler<'_> {
    /// The frontends of a VNet. One is on every host that can reach the VNet: packets to it become packets
    /// to a backend where they come from.
    pub(super) fn add_frontends(&mut self, vnet: &NumberedVnet<'_>) -> Result<(), NetworkError> {
        for it in &vnet.frontends {
            let (ipv4, ipv6, _) = split_addresses(&[it.frontend.address]);
            let is_basic = it.balancer.sku == LoadBalancerSku::Basic;
            let basic = if is_basic { nic_flags::BASIC } else { 0 };
            let flags = nic_flags::PRESENT | nic_flags::FRONTEND | basic;
            let nic = abi::Nic { flags, vnet: vnet.id, ipv4, ipv6, ..abi::Nic::default() };
            self.desired.nics.insert(it.id, nic);
            for rule in it.rules() {
                self.add_balancer(it, rule)?;
            }
        }
        Ok(())
    }

    fn add_balancer(
        &mut self,
        frontend: &NumberedFrontend<'_>,
        rule: &LoadBalancingRule,
    ) -> Result<(), NetworkError> {
        let not_numbered = || NetworkError::NotNumbered { id: rule.id.to_string() };
        let id = self.network.state.balancer(&rule.id).ok_or_else(not_numbered)?;
        let key = match rule.protocol {
            BalancedProtocol::Tcp => (protocol::TCP, rule.frontend_port),
            BalancedProtocol::Udp => (protocol::UDP, rule.frontend_port),
            BalancedProtocol::All => (0, 0),
        };
        let floating = if rule.floating_ip { balancer_flags::FLOATING } else { 0 };
        let balancer = abi::Balancer {
            flags: balancer_flags::PRESENT | floating,
            distribution: match rule.distribution {
                LoadDistribution::Default => distribution::DEFAULT,
                LoadDistribution::SourceIP => distribution::SOURCE_IP,
                LoadDistribution::SourceIPProtocol => distribution::SOURCE_IP_PROTOCOL,
            },
            frontend: frontend.id,
            slots: 0,
            frontend_port: rule.frontend_port,
            backend_port: rule.backend_port,
            ..abi::Balancer::default()
        };
        let mut members = frontend.takers(self.network, rule);
        members.sort_unstable();
        let key = abi::FrontendKey::of_port(frontend.id, key.0, key.1);
        self.desired
            .balancers
            .insert(id, Balancer { key, rule: balancer, members: members.into() });
        Ok(())
    }
}
