//! Who reaches whom, by sockets, against the oracle.

use std::path::Path;

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec},
    oracle::{Oracle, OracleNic},
};
use vnetpeer_userspace::lab::Matrix;

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    std::fs::read_to_string(folder.join(name)).expect("read the example")
}

fn with_wire(document: &str) -> String {
    document.replacen("deployment:", "deployment:\n  wire: true", 1)
}

/// Every verdict of the matrix is what the oracle says, and every pair is in it.
fn agree(document: &str, matrix: &Matrix) {
    let oracle = Oracle::new(document);
    let nics = oracle.nics();
    let find = |name: &str| nics.iter().find(|nic| nic.name == name).expect("a NIC");
    let mut wrong = Vec::new();
    for cell in &matrix.cells {
        let (from, to): (&OracleNic, &OracleNic) = (find(&cell.from), find(&cell.to));
        let expected = oracle.reaches(from, to, cell.address);
        if cell.is_reached() != expected || !cell.leaked_to.is_empty() {
            wrong.push(format!("oracle says {expected}: {cell:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), matrix.render());
    assert_eq!(matrix.nics.len(), nics.len());
    let same_family = |a: &OracleNic, b: &OracleNic| {
        let has = |is_v4| a.addresses.iter().any(|address| address.is_ipv4() == is_v4);
        b.addresses.iter().filter(|address| has(address.is_ipv4())).count()
    };
    let pairs = nics.iter().flat_map(|a| nics.iter().map(move |b| (a, b)));
    let addresses: usize = pairs.filter(|(a, b)| a != b).map(|(a, b)| same_family(a, b)).sum();
    assert_eq!(matrix.cells.len(), addresses * 3, "TCP, UDP and ICMP to every address");
}

async fn check(test: &str, document: &str) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, document).await;
    let matrix = deployment.lab.matrix().await.expect("a matrix");
    agree(document, &matrix);
    assert!(matrix.all_equal(), "{}", matrix.render());
}

#[tokio::test]
async fn quickstart() {
    check("quickstart", &example("quickstart.yaml")).await;
}

#[tokio::test]
async fn quickstart_on_a_wire() {
    check("quickstart-w", &with_wire(&example("quickstart.yaml"))).await;
}

#[tokio::test]
async fn quickstart_with_xdp() {
    let mut document = example("quickstart.yaml");
    let hosts = document.find("\nhosts:").expect("hosts");
    let tail = document.split_off(hosts);
    let mut tail: Vec<String> = tail.lines().map(str::to_owned).collect();
    for line in &mut tail {
        if let Some(name) = line.strip_prefix("      - name: ") {
            *line = format!("      - {{name: {name}, mode: xdp}}");
        }
    }
    let document = format!("{document}{}\n", tail.join("\n"));
    assert!(document.matches("mode: xdp").count() == 7);
    check("quickstart-x", &document).await;
    check("quickstart-xw", &with_wire(&document)).await;
}

#[tokio::test]
async fn two_regions() {
    check("regions", &example("two-regions.yaml")).await;
}

#[tokio::test]
async fn service_chain_on_a_wire() {
    check("chain-w", &with_wire(&example("service-chain.yaml"))).await;
}

/// The oracle cannot allocate addresses, so here the lab's own expectation has to do.
#[tokio::test]
async fn dual_stack_on_three_hosts() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("dual", &example("dual-stack.yaml")).await;
    let matrix = deployment.lab.matrix().await.expect("a matrix");
    assert!(matrix.all_equal(), "{}", matrix.render());
    assert!(matrix.cells.iter().filter(|cell| cell.is_reached()).count() > 100);
}

/// An uplink serves the NICs of its own host and those of others.
#[tokio::test]
async fn the_internet_behind_an_uplink() {
    if !kernel::available() {
        return;
    }
    let uplink = "internetUplinks:\n      - {virtualNetwork: red, interface: wan0, macAddress: \
                  \"02:00:00:00:00:fe\"}\n    networkInterfaces:";
    let document = Spec::pair("tc", false).yaml().replacen(
        "networkInterfaces:\n      -",
        &format!("{uplink}\n      -"),
        1,
    );
    let deployment = Deployment::up("uplink", &document).await;
    for address in ["203.0.113.1", "2001:db8:ffff::1"] {
        let address = address.parse().expect("an address");
        for (name, reaches) in [("red1", true), ("red2", true), ("blue1", false)] {
            assert_eq!(deployment.guest(name).pings(address), reaches, "{name} to {address}");
        }
    }
    assert!(deployment.dropped("host-a", "blue1", "InternetUnavailable").await >= 6);
}
