//! Roles, operations, scopes, one tenant and two: who gets what answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vnetpeer_tests::{kernel, netns::Deployment};

use super::{A, B, ROOT, TENANT_A, TENANT_B, User, ask, document, records, run, stderr};

/// Answers, a column for each of [`USERS`]: allowed, `AuthorizationFailed`, `LinkedAuthorizationFailed`,
/// `InvalidAuthenticationTokenTenant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Ok,
    No,
    Link,
    Tenant,
}

use Answer::{Link, No, Ok, Tenant};

const USERS: [User; 9] = [
    User("owner", 3001),
    User("contributor", 3002),
    User("reader", 3003),
    User("net-red", 3004),
    User("net-all", 3005),
    User("net-local", 3006),
    User("net-corp", 3007),
    User("net-only", 3008),
    User("nobody", 3999),
];

/// Who is known in both tenants.
const GUESTS: [&str; 4] = ["owner", "reader", "net-red", "net-all"];

pub(super) fn principals() -> Vec<Value> {
    let users = USERS.iter().filter(|it| it.0 != "nobody");
    let mut all: Vec<Value> = users
        .clone()
        .map(|User(name, uid)| {
            let both = vec![TENANT_A, TENANT_B];
            let tenants = if GUESTS.contains(name) { both } else { vec![TENANT_A] };
            json!({ "name": name, "uids": [uid], "tenants": tenants })
        })
        .collect();
    let viewers = users.map(|it| it.0).filter(|it| *it != "net-only");
    all.push(json!({ "name": "viewers", "type": "Group", "tenants": [TENANT_A],
        "members": viewers.collect::<Vec<_>>() }));
    all
}

pub(super) fn assignments() -> Vec<Value> {
    let network = "Network Contributor";
    let of = |scope: &str, group: &str| format!("{scope}/resourceGroups/{group}");
    let corp = "/providers/Microsoft.Management/managementGroups/corp".to_owned();
    [
        ("viewers", "Viewer", "/".to_owned()),
        ("owner", "Owner", "/".to_owned()),
        ("contributor", "Contributor", A.to_owned()),
        ("reader", "Reader", "/".to_owned()),
        ("net-red", network, of(A, "red")),
        ("net-all", network, of(A, "red")),
        ("net-all", network, of(A, "green")),
        ("net-all", network, of(B, "blue")),
        ("net-local", network, "/".to_owned()),
        ("net-corp", network, corp),
        ("net-only", network, of(A, "red")),
    ]
    .into_iter()
    .map(|(principal, role, scope)| {
        json!({ "properties": { "principal": principal, "roleDefinitionId": role, "scope": scope } })
    })
    .collect()
}

/// An operation: what root does before, the command, what root does after one that was allowed.
struct Operation {
    before: &'static str,
    command: &'static str,
    after: &'static str,
    answers: [Answer; 9],
}

const MAKE: &str = "peering create red/to-green --remote-vnet green";
const UNMAKE: &str = "peering delete red/to-green";

const OPERATIONS: [Operation; 12] = [
    Operation {
        before: "",
        command: MAKE,
        after: UNMAKE,
        answers: [Ok, Ok, No, Link, Ok, Ok, Ok, No, No],
    },
    Operation {
        before: "",
        command: "peering create red/to-blue --remote-vnet blue",
        after: "peering delete red/to-blue",
        answers: [Ok, Tenant, No, Link, Ok, Tenant, Tenant, No, No],
    },
    Operation {
        before: "",
        command: "peering create blue/to-red --remote-vnet red",
        after: "peering delete blue/to-red",
        answers: [Ok, Tenant, No, No, Ok, Tenant, Tenant, No, No],
    },
    Operation {
        before: MAKE,
        command: "peering update red/to-green --allow-forwarded-traffic",
        after: "",
        answers: [Ok, Ok, No, Link, Ok, Ok, Ok, No, No],
    },
    Operation {
        before: MAKE,
        command: "peering sync red/to-green",
        after: "",
        answers: [Ok, Ok, No, Link, Ok, Ok, Ok, No, No],
    },
    // Deleting needs nothing on the other side.
    Operation {
        before: MAKE,
        command: UNMAKE,
        after: "",
        answers: [Ok, Ok, No, Ok, Ok, Ok, Ok, No, No],
    },
    Operation {
        before: UNMAKE,
        command: "vnet update red --address-prefixes 10.1.0.0/16 10.11.0.0/16",
        after: "vnet update red --address-prefixes 10.1.0.0/16",
        answers: [Ok, Ok, No, Ok, Ok, Ok, Ok, No, No],
    },
    Operation {
        before: "",
        command: "vnet update blue --address-prefixes 10.3.0.0/16 10.13.0.0/16",
        after: "vnet update blue --address-prefixes 10.3.0.0/16",
        answers: [Ok, Tenant, No, No, Ok, Tenant, Tenant, No, No],
    },
    Operation {
        before: "",
        command: "vnet list",
        after: "",
        answers: [Ok, Ok, Ok, Ok, Ok, Ok, Ok, Ok, No],
    },
    Operation {
        before: "",
        command: "status",
        after: "",
        answers: [Ok, No, Ok, No, No, No, No, No, No],
    },
    Operation {
        before: "",
        command: "audit verify",
        after: "",
        answers: [Ok, No, Ok, No, No, No, No, No, No],
    },
    Operation {
        before: "",
        command: "meter show",
        after: "",
        answers: [Ok, Ok, Ok, Ok, Ok, Ok, Ok, Ok, No],
    },
];

impl Answer {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::No => Some("AuthorizationFailed"),
            Self::Link => Some("LinkedAuthorizationFailed"),
            Self::Tenant => Some("InvalidAuthenticationTokenTenant"),
        }
    }
}

/// Every operation by everybody. Answers that are not as expected, and how many denials of which code each
/// user got.
fn perform(deployment: &Deployment) -> (Vec<String>, BTreeMap<(String, String), usize>) {
    let (mut wrong, mut denials) = (Vec::new(), BTreeMap::new());
    for operation in &OPERATIONS {
        for (user, answer) in USERS.into_iter().zip(operation.answers) {
            if !operation.before.is_empty() {
                ask(deployment, ROOT, operation.before);
            }
            let output = run(deployment, user, operation.command);
            let said = stderr(&output);
            let is_expected = match answer.code() {
                None => output.status.code() == Some(0),
                Some(code) => {
                    *denials.entry((user.0.to_owned(), code.to_owned())).or_default() += 1;
                    output.status.code() == Some(3)
                        && said.contains(&format!("({code}) The client"))
                }
            };
            if !is_expected {
                let status = output.status;
                wrong.push(format!(
                    "{} `{}`: {status}, not {answer:?}: {said}",
                    user.0, operation.command
                ));
            }
            if output.status.success() && !operation.after.is_empty() {
                ask(deployment, ROOT, operation.after);
            }
        }
    }
    (wrong, denials)
}

#[tokio::test]
async fn everybody_gets_what_roles_scopes_and_tenants_say_and_it_is_recorded() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-all", &document().to_string()).await;
    let (wrong, denials) = perform(&deployment);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 12 * 9, wrong.join("\n"));

    // What was denied is recorded, with the same code, by the first host at least; what was allowed with
    // the assignment.
    let all = records(&deployment, "host-a");
    let mut recorded: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in all.iter().filter(|it| it["allowed"] == false) {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let who = text("principal").replace("uid 3999", "nobody");
        *recorded.entry((who, text("code"))).or_default() += 1;
    }
    assert_eq!(recorded, denials);
    let peered = all.iter().find(|it| {
        it["principal"] == "net-all"
            && it["operation"] == "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write"
    });
    let peered = peered.expect("a peering by net-all");
    let resource = peered["resource"].as_str().unwrap_or_default();
    assert!(
        resource.ends_with("/virtualNetworks/red/virtualNetworkPeerings/to-green"),
        "{resource}"
    );
    assert_eq!(peered["uid"], 3005);
    let assignments: Vec<&str> =
        peered["assignments"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let begin =
        |group: &str| format!("{A}/resourceGroups/{group}/providers/Microsoft.Authorization/");
    assert_eq!(assignments.len(), 2);
    assert!(assignments[0].starts_with(&begin("red")), "{assignments:?}");
    assert!(assignments[1].starts_with(&begin("green")), "{assignments:?}");
    println!("{} answers as expected, {} records on host-a", 12 * 9, all.len());
}

#[tokio::test]
async fn lists_show_what_may_be_read() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-lists", &document().to_string()).await;
    ask(&deployment, ROOT, "peering create red/to-blue --remote-vnet blue");
    ask(&deployment, ROOT, "peering create blue/to-red --remote-vnet red");
    let names = |user: User| {
        let meters = ask(&deployment, user, "meter show");
        let all = meters.as_array().cloned().unwrap_or_default();
        all.iter()
            .filter_map(|it| it["peering"].as_str()?.rsplit('/').next().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(USERS[2]).len(), 2, "a reader of everything");
    assert_eq!(names(USERS[3]), ["to-blue"], "one resource group");
    assert_eq!(names(USERS[5]), ["to-blue"], "everywhere, and unknown in the other tenant");

    let listed = |user: User, kind: &str| {
        let all = ask(&deployment, user, &format!("{kind} list"));
        let all = all.as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|it| it["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    for (user, vnets, peerings) in [
        (ROOT, &["red", "green", "blue"][..], &["red/to-blue", "blue/to-red"][..]),
        (USERS[2], &["red", "green", "blue"], &["red/to-blue", "blue/to-red"]),
        (USERS[3], &["red"], &["red/to-blue"]),
        (USERS[4], &["red", "green", "blue"], &["red/to-blue", "blue/to-red"]),
        (USERS[5], &["red", "green"], &["red/to-blue"]),
        (User("net-only", 3008), &["red"], &["red/to-blue"]),
    ] {
        assert_eq!(listed(user, "vnet"), vnets, "{}", user.0);
        assert_eq!(listed(user, "peering"), peerings, "{}", user.0);
        let nics: Vec<String> = vnets.iter().map(|it| format!("{it}1")).collect();
        assert_eq!(listed(user, "nic"), nics, "{}", user.0);
    }

    // Effective routes need an action on the NIC and nothing else, as in Azure.
    let only = User("net-only", 3008);
    let routes = ask(&deployment, only, "nic effective-routes red1");
    let types: Vec<&str> = routes["value"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["nextHopType"].as_str())
        .collect();
    assert!(types.contains(&"VNetPeering"), "{routes}");
    for command in
        ["nic effective-routes blue1", "nic effective-nsg blue1", "nic effective-nsg none"]
    {
        let output = run(&deployment, only, command);
        assert_eq!(output.status.code(), Some(3), "`{command}`: {}", stderr(&output));
    }
    // A Network Contributor reads all assignments at the scope of its own: three name the resource group.
    let own = ask(&deployment, only, "role assignment list");
    assert_eq!(own.as_array().map(Vec::len), Some(3), "{own}");
    let all = ask(&deployment, USERS[2], "role assignment list");
    assert_eq!(all.as_array().map(Vec::len), Some(assignments().len()));
}

#[tokio::test]
async fn permission_check_explains_the_answer() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-why", &document().to_string()).await;
    let peer = "--action Microsoft.Network/virtualNetworks/peer/action";
    let scope = format!("--scope {A}/resourceGroups/green");
    let command = format!("permission check --principal net-red {peer} {scope}");
    let output = run(&deployment, ROOT, &command);
    assert_eq!(output.status.code(), Some(3));
    let reply: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(reply["code"], "AuthorizationFailed");
    let because: Vec<&str> = reply["assignments"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["because"].as_str())
        .collect();
    assert!(because.contains(&"the resource is not below the scope"), "{reply}");
    assert!(because.contains(&"the role's actions do not have the action"), "{reply}");
    let own = ask(
        &deployment,
        USERS[3],
        &format!("permission check {peer} --scope {A}/resourceGroups/red"),
    );
    assert_eq!(
        (&own["allowed"], &own["grant"]["role"]),
        (&json!(true), &json!("Network Contributor"))
    );
    // About others only who may read role assignments.
    let output = run(&deployment, USERS[4], &command);
    assert!(!output.stdout.is_empty(), "net-all reads them at green: {}", stderr(&output));
    let output = run(&deployment, User("net-only", 3008), &command);
    assert!(output.stdout.is_empty() && stderr(&output).contains("roleAssignments/read"));
}
