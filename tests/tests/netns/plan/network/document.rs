//! The network as a document.

use std::fmt::Write as _;

use super::{NICS, Network, Rule, SERVICES, VNETS, address, space};

impl Network {
    /// The document.
    pub(in super::super) fn yaml(&self) -> String {
        let mut text = "deployment: {name: plan}\nvirtualNetworks:\n".to_owned();
        self.write_vnets(&mut text);
        self.write_peerings(&mut text);
        self.write_routes(&mut text);
        self.write_groups(&mut text);
        self.write_nics(&mut text);
        text
    }

    fn write_vnets(&self, text: &mut String) {
        for (index, (name, subnets)) in VNETS.iter().enumerate() {
            let mut spaces = vec![space(index, true), format!("\"{}\"", space(index, false))];
            if self.wide.contains(&index) {
                spaces.push(format!("10.{}.0.0/16", 40 + index));
            }
            let _ = writeln!(
                text,
                "  - name: {name}\n    properties:\n      addressSpace: {{addressPrefixes: [{}]}}\n      subnets:",
                spaces.join(", ")
            );
            for (number, subnet) in subnets.iter().enumerate() {
                let _ = write!(
                    text,
                    "        - name: {subnet}\n          properties: {{addressPrefixes: [10.{index}.{}.0/24, \
                     \"fd00:{index}:0:{}::/64\"]",
                    number + 1,
                    number + 1
                );
                if self.routes.contains_key(&(index, number)) {
                    let _ = write!(text, ", routeTable: {{id: rt-{name}-{subnet}}}");
                }
                let place = format!("{name}/{subnet}");
                if self.groups.contains_key(&place) {
                    let _ = write!(text, ", networkSecurityGroup: {{id: {}}}", group_name(&place));
                }
                text.push_str("}\n");
            }
        }
    }

    fn write_peerings(&self, text: &mut String) {
        text.push_str("virtualNetworkPeerings:\n");
        for ((from, to), it) in &self.peerings {
            let (own, remote) = (VNETS[*from], VNETS[*to]);
            let _ = write!(
                text,
                "  - {{name: {}/to-{}{}, properties: {{remoteVirtualNetwork: {{id: {}}}, \
                 allowVirtualNetworkAccess: {}, allowForwardedTraffic: {}",
                own.0,
                remote.0,
                // An object cannot change from complete VNets to subnets.
                if it.subnets { "-subnets" } else { "" },
                remote.0,
                it.access,
                it.forwarded
            );
            if it.subnets {
                let _ = write!(
                    text,
                    ", peerCompleteVnets: false, localSubnetNames: [{}], remoteSubnetNames: [{}], \
                     enableOnlyIPv6Peering: {}",
                    own.1[0], remote.1[0], it.only_ipv6
                );
            }
            text.push_str("}}\n");
        }
    }

    fn write_routes(&self, text: &mut String) {
        text.push_str("routeTables:\n");
        for ((vnet, subnet), routes) in &self.routes {
            let (name, subnets) = VNETS[*vnet];
            let _ = writeln!(
                text,
                "  - name: rt-{name}-{}\n    properties:\n      routes:",
                subnets[*subnet]
            );
            for (number, (prefix, next_hop)) in routes.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "        - {{name: r{number}, properties: {{addressPrefix: \"{prefix}\", {next_hop}}}}}"
                );
            }
        }
    }

    fn write_groups(&self, text: &mut String) {
        text.push_str("networkSecurityGroups:\n");
        // Nobody's group: it names the ports, so that the lab always tries the same.
        let named = SERVICES.iter().map(|(protocol, port)| Rule {
            direction: "Inbound",
            allows: true,
            protocol,
            remote: "*".to_owned(),
            ports: port.to_string(),
        });
        let named: Vec<Rule> = named.collect();
        let groups = self.groups.iter().map(|(place, rules)| (group_name(place), rules));
        for (name, rules) in groups.chain([("nsg-services".to_owned(), &named)]) {
            let _ = writeln!(
                text,
                "  - name: {name}\n    properties:\n      flushConnection: true\n      securityRules:"
            );
            for (number, rule) in rules.iter().enumerate() {
                let _ = writeln!(text, "        - {}", rule.yaml(number));
            }
        }
        self.write_admin_rules(text);
    }

    fn write_admin_rules(&self, text: &mut String) {
        if self.admin.is_empty() {
            return;
        }
        text.push_str(
            "networkManagers:\n  - name: nm\n    properties:\n      networkManagerScopes: {subscriptions: \
             [/subscriptions/00000000-0000-0000-0000-000000000001]}\n      networkGroups:\n",
        );
        for vnet in self.admin.keys() {
            let name = VNETS[*vnet].0;
            let _ = writeln!(
                text,
                "        - {{name: {name}, properties: {{staticMembers: [{{name: it, properties: \
                 {{resourceId: {name}}}}}]}}}}"
            );
        }
        text.push_str(
            "      securityAdminConfigurations:\n        - name: admin\n          properties:\n            \
             ruleCollections:\n",
        );
        for (vnet, (direction, protocol, port)) in &self.admin {
            let name = VNETS[*vnet].0;
            let _ = writeln!(
                text,
                "              - name: admin-{name}\n                properties:\n                  \
                 appliesToGroups: [{{networkGroupId: {name}}}]\n                  rules:\n                    \
                 - {{name: deny, properties: {{priority: 10, direction: {direction}, access: Deny, \
                 protocol: {protocol}, sources: [{{addressPrefix: \"*\", addressPrefixType: IPPrefix}}], \
                 destinations: [{{addressPrefix: \"*\", addressPrefixType: IPPrefix}}], \
                 sourcePortRanges: [\"*\"], destinationPortRanges: [\"{port}\"]}}}}"
            );
        }
        text.push_str(
            "      commits:\n        - {name: admin, properties: {commitType: SecurityAdmin, \
             targetLocations: [westeurope], configurationIds: [admin]}}\n",
        );
    }

    fn write_nics(&self, text: &mut String) {
        text.push_str("networkInterfaces:\n");
        for (number, (name, vnet, subnet, last, _)) in NICS.into_iter().enumerate() {
            let forwards = self.forwarding.get(number).copied().unwrap_or(false);
            let _ = write!(
                text,
                "  - name: {name}\n    properties:\n      enableIPForwarding: {forwards}\n"
            );
            if self.groups.contains_key(name) {
                let _ = writeln!(text, "      networkSecurityGroup: {{id: {}}}", group_name(name));
            }
            text.push_str("      ipConfigurations:\n");
            for (family, is_v4) in [("v4", true), ("v6", false)] {
                let _ = writeln!(
                    text,
                    "        - {{name: {family}, properties: {{subnet: {{id: {}/{}}}, \
                     privateIPAddress: \"{}\"}}}}",
                    VNETS[vnet].0,
                    VNETS[vnet].1[subnet],
                    address(vnet, subnet, last, is_v4)
                );
            }
        }
        text.push_str("hosts:\n");
        for host in 0..3 {
            let nics =
                NICS.iter().filter(|nic| nic.4 == host).map(|nic| format!("{{name: {}}}", nic.0));
            let _ = writeln!(
                text,
                "  - name: host-{host}\n    underlay: {{interface: eth0, addresses: [192.0.2.{}]}}\n    \
                 networkInterfaces: [{}]",
                host + 1,
                nics.collect::<Vec<_>>().join(", ")
            );
        }
    }
}

impl Rule {
    fn yaml(&self, number: usize) -> String {
        let (source, destination) = match self.direction {
            "Inbound" => (self.remote.as_str(), "*"),
            _ => ("*", self.remote.as_str()),
        };
        let access = if self.allows { "Allow" } else { "Deny" };
        let ports = if matches!(self.protocol, "Icmp") { "*" } else { &self.ports };
        format!(
            "{{name: r{number}, properties: {{priority: {}, direction: {}, access: {access}, protocol: \
             \"{}\", sourceAddressPrefix: \"{source}\", sourcePortRange: \"*\", \
             destinationAddressPrefix: \"{destination}\", destinationPortRange: \"{ports}\"}}}}",
            100 + number,
            self.direction,
            self.protocol
        )
    }
}

fn group_name(place: &str) -> String {
    format!("nsg-{}", place.replace('/', "-"))
}
