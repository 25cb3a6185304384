//! What is found after an agent or its host ended at any moment.

use tempfile::TempDir;

use super::*;

const DOCUMENT: &str = "virtualNetworks:
  - {name: red, properties: {addressSpace: {addressPrefixes: [10.0.0.0/16]}}}
";

/// A state directory and the file that the agent starts with.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::write(host.file(), DOCUMENT).unwrap();
        let first = host.open();
        first.stage().unwrap();
        first.persist().unwrap();
        host
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("topology.yaml")
    }

    fn staged(&self) -> PathBuf {
        staged(&self.0.path().join(FILE_NAME))
    }

    /// As an agent that starts finds it.
    fn open(&self) -> Deployment {
        Deployment::open(&self.file(), self.0.path()).unwrap()
    }

    /// What a document with another VNet leads to.
    fn next(&self) -> Deployment {
        let request = ApplyRequest {
            source: "applied".to_owned(),
            document: DOCUMENT.replace("red", "blue"),
            base: None,
            serial: None,
            expected_serial: None,
            operations: Vec::new(),
        };
        self.open().next(&request).unwrap()
    }

    fn found(&self) -> (u64, String) {
        let found = self.open();
        (found.serial(), found.topology().vnets[0].id.name().to_owned())
    }
}

fn red() -> (u64, String) {
    (1, "red".to_owned())
}

fn blue() -> (u64, String) {
    (2, "blue".to_owned())
}

#[test]
fn what_the_kernel_may_have_is_found_after_the_agent_was_killed() {
    let host = Host::new();
    let next = host.next();
    assert_eq!(host.found(), red(), "nothing was written");
    next.stage().unwrap();
    assert_eq!(host.found(), blue(), "the kernel may have it");
    next.persist().unwrap();
    assert_eq!(host.found(), blue());
    assert!(!host.staged().exists());
}

#[test]
fn what_a_power_failure_left_unfinished_is_passed_over() {
    let host = Host::new();
    host.next().stage().unwrap();
    let whole = fs::read(host.staged()).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(host.staged(), &whole[..length]).unwrap();
        assert_eq!(host.found(), red(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn an_old_leftover_is_passed_over() {
    let host = Host::new();
    host.next().stage().unwrap();
    let leftover = fs::read(host.staged()).unwrap();
    host.next().persist().unwrap();
    let third = host.next();
    third.stage().unwrap();
    third.persist().unwrap();
    fs::write(host.staged(), leftover).unwrap();
    assert_eq!(host.found().0, 3);
}

#[test]
fn a_file_that_changed_comes_after_what_was_applied() {
    let host = Host::new();
    let next = host.next();
    next.stage().unwrap();
    next.persist().unwrap();
    fs::write(host.file(), DOCUMENT.replace("red", "green")).unwrap();
    assert_eq!(host.found(), (3, "green".to_owned()));
}
