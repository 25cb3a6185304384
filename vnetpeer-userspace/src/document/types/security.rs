//! Network security groups, application security groups, service tags and security admin rules.

use ipnet::IpNet;

use super::{
    super::{
        decode::{List, Spanned},
        object::object,
        scalar::{
            AdminPrefix, AdminPrefixType, AdminPriority, AdminProtocol, Description, Ports,
            RuleAccess, RulePrefix, RulePriority, RuleProtocolWord,
        },
    },
    Child, Reference,
};
use crate::topology::model::{Access, Direction};

object! {
    /// Properties of a network security group.
    #[schemars(rename = "NetworkSecurityGroup")]
    struct SecurityGroupProperties {
        /// Its own rules; in each direction no two have the same priority.
        security_rules as "securityRules": List<Child<SecurityRuleProperties>>,
        /// Whether a change of the rules applies to running flows too. Default: `false`.
        flush_connection as "flushConnection": Spanned<bool>,
    }
    read_only: [
        "defaultSecurityRules", "flowLogs", "networkInterfaces", "provisioningState",
        "resourceGuid", "subnets",
    ]
}

object! {
    /// Properties of a security rule. Source and destination are each given by one prefix, by a
    /// list of prefixes or by a list of application security groups.
    #[schemars(rename = "SecurityRule")]
    struct SecurityRuleProperties {
        /// What it is for, in up to 140 characters.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// Which protocol it matches.
        protocol as "protocol" (required): Spanned<RuleProtocolWord>,
        /// What it does.
        access as "access" (required): Spanned<RuleAccess>,
        /// Which traffic it looks at, seen from the network interface.
        direction as "direction" (required): Spanned<Direction>,
        /// From 100 to 4096; the lowest is evaluated first.
        priority as "priority" (required): Spanned<RulePriority>,
        /// Where packets come from.
        source_address_prefix as "sourceAddressPrefix": Spanned<RulePrefix>,
        /// Where packets come from: prefixes and addresses. An empty list matches nothing.
        source_address_prefixes as "sourceAddressPrefixes": List<Spanned<RulePrefix>>,
        /// Where packets come from: the members of these groups.
        source_application_security_groups as "sourceApplicationSecurityGroups": List<Reference>,
        /// Source ports; needed unless the protocol has no ports.
        source_port_range as "sourcePortRange": Spanned<Ports>,
        /// Source ports and ranges of them.
        source_port_ranges as "sourcePortRanges": List<Spanned<Ports>>,
        /// Where packets go.
        destination_address_prefix as "destinationAddressPrefix": Spanned<RulePrefix>,
        /// Where packets go: prefixes and addresses. An empty list matches nothing.
        destination_address_prefixes as "destinationAddressPrefixes": List<Spanned<RulePrefix>>,
        /// Where packets go: the members of these groups.
        destination_application_security_groups as "destinationApplicationSecurityGroups":
            List<Reference>,
        /// Destination ports; needed unless the protocol has no ports.
        destination_port_range as "destinationPortRange": Spanned<Ports>,
        /// Destination ports and ranges of them.
        destination_port_ranges as "destinationPortRanges": List<Spanned<Ports>>,
    }
    read_only: ["provisioningState"]
    one_of: ["sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"]
    one_of: [
        "destinationAddressPrefix", "destinationAddressPrefixes",
        "destinationApplicationSecurityGroups",
    ]
    one_of: ["sourcePortRange", "sourcePortRanges"] unless "protocol" is ["Icmp", "Esp", "Ah"]
    one_of: ["destinationPortRange", "destinationPortRanges"]
        unless "protocol" is ["Icmp", "Esp", "Ah"]
}

object! {
    /// Properties of an application security group: it has none.
    #[schemars(rename = "ApplicationSecurityGroup")]
    struct ApplicationGroupProperties {}
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// A service tag of the document's own.
    struct ServiceTag {
        /// Its name, which no other tag has.
        name as "name" (required): Spanned<String>,
        /// The prefixes that it stands for, of both families.
        address_prefixes as "addressPrefixes" (required): List<Spanned<IpNet>>,
    }
}

object! {
    /// Properties of a security admin rule.
    #[schemars(rename = "SecurityAdminRule")]
    struct AdminRuleProperties {
        /// What it is for, in up to 140 characters.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// Which protocol it matches.
        protocol as "protocol" (required): Spanned<AdminProtocol>,
        /// What it does. `AlwaysAllow` leaves out the network security groups.
        access as "access" (required): Spanned<Access>,
        /// Which traffic it looks at, seen from the network interface.
        direction as "direction" (required): Spanned<Direction>,
        /// From 1 to 4096; the lowest is evaluated first.
        priority as "priority" (required): Spanned<AdminPriority>,
        /// Where packets come from: prefixes and network groups, or one service tag.
        sources as "sources" (required): List<AdminEndpoint>,
        /// Where packets go: prefixes and network groups, or one service tag.
        destinations as "destinations" (required): List<AdminEndpoint>,
        /// Source ports; needed unless the protocol has no ports.
        source_port_ranges as "sourcePortRanges": List<Spanned<Ports>>,
        /// Destination ports; needed unless the protocol has no ports.
        destination_port_ranges as "destinationPortRanges": List<Spanned<Ports>>,
    }
    read_only: ["provisioningState", "resourceGuid"]
    one_of: ["sourcePortRanges"] unless "protocol" is ["Icmp", "Esp", "Ah"]
    one_of: ["destinationPortRanges"] unless "protocol" is ["Icmp", "Esp", "Ah"]
}

object! {
    /// Addresses in a security admin rule.
    #[schemars(rename = "SecurityAdminRuleAddresses")]
    struct AdminEndpoint {
        /// What `addressPrefix` is.
        address_prefix_type as "addressPrefixType" (required): Spanned<AdminPrefixType>,
        /// An address prefix, an address or `*`; the name of a service tag; or the name or ARM id of a
        /// network group.
        address_prefix as "addressPrefix" (required): Spanned<AdminPrefix>,
    }
}
