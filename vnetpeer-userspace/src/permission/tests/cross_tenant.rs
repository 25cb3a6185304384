//! Callers, and peerings across tenants, by documents.

use super::permissions;
use crate::{
    permission::{
        access::{Access, Denial, Verdict},
        caller::Caller,
        decide::Rights,
    },
    topology::model::Permissions,
};

const OWN: &str = "/subscriptions/00000000-0000-0000-0000-0000000000a1/resourceGroups/net/providers/\
                   Microsoft.Network/virtualNetworks/own";
const OTHER: &str = "/subscriptions/00000000-0000-0000-0000-0000000000b2/resourceGroups/net/providers/\
                     Microsoft.Network/virtualNetworks/other";
const WRITE: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write";
const PEER: &str = "Microsoft.Network/virtualNetworks/peer/action";

/// `guest` is known in both tenants, `local` in the first only, `team` has a role by unix group 500.
const DOCUMENT: &str = r"
subscriptions:
  - {subscriptionId: 00000000-0000-0000-0000-0000000000a1, tenantId: 00000000-0000-0000-0000-00000000000a}
  - {subscriptionId: 00000000-0000-0000-0000-0000000000b2, tenantId: 00000000-0000-0000-0000-00000000000b}
principals:
  - {name: guest, uids: [1000], tenants: [00000000-0000-0000-0000-00000000000a, 00000000-0000-0000-0000-00000000000b]}
  - {name: local, uids: [1001], tenants: [00000000-0000-0000-0000-00000000000a]}
  - {name: team, type: Group, gids: [500], tenants: [00000000-0000-0000-0000-00000000000b], members: [guest]}
roleAssignments:
  - {properties: {principal: guest, roleDefinitionId: Network Contributor, scope: /subscriptions/00000000-0000-0000-0000-0000000000a1}}
  - {properties: {principal: local, roleDefinitionId: Owner, scope: /}}
  - {properties: {principal: team, roleDefinitionId: Network Contributor, scope: /subscriptions/00000000-0000-0000-0000-0000000000b2/resourceGroups/net}}
";

fn peering() -> Access {
    Access::new(WRITE, format!("{OWN}/virtualNetworkPeerings/p")).linked(PEER, OTHER)
}

fn check(permissions: &Permissions, uid: u32, gids: &[u32], access: &Access) -> Result<(), Denial> {
    let caller = Caller::of_unix(permissions, uid, gids);
    match access.check(&Rights::new(permissions, caller)) {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(denial) => Err(denial),
    }
}

#[test]
fn a_guest_of_both_tenants_peers_across_them() {
    let permissions = permissions(DOCUMENT);
    check(&permissions, 1000, &[], &peering()).unwrap();
}

#[test]
fn an_owner_of_everything_who_is_unknown_in_the_other_tenant_does_not() {
    let permissions = permissions(DOCUMENT);
    let denial = check(&permissions, 1001, &[], &peering()).unwrap_err();
    assert_eq!(denial.code, "InvalidAuthenticationTokenTenant");
    assert!(denial.message.contains("the current tenant '00000000-0000-0000-0000-00000000000a'"));
    assert!(denial.message.contains("is not authorized to access linked subscription"));
    let there = Access::new(PEER, OTHER);
    let denial = check(&permissions, 1001, &[], &there).unwrap_err();
    assert_eq!(denial.code, "InvalidAuthenticationTokenTenant");
    assert!(denial.message.contains("It must match the tenant"), "{}", denial.message);
}

#[test]
fn without_the_link_the_words_are_azures() {
    let text = DOCUMENT.replace("members: [guest]", "members: []");
    let permissions = permissions(&text);
    let denial = check(&permissions, 1000, &[], &peering()).unwrap_err();
    assert_eq!(denial.code, "LinkedAuthorizationFailed");
    let object = permissions.principals[0].object_id;
    assert_eq!(
        denial.message,
        format!(
            "The client 'guest' with object id '{object}' has permission to perform action '{WRITE}' on \
             scope '{OWN}/virtualNetworkPeerings/p'; however, it does not have permission to perform \
             action(s) '{PEER}' on the linked scope(s) '{OTHER}' (respectively) or the linked scope(s) \
             are invalid."
        )
    );
}

#[test]
fn unix_users_and_groups_act_as_principals_and_others_as_nobody() {
    let permissions = permissions(DOCUMENT);
    let there = Access::new(PEER, OTHER);
    check(&permissions, 4242, &[7, 500], &there).unwrap();
    check(&permissions, 0, &[], &there).unwrap();
    let denial = check(&permissions, 4242, &[7], &there).unwrap_err();
    assert_eq!(denial.code, "AuthorizationFailed");
    assert!(
        denial.message.starts_with("The client 'uid 4242' with object id"),
        "{}",
        denial.message
    );
    // A user that is known in neither way is not the principal with that group number.
    check(&permissions, 500, &[], &there).unwrap_err();
    check(&permissions, 4242, &[1000], &peering()).unwrap_err();
}
