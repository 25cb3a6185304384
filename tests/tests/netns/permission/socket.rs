//! Who may connect, whole documents, and the log of what was done.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use vnetpeer_tests::{kernel, netns::Deployment};

use super::{A, ROOT, User, ask, document, records, run, stderr};

const CONTRIBUTOR: User = User("contributor", 3002);
const ALL: User = User("net-all", 3005);
const ONLY: User = User("net-only", 3008);

fn mode(deployment: &Deployment, host: &str) -> u32 {
    let socket = deployment.lab.socket(host).expect("the host exists");
    fs::metadata(socket).expect("the socket").permissions().mode() & 0o777
}

fn state_folder(deployment: &Deployment, host: &str) -> PathBuf {
    let hosts = &deployment.lab.record().hosts;
    hosts.iter().find(|it| it.name == host).expect("the host exists").folder.join("state")
}

async fn serial(deployment: &Deployment) -> u64 {
    deployment.agent("host-b").status().await.expect("the agent answers").serial
}

/// A file that everybody may read.
fn file(document: &Value) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), document.to_string()).expect("write the document");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).expect("readable");
    file
}

fn apply(file: &NamedTempFile) -> String {
    format!("apply -f {}", file.path().display())
}

#[tokio::test]
async fn only_a_document_with_role_assignments_opens_the_socket() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-mode", &document().to_string()).await;
    assert_eq!((mode(&deployment, "host-a"), mode(&deployment, "host-b")), (0o666, 0o666));
    let mut without = document();
    without["roleAssignments"] = json!([]);
    let without = file(&without);
    ask(&deployment, ROOT, &apply(&without));
    assert_eq!((mode(&deployment, "host-a"), mode(&deployment, "host-b")), (0o600, 0o600));
    let output = run(&deployment, ALL, "vnet list");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let with = file(&document());
    ask(&deployment, ROOT, &apply(&with));
    assert_eq!(mode(&deployment, "host-a"), 0o666);
    ask(&deployment, ALL, "vnet list");
}

#[tokio::test]
async fn a_document_is_refused_as_a_whole_with_every_denial() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-apply", &document().to_string()).await;
    let before = serial(&deployment).await;
    // A right of its own, a network of the other tenant, and one that would be allowed.
    let mut changed = document();
    let space = "/properties/addressSpace/addressPrefixes";
    for (vnet, prefix) in [(0, "10.11.0.0/16"), (2, "10.13.0.0/16")] {
        let list = changed.pointer_mut(&format!("/virtualNetworks/{vnet}{space}"));
        list.and_then(Value::as_array_mut).expect("prefixes").push(json!(prefix));
    }
    let own = json!({ "properties": { "principal": "contributor", "roleDefinitionId": "Owner",
        "scope": A } });
    changed["roleAssignments"].as_array_mut().expect("assignments").push(own);
    let changed = file(&changed);
    let output = run(&deployment, CONTRIBUTOR, &apply(&changed));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let denials: Vec<&str> = said.lines().filter(|it| it.contains("The client")).collect();
    assert_eq!(denials.len(), 2, "{said}");
    assert!(said.contains("(AuthorizationFailed)") && said.contains("roleAssignments/write"));
    assert!(said.contains("(InvalidAuthenticationTokenTenant)"), "{said}");
    assert_eq!(serial(&deployment).await, before, "nothing was changed");
    let vnets = ask(&deployment, ROOT, "vnet show red");
    let prefixes = vnets.pointer(space).and_then(Value::as_array).map(Vec::len);
    assert_eq!(prefixes, Some(1));

    // What is allowed alone is done, also by somebody who cannot read what is in force.
    let mut allowed = document();
    let list = allowed.pointer_mut(&format!("/virtualNetworks/0{space}"));
    list.and_then(Value::as_array_mut).expect("prefixes").push(json!("10.11.0.0/16"));
    let allowed = file(&allowed);
    ask(&deployment, ONLY, &apply(&allowed));
    assert_eq!(serial(&deployment).await, before + 1);
}

/// Asks for something over a host's socket as a user; the status.
fn post(deployment: &Deployment, user: User, path: &str, body: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        "content-type: application/json",
    ]);
    curl.arg("--unix-socket").arg(deployment.lab.socket("host-a").expect("the host exists"));
    curl.args(["-d", body]).arg(format!("http://vnetpeer{path}")).uid(user.1).gid(user.1);
    let output = curl.output().expect("run curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn nobody_gets_what_another_prepared_or_writes_numbers() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-held", &document().to_string()).await;
    let view = deployment.agent("host-a").deployment().await.expect("the agent answers");
    let request = |base: Value, serial: u64| json!({ "source": "x", "document": document().to_string(), "base": base, "serial": serial });
    let good = request(Value::Null, view.serial + 1);
    assert_eq!(post(&deployment, ALL, "/v1/prepare", &good.to_string()), "200");
    assert_eq!(post(&deployment, CONTRIBUTOR, "/v1/commit", "{\"ticket\": 1}"), "409");
    assert_eq!(post(&deployment, CONTRIBUTOR, "/v1/abandon", "{\"ticket\": 1}"), "200");
    assert_eq!(post(&deployment, ALL, "/v1/commit", "{\"ticket\": 1}"), "200", "it is still held");

    let mut state = serde_json::to_value(&view.state).expect("JSON");
    let own = request(state.clone(), view.serial + 2);
    assert_eq!(post(&deployment, ALL, "/v1/apply", &own.to_string()), "200");
    state["schemaVersion"] = json!(2);
    let other = request(state, view.serial + 3);
    assert_eq!(post(&deployment, ALL, "/v1/apply", &other.to_string()), "409");
    let late = request(Value::Null, view.serial + 1000);
    assert_eq!(post(&deployment, ALL, "/v1/apply", &late.to_string()), "409");
    // What nobody thought of is for root.
    assert_eq!(post(&deployment, User("owner", 3001), "/v1/unheard-of", "{}"), "403");
    assert_eq!(post(&deployment, User("nobody", 3999), "/v1/prepare", &good.to_string()), "403");
}

fn head(deployment: &Deployment) -> PathBuf {
    state_folder(deployment, "host-a").join("audit.head")
}

#[tokio::test]
async fn a_write_that_cannot_be_recorded_is_refused() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-full", &document().to_string()).await;
    ask(&deployment, ROOT, "peering create red/to-blue --remote-vnet blue");
    let before = serial(&deployment).await;
    let recorded = records(&deployment, "host-a").len();
    let kept = fs::read(head(&deployment)).expect("the head");
    fs::remove_file(head(&deployment)).expect("remove it");
    fs::create_dir(head(&deployment)).expect("something in its place");
    for user in [ROOT, ALL] {
        let output = run(&deployment, user, "peering create red/to-green --remote-vnet green");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("cannot be recorded"), "{}", stderr(&output));
    }
    assert_eq!(serial(&deployment).await, before, "nothing was changed");
    fs::remove_dir(head(&deployment)).expect("make room");
    fs::write(head(&deployment), kept).expect("as before");
    ask(&deployment, ALL, "peering create red/to-green --remote-vnet green");
    assert!(records(&deployment, "host-a").len() > recorded);
    let reports = ask(&deployment, ROOT, "audit verify");
    assert_eq!((&reports[0]["intact"], &reports[1]["intact"]), (&json!(true), &json!(true)));
}

fn without_second(log: &str) -> String {
    let lines = log.lines().enumerate().filter(|(number, _)| *number != 1);
    lines.flat_map(|(_, line)| [line, "\n"]).collect()
}

fn rewrite(log: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(log).expect("the log");
    fs::write(log, change(&text)).expect("change it");
}

#[tokio::test]
async fn a_changed_or_cut_log_is_noticed() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-log", &document().to_string()).await;
    ask(&deployment, ALL, "peering create red/to-green --remote-vnet green");
    ask(&deployment, ALL, "peering delete red/to-green");
    let log = state_folder(&deployment, "host-a").join("audit.jsonl");
    let whole = fs::read_to_string(&log).expect("the log");
    assert_eq!(fs::metadata(&log).expect("the log").permissions().mode() & 0o777, 0o600);
    ask(&deployment, ROOT, "audit verify");
    for (what, changed) in [
        ("another user", whole.replacen("\"uid\":3005", "\"uid\":3006", 1)),
        ("a line less", without_second(&whole)),
        ("the end cut off", whole.lines().take(1).flat_map(|it| [it, "\n"]).collect()),
    ] {
        assert_ne!(whole, changed);
        rewrite(&log, |_| changed.clone());
        let output = run(&deployment, ROOT, "audit verify");
        assert_eq!(output.status.code(), Some(6), "{what}: {}", stderr(&output));
        rewrite(&log, |_| whole.clone());
    }
    ask(&deployment, ROOT, "audit verify");
}
