//! Permissions by rules of AZ §8 and §1.7: an action of a principal, and Azure's code.

use vnetpeer_userspace::{
    document,
    permission::{
        access::{Access, Verdict},
        caller::Caller,
        decide::Rights,
    },
};

use super::run;

/// Roles of one principal, something that it does, and the code of the denial.
pub(crate) struct PermissionCase {
    pub(crate) rule: &'static str,
    pub(crate) name: &'static str,
    /// Tenants that know it: `a`, `b`.
    tenants: &'static [&'static str],
    /// Roles and where.
    roles: &'static [(&'static str, &'static str)],
    action: &'static str,
    on: &'static str,
    /// What is linked to it.
    link: Option<(&'static str, &'static str)>,
    code: Option<&'static str>,
}

const A: &str = "/subscriptions/00000000-0000-0000-0000-0000000000a1/resourceGroups/g";
const B: &str = "/subscriptions/00000000-0000-0000-0000-0000000000b1/resourceGroups/g";
const NETWORK: &str = "Network Contributor";
const CLASSIC: &str = "Classic Network Contributor";
const WRITE: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write";
const DELETE: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/delete";
const READ: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/read";
const PEER: &str = "Microsoft.Network/virtualNetworks/peer/action";
const PEER_CLASSIC: &str = "Microsoft.ClassicNetwork/virtualNetworks/peer/action";
const ROUTES: &str = "Microsoft.Network/networkInterfaces/effectiveRouteTable/action";
const GROUPS: &str = "Microsoft.Network/networkInterfaces/effectiveNetworkSecurityGroups/action";

const BASE: PermissionCase = PermissionCase {
    rule: "8 create",
    name: "",
    tenants: &["a", "b"],
    roles: &[],
    action: WRITE,
    on: "a/one/virtualNetworkPeerings/p",
    link: Some((PEER, "a/two")),
    code: None,
};

const DENIED: Option<&str> = Some("AuthorizationFailed");
const NOT_LINKED: Option<&str> = Some("LinkedAuthorizationFailed");
const NO_TENANT: Option<&str> = Some("InvalidAuthenticationTokenTenant");

const CASES: [PermissionCase; 16] = [
    PermissionCase { name: "a_write_needs_both_sides", roles: &[(NETWORK, "a")], ..BASE },
    PermissionCase {
        rule: "1.7 LinkedAuthorizationFailed",
        name: "a_write_without_the_right_to_peer_with_the_other",
        roles: &[(NETWORK, "a/one")],
        code: NOT_LINKED,
        ..BASE
    },
    PermissionCase {
        rule: "1.7 AuthorizationFailed",
        name: "a_write_with_the_right_to_peer_only",
        roles: &[(NETWORK, "a/two")],
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "1.7 AuthorizationFailed",
        name: "nobody_may_nothing",
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "8 classic",
        name: "a_classic_vnet_has_an_action_of_its_own",
        roles: &[(NETWORK, "a"), (CLASSIC, "a/two")],
        link: Some((PEER_CLASSIC, "a/two")),
        ..BASE
    },
    PermissionCase {
        rule: "8 classic",
        name: "network_contributor_is_not_enough_for_it",
        roles: &[(NETWORK, "a")],
        link: Some((PEER_CLASSIC, "a/two")),
        code: NOT_LINKED,
        ..BASE
    },
    PermissionCase {
        rule: "8 delete",
        name: "a_deletion_needs_the_own_side_only",
        roles: &[(NETWORK, "a/one")],
        action: DELETE,
        link: None,
        ..BASE
    },
    PermissionCase {
        rule: "8 delete",
        name: "a_deletion_needs_the_own_side",
        roles: &[(NETWORK, "a/two")],
        action: DELETE,
        link: None,
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "8 read",
        name: "a_reader_reads",
        roles: &[("Reader", "a")],
        action: READ,
        link: None,
        ..BASE
    },
    PermissionCase {
        rule: "8 read",
        name: "a_reader_does_not_write",
        roles: &[("Reader", "a")],
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "8 built-in role",
        name: "contributor_assigns_no_roles",
        roles: &[("Contributor", "a")],
        action: "Microsoft.Authorization/roleAssignments/write",
        link: None,
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "8 built-in role",
        name: "owner_assigns_roles",
        roles: &[("Owner", "a")],
        action: "Microsoft.Authorization/roleAssignments/write",
        link: None,
        ..BASE
    },
    PermissionCase {
        rule: "8 effective routes and groups",
        name: "actions_that_reading_does_not_have",
        roles: &[("Reader", "a")],
        action: ROUTES,
        link: Some((GROUPS, "a/one")),
        code: DENIED,
        ..BASE
    },
    PermissionCase {
        rule: "8 cross-tenant",
        name: "a_guest_with_rights_on_both_sides",
        roles: &[(NETWORK, "a"), (NETWORK, "b")],
        link: Some((PEER, "b/two")),
        ..BASE
    },
    PermissionCase {
        rule: "8 cross-tenant",
        name: "who_is_unknown_in_the_other_tenant",
        tenants: &["a"],
        roles: &[("Owner", "")],
        link: Some((PEER, "b/two")),
        code: NO_TENANT,
        ..BASE
    },
    PermissionCase {
        rule: "1.7 InvalidAuthenticationTokenTenant",
        name: "a_resource_of_an_unknown_tenant",
        tenants: &["a"],
        roles: &[("Owner", "")],
        on: "b/one/virtualNetworkPeerings/p",
        link: None,
        code: NO_TENANT,
        ..BASE
    },
];

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static PermissionCase> {
    CASES.iter()
}

/// `a/one` is a VNet in the resource group of tenant `a`.
fn id(short: &str) -> String {
    let (group, rest) = short.split_once('/').unwrap_or((short, ""));
    let group = match group {
        "a" => A,
        "b" => B,
        _ => return "/".to_owned(),
    };
    match rest {
        "" => group.to_owned(),
        rest => format!("{group}/providers/Microsoft.Network/virtualNetworks/{rest}"),
    }
}

fn check(case: &PermissionCase) -> Result<(), String> {
    let tenant = |it: &&str| format!("\"00000000-0000-0000-0000-0000000000{it}0\"");
    let tenants: Vec<String> = case.tenants.iter().map(tenant).collect();
    let roles = case.roles.iter().map(|(role, at)| {
        format!(
            "{{\"properties\": {{\"principal\": \"p\", \"roleDefinitionId\": \"{role}\", \"scope\": \"{}\"}}}}",
            id(at)
        )
    });
    let text = format!(
        "{{\"subscriptions\": [\
         {{\"subscriptionId\": \"00000000-0000-0000-0000-0000000000a1\", \
         \"tenantId\": \"00000000-0000-0000-0000-0000000000a0\"}}, \
         {{\"subscriptionId\": \"00000000-0000-0000-0000-0000000000b1\", \
         \"tenantId\": \"00000000-0000-0000-0000-0000000000b0\"}}], \
         \"principals\": [{{\"name\": \"p\", \"uids\": [1000], \"tenants\": [{}]}}], \
         \"roleAssignments\": [{}]}}",
        tenants.join(", "),
        roles.collect::<Vec<_>>().join(", ")
    );
    let loaded = document::load("azure.json", &text).map_err(|problems| problems.to_string())?;
    let permissions = &loaded.topology.permissions;
    let rights = Rights::new(permissions, Caller::of_unix(permissions, 1000, &[]));
    let mut access = Access::new(case.action, id(case.on));
    if let Some((action, on)) = case.link {
        access = access.linked(action, id(on));
    }
    let code = match access.check(&rights) {
        Verdict::Allowed(_) => None,
        Verdict::Denied(denial) => Some(denial.code),
    };
    if code == case.code { Ok(()) } else { Err(format!("{code:?}, not {:?}", case.code)) }
}

#[test]
fn actions_have_azures_answers() {
    run(all(), |case| (case.rule, case.name), check);
}
