//! Network security groups for the documents of tests: one per NIC, made of short rules.

use std::fmt::Write as _;

use super::Spec;

/// The rules of a NIC's own group, `nsg-NIC`.
#[derive(Clone, Debug)]
pub struct GroupOf {
    /// The NIC's name.
    pub nic: &'static str,
    /// `flushConnection`.
    pub flush: bool,
    /// Its rules; priorities follow from their order.
    pub rules: Vec<RuleOf>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleOf {
    name: String,
    direction: &'static str,
    access: &'static str,
    protocol: &'static str,
    /// A property with its value.
    source: String,
    ports: String,
}

impl GroupOf {
    /// A group that ends running flows only if it is told to.
    pub fn new(nic: &'static str, rules: Vec<RuleOf>) -> Self {
        Self { nic, flush: false, rules }
    }

    /// The same, and changes apply to running flows too.
    #[must_use]
    pub fn flushing(mut self) -> Self {
        self.flush = true;
        self
    }

    /// Without the rule of that name, which must be there.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.name != name);
        assert_eq!(self.rules.len() + 1, before, "rule {name} of {}", self.nic);
        self
    }
}

impl RuleOf {
    /// Lets in what goes to these ports (`*`, one port or a range), from anywhere.
    pub fn allow_in(name: &str, protocol: &'static str, ports: &str) -> Self {
        Self {
            name: name.to_owned(),
            direction: "Inbound",
            access: "Allow",
            protocol,
            source: "sourceAddressPrefix: \"*\"".to_owned(),
            ports: ports.to_owned(),
        }
    }

    /// Denies everything that comes in.
    pub fn deny_all_in() -> Self {
        Self { access: "Deny", ..Self::allow_in("deny-all-in", "*", "*") }
    }

    /// Denies everything that goes out.
    pub fn deny_all_out() -> Self {
        let name = "deny-all-out".to_owned();
        Self { name, direction: "Outbound", ..Self::deny_all_in() }
    }

    /// The same rule, denying.
    #[must_use]
    pub fn denying(mut self) -> Self {
        self.access = "Deny";
        self
    }

    /// With another source: a property of ARM and its value.
    #[must_use]
    pub fn from(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }
}

impl Spec {
    /// The document with these groups attached to their NICs.
    pub fn yaml_with(&self, groups: &[GroupOf]) -> String {
        let mut text = self.yaml();
        for group in groups {
            let nic = format!("  - name: {}\n    properties:\n", group.nic);
            let attached = format!("{nic}      networkSecurityGroup: {{id: nsg-{}}}\n", group.nic);
            assert!(text.contains(&nic), "NIC {}", group.nic);
            text = text.replacen(&nic, &attached, 1);
        }
        text.push_str("networkSecurityGroups:\n");
        for group in groups {
            let _ = writeln!(
                text,
                "  - name: nsg-{}\n    properties:\n      flushConnection: {}\n      \
                 securityRules:",
                group.nic, group.flush
            );
            for (priority, rule) in (100..).zip(&group.rules) {
                let _ = writeln!(
                    text,
                    "        - {{name: {}, properties: {{priority: {priority}, direction: {}, \
                     access: {}, protocol: \"{}\", {}, sourcePortRange: \"*\", \
                     destinationAddressPrefix: \"*\", destinationPortRange: \"{}\"}}}}",
                    rule.name, rule.direction, rule.access, rule.protocol, rule.source, rule.ports
                );
            }
        }
        text
    }
}
