//! Who may do what: commands of real unix users through the agents' sockets, and what was recorded of them.

mod lists;
mod matrix;
mod socket;

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Output},
};

use serde_json::{Value, json};
use vnetpeer_tests::netns::{Deployment, program};

/// A unix user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(pub(crate) &'static str, pub(crate) u32);

const TENANT_A: &str = "00000000-0000-0000-0000-0000000000a0";
const TENANT_B: &str = "00000000-0000-0000-0000-0000000000b0";
const A: &str = "/subscriptions/00000000-0000-0000-0000-0000000000a1";
const B: &str = "/subscriptions/00000000-0000-0000-0000-0000000000b1";

/// Runs `vnetpeer` as a user about both hosts; words without quotes.
pub(crate) fn run(deployment: &Deployment, user: User, command: &str) -> Output {
    let mut vnetpeer = Command::new(program());
    vnetpeer.args(command.split_whitespace()).args(["-o", "json"]);
    for host in ["host-a", "host-b"] {
        vnetpeer.arg("--socket").arg(deployment.lab.socket(host).expect("the host exists"));
    }
    vnetpeer.uid(user.1).gid(user.1).current_dir("/");
    vnetpeer.output().expect("run vnetpeer")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that must succeed says.
pub(crate) fn ask(deployment: &Deployment, user: User, command: &str) -> Value {
    let output = run(deployment, user, command);
    assert_eq!(output.status.code(), Some(0), "{} `{command}`: {}", user.0, stderr(&output));
    serde_json::from_slice(&output.stdout).expect("vnetpeer writes JSON")
}

/// Root, who may do everything.
pub(crate) const ROOT: User = User("root", 0);

/// VNets `red` and `green` of tenant A in resource groups of their names, `blue` of tenant B; all users of
/// [`matrix`].
pub(crate) fn document() -> Value {
    let vnets = [("red", A, 1), ("green", A, 2), ("blue", B, 3)];
    let of = |scope: &str| scope.rsplit('/').next().unwrap_or_default().to_owned();
    let vnet = |(name, scope, number): (&str, &str, u8)| {
        json!({ "name": name, "subscription": of(scope), "resourceGroup": name, "properties": {
            "addressSpace": { "addressPrefixes": [format!("10.{number}.0.0/16")] },
            "subnets": [{ "name": name, "properties": {
                "addressPrefixes": [format!("10.{number}.1.0/24")] } }],
        } })
    };
    let nic = |(name, scope, number): (&str, &str, u8)| {
        json!({ "name": format!("{name}1"), "subscription": of(scope), "resourceGroup": name,
            "properties": { "ipConfigurations": [{ "name": "v4", "properties": {
                "subnet": { "id": format!("{name}/{name}") },
                "privateIPAddress": format!("10.{number}.1.4") } }] } })
    };
    let host = |number: u8, name: &str, nics: &[&str]| {
        let nics: Vec<Value> = nics.iter().map(|it| json!({ "name": it })).collect();
        json!({ "name": name, "networkInterfaces": nics,
            "underlay": { "interface": "eth0", "addresses": [format!("192.0.2.{number}")] } })
    };
    let (vnet, nic): (Vec<Value>, Vec<Value>) =
        vnets.into_iter().map(|it| (vnet(it), nic(it))).unzip();
    json!({
        "deployment": { "name": "permission" },
        "virtualNetworks": vnet,
        "networkInterfaces": nic,
        "hosts": [host(1, "host-a", &["red1", "green1"]), host(2, "host-b", &["blue1"])],
        "managementGroups": [{ "name": "corp" }, { "name": "live", "parent": "corp" }],
        "subscriptions": [
            { "subscriptionId": of(A), "tenantId": TENANT_A, "managementGroup": "live" },
            { "subscriptionId": of(B), "tenantId": TENANT_B },
        ],
        "principals": matrix::principals(),
        "roleDefinitions": [{ "properties": { "roleName": "Viewer", "assignableScopes": ["/"],
            "permissions": [{ "actions": ["Vnetpeer.Deployments/deployments/read"] }] } }],
        "roleAssignments": matrix::assignments(),
    })
}

/// All records of a host's log.
pub(crate) fn records(deployment: &Deployment, host: &str) -> Vec<Value> {
    let all = ask(deployment, ROOT, "audit list");
    let all = all.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|it| it["host"] == host).collect()
}
