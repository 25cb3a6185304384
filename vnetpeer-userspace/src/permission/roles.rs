//! The roles that are built in, with Azure's names, GUIDs and actions.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::topology::model::{Permissions, RoleDefinition, RoleIndex, RolePermission};

struct BuiltIn {
    guid: u128,
    name: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
}

const BUILT_IN: [BuiltIn; 6] = [
    BuiltIn {
        guid: 0x8e3a_f657_a8ff_443c_a75c_2fe8_c4bc_b635,
        name: "Owner",
        description: "Everything, role assignments included.",
        actions: &["*"],
        not_actions: &[],
    },
    BuiltIn {
        guid: 0xb249_88ac_6180_42a0_ab88_20f7_382d_d24c,
        name: "Contributor",
        description: "Everything but role assignments.",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
            "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
            "Microsoft.Subscription/cancel/action",
            "Microsoft.Subscription/enable/action",
        ],
    },
    BuiltIn {
        guid: 0xacdd_72a7_3385_48ef_bd42_f606_fba8_1ae7,
        name: "Reader",
        description: "Reads everything and changes nothing.",
        actions: &["*/read"],
        not_actions: &[],
    },
    BuiltIn {
        guid: 0x4d97_b98b_1d4f_4787_a291_c678_34d2_12e7,
        name: "Network Contributor",
        description: "Everything of networks.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Network/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    BuiltIn {
        guid: 0xb34d_265f_36f7_4a0d_a4d4_e158_ca92_e90f,
        name: "Classic Network Contributor",
        description: "Everything of classic networks.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.ClassicNetwork/*",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    BuiltIn {
        guid: 0x18d7_d88d_d35e_4fb5_a5c3_7773_c20a_72d9,
        name: "User Access Administrator",
        description: "Role assignments, and reading everything.",
        actions: &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        not_actions: &[],
    },
];

static ROLES: LazyLock<Vec<RoleDefinition>> = LazyLock::new(|| {
    let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect();
    let role = |it: &BuiltIn| RoleDefinition {
        guid: Uuid::from_u128(it.guid),
        name: it.name.to_owned(),
        description: it.description.to_owned(),
        permissions: vec![RolePermission {
            actions: words(it.actions),
            not_actions: words(it.not_actions),
        }],
        assignable_scopes: vec!["/".to_owned()],
    };
    BUILT_IN.iter().map(role).collect()
});

/// The roles that are built in.
pub fn built_in() -> &'static [RoleDefinition] {
    &ROLES
}

/// The role that an assignment gives.
pub fn role(permissions: &Permissions, index: RoleIndex) -> Option<&RoleDefinition> {
    match index {
        RoleIndex::BuiltIn(index) => built_in().get(index),
        RoleIndex::Custom(index) => permissions.custom_roles.get(index),
    }
}
