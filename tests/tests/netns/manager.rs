//! Network managers by command: commits, what they make, and what they leave to other commands.

use serde_json::{Value, json};
use vnetpeer_tests::{azure::Document, kernel, netns::Deployment};

/// The peering of the hub with `one`: its name follows from the two VNets.
const MADE: &str = "hub/ANM_D36F92E39E9A5191BB96DBB9CB516BF6";
const COMMIT: &str =
    "network-manager commit nm --commit-type Connectivity --target-locations westeurope";

fn star(enforcement: &str) -> Document {
    let capabilities = json!({ "peeringEnforcement": enforcement });
    Document::new().managed().star(json!({}), json!({ "connectivityCapabilities": capabilities }))
}

/// Whether one guest reaches another, in both families and both ways.
fn reaches(deployment: &Deployment, from: &str, to: &str) -> bool {
    let (from, to) = (deployment.guest(from), deployment.guest(to));
    let passes = [true, false].map(|v4| from.pings(to.address(v4)) && to.pings(from.address(v4)));
    assert_eq!(passes[0], passes[1], "both families fare the same");
    passes[0]
}

/// A column of a listing.
fn column(list: &Value, key: &str) -> Vec<String> {
    let entries = list.as_array().expect("a list").iter();
    entries.map(|it| it[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn commits_put_configurations_in_force_and_end_them() {
    if !kernel::available() {
        return;
    }
    let mesh = json!({ "isGlobal": "False" });
    let document = star("Unenforced").mesh("everything", mesh).committed(&["westeurope"], &[]);
    let deployment = Deployment::up("nm-commit", &document.text()).await;
    assert!(!reaches(&deployment, "one1", "hub1"));

    let status = deployment.ask(&format!("{COMMIT} --configuration-ids star"));
    assert_eq!(column(&status, "deploymentStatus"), ["Deployed"]);
    assert!(status[0]["commitTime"].is_string(), "{status}");
    assert!(reaches(&deployment, "one1", "hub1") && reaches(&deployment, "hub2", "two2"));
    assert!(!reaches(&deployment, "one1", "two1"));
    let peerings = deployment.ask("peering list");
    let by = column(&peerings, "managedBy");
    assert!(by.len() == 4 && by.iter().all(|it| it.ends_with("/star")), "{by:?}");

    deployment.ask(&format!("{COMMIT} --configuration-ids mesh"));
    assert!(reaches(&deployment, "one1", "two1") && reaches(&deployment, "one1", "hub1"));
    assert_eq!(deployment.ask("peering list"), json!([]));
    let active = deployment.ask("network-manager list-active-connectivity");
    assert_eq!(column(&active, "region"), ["westeurope"]);
    assert_eq!(active[0]["properties"]["connectivityTopology"], "Mesh");
    let effective = deployment.ask("network-manager list-effective-connectivity two");
    assert!(column(&effective, "id")[0].ends_with("/mesh"), "{effective}");

    deployment.ask(&format!("{COMMIT} --none"));
    assert!(!reaches(&deployment, "one1", "two1") && !reaches(&deployment, "one1", "hub1"));
    let status = "network-manager deployment-status --regions westeurope northeurope";
    let status = deployment.ask(status);
    let seen = column(&status, "deploymentStatus");
    assert_eq!(seen, ["Deployed", "NotStarted", "NotStarted", "NotStarted"], "{status}");
    assert_eq!(status[0]["configurationIds"], json!([]));
    let managers = deployment.ask("network-manager show nm");
    assert_eq!(
        managers["properties"]["networkGroups"][1]["members"].as_array().map(Vec::len),
        Some(3)
    );
}

#[tokio::test]
async fn managed_peerings_are_changed_by_declaring_them() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("nm-managed", &star("Unenforced").text()).await;
    let show = || deployment.ask(&format!("peering show {MADE}"));
    assert_eq!(show()["properties"]["allowForwardedTraffic"], true);
    let delete = format!("peering delete {MADE}");
    let refusal = deployment.refused(&delete);
    assert!(refusal.contains("PeeringIsManaged"), "{refusal}");
    let refusal = deployment.refused("peering create hub/mine --remote-vnet one");
    assert!(refusal.contains("AnotherPeeringAlreadyReferencesRemoteVnet"), "{refusal}");

    deployment.ask(&format!("peering update {MADE} --allow-vnet-access false"));
    assert_eq!(show()["properties"]["peeringState"], "Connected");
    assert_eq!(show()["managedBy"], Value::Null);
    assert!(!reaches(&deployment, "one1", "hub1"));
    deployment.ask(&delete);
    assert!(
        show()["managedBy"].as_str().is_some_and(|it| it.ends_with("/star")),
        "it is made again"
    );
    assert!(reaches(&deployment, "one1", "hub1"));
}

#[tokio::test]
async fn enforced_peerings_and_disallowed_overlaps_are_left_alone() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("nm-enforced", &star("Enforced").text()).await;
    let before = deployment.ask("peering list");
    for command in [
        format!("peering update {MADE} --allow-forwarded-traffic false"),
        format!("peering sync {MADE}"),
        format!("peering delete {MADE}"),
        "peering create hub/mine --remote-vnet one".to_owned(),
    ] {
        let refusal = deployment.refused(&command);
        assert!(refusal.contains("PeeringIsEnforced"), "`{command}`: {refusal}");
    }
    assert_eq!(deployment.ask("peering list"), before);

    let overlap = json!({ "connectedGroupAddressOverlap": "Disallowed" });
    let mesh = json!({ "connectivityCapabilities": overlap });
    deployment.apply(&Document::new().managed().mesh("spokes", mesh).text());
    let update = "vnet update two --address-prefixes 10.2.0.0/16 fd00:2::/48";
    let refusal = deployment.refused(&format!("{update} 10.1.9.0/24"));
    assert!(refusal.contains("ConnectedGroupAddressOverlap"), "{refusal}");
    deployment.ask(&format!("{update} 10.9.0.0/16"));
    assert!(reaches(&deployment, "one1", "two1") && !reaches(&deployment, "one1", "hub1"));
}
