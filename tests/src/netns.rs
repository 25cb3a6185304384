//! End-to-end tests: labs with unique names, and what is sent and counted in them.
//!
//! A test owns its lab; the lab goes down with it, whatever ends the test. Sockets are opened in a
//! NIC's namespace and used from the test's own threads, each with a timeout.

mod backend;
mod bird;
mod bulk;
mod calls;
mod capture;
mod connection;
mod document;
mod forwarded;
mod interrupt;
mod probes;
mod rules;
mod site;
mod stream;
mod tap;
mod transfer;
mod usage;
mod wire;

use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vnetpeer_userspace::{
    agent::{api::LinkMeter, client::Client},
    lab::{self, Lab, Options, netns},
};

use self::interrupt::Watched;
pub use self::{
    backend::{Backend, Dialogue, answers},
    bird::Bird,
    bulk::{Arrived, Bulk},
    calls::Calls,
    capture::{Capture, Captured},
    connection::{Connection, EchoServer, Running},
    document::{NicOf, Spec},
    forwarded::{Forwarded, Passed},
    probes::{Probes, Span},
    rules::{GroupOf, RuleOf},
    site::Site,
    stream::{Report, Stream},
    tap::Tap,
    transfer::{Transfer, transfer},
    usage::{Usage, used},
    wire::Wire,
};

/// How long something may take that should happen at once.
const SOON: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A lab that a test owns.
#[derive(Debug)]
pub struct Deployment {
    /// The lab.
    pub lab: Lab,
    folder: TempDir,
    /// Dropped after the lab.
    _watched: Watched,
}

/// A NIC's namespace and its first address of each family.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A link's counters, both hosts together.
pub type Meters = BTreeMap<(String, String), LinkMeter>;

/// Drops of one host by NIC and reason; the NIC is empty where none was known.
pub type Drops = BTreeMap<(String, String), u64>;

impl Deployment {
    /// Builds the document's deployment under a name of its own.
    pub async fn up(test: &str, document: &str) -> Self {
        Self::up_with(test, document, &[]).await
    }

    /// [`Self::up`] with hosts that the test itself plays.
    pub async fn up_with(test: &str, document: &str, foreign_hosts: &[&str]) -> Self {
        Self::build(test, document, foreign_hosts, program()).await
    }

    /// [`Self::up`] with agents of another program.
    pub async fn up_as(test: &str, document: &str, program: &Path) -> Self {
        Self::build(test, document, &[], program.to_owned()).await
    }

    async fn build(test: &str, document: &str, foreign_hosts: &[&str], program: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("topology.yaml");
        fs::write(&file, document).expect("write the document");
        let name = format!("t-{test}-{}", std::process::id());
        let watched = Watched::new(name.clone());
        let options = Options {
            file,
            name: Some(name),
            program: Some(program),
            foreign_hosts: foreign_hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let lab = lab::up(&options).await.unwrap_or_else(|error| panic!("{error}"));
        Self { lab: lab.guarded(), folder, _watched: watched }
    }

    /// A NIC by its name.
    pub fn guest(&self, name: &str) -> Guest {
        let namespace = self.lab.nic_namespace(name).expect("the NIC exists").to_owned();
        let mut nics = self.lab.topology().nics.iter();
        let nic = nics.find(|nic| nic.id.name() == name).expect("the NIC exists");
        Guest { name: name.to_owned(), namespace, addresses: nic.addresses.clone() }
    }

    /// The agent of a host.
    pub fn agent(&self, host: &str) -> Client {
        Client::new(self.lab.socket(host).expect("the host exists"))
    }

    /// Meters of all links, by the names of both VNets, summed over the hosts that have an agent.
    pub async fn meters(&self) -> Meters {
        let mut sums = Meters::new();
        for host in self.lab.record().hosts.iter().filter(|host| host.has_agent) {
            let meters = Client::new(host.socket()).meters().await.expect("the agent answers");
            for meter in meters {
                let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
                let key = (last(&meter.virtual_network), last(&meter.remote_virtual_network));
                match sums.get_mut(&key) {
                    Some(sum) => {
                        sum.egress_packets += meter.egress_packets;
                        sum.egress_bytes += meter.egress_bytes;
                        sum.ingress_packets += meter.ingress_packets;
                        sum.ingress_bytes += meter.ingress_bytes;
                    }
                    None => _ = sums.insert(key, meter),
                }
            }
        }
        sums
    }

    /// The agents of all hosts.
    pub fn agents(&self) -> Vec<Client> {
        let hosts = self.lab.record().hosts.iter().filter(|host| host.has_agent);
        hosts.map(|host| Client::new(host.socket())).collect()
    }

    /// Drops that a host has counted.
    pub async fn drops(&self, host: &str) -> Drops {
        let drops = self.agent(host).drops().await.expect("the agent answers");
        let mut sums = Drops::new();
        for drop in drops {
            let nic = drop.network_interface.unwrap_or_default();
            let nic = nic.rsplit('/').next().unwrap_or_default().to_owned();
            *sums.entry((nic, drop.reason)).or_default() += drop.packets;
        }
        sums
    }

    /// Packets that a host dropped at a NIC for a reason.
    pub async fn dropped(&self, host: &str, nic: &str, reason: &str) -> u64 {
        let drops = self.drops(host).await;
        drops.get(&(nic.to_owned(), reason.to_owned())).copied().unwrap_or(0)
    }

    /// Puts another document in force on all hosts, as a user does.
    pub fn apply(&self, document: &str) {
        let output = self.try_apply(document);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a user is told about a document that is not in force as it should be.
    pub fn apply_fails(&self, document: &str) -> String {
        let output = self.try_apply(document);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn try_apply(&self, document: &str) -> Output {
        let file = self.folder.path().join("applied.yaml");
        fs::write(&file, document).expect("write the document");
        let mut apply = Command::new(program());
        apply.args(["apply", "--lab", &self.lab.record().name, "-f"]).arg(file);
        apply.output().expect("run vnetpeer apply")
    }

    /// Runs `vnetpeer` with a command, words without quotes, about the lab.
    pub fn vnetpeer(&self, command: &str) -> Output {
        let mut vnetpeer = Command::new(program());
        vnetpeer.args(command.split_whitespace());
        vnetpeer.args(["--lab", &self.lab.record().name, "-o", "json"]);
        vnetpeer.output().expect("run vnetpeer")
    }

    /// What `vnetpeer` says about a command that it refuses.
    pub fn refused(&self, command: &str) -> String {
        let output = self.vnetpeer(command);
        assert_eq!(output.status.code(), Some(1), "`vnetpeer {command}`");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What `vnetpeer` answers about the lab to a command, words without quotes, as JSON.
    pub fn ask(&self, command: &str) -> serde_json::Value {
        let output = self.vnetpeer(command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`vnetpeer {command}`: {stderr}");
        serde_json::from_slice(&output.stdout).expect("vnetpeer writes JSON")
    }

    /// Runs a command in a host's namespace; it must succeed.
    pub fn on_host(&self, host: &str, command: &str) -> String {
        on(self.lab.host_namespace(host).expect("the host exists"), command)
    }
}

impl Guest {
    /// Its first address of a family.
    pub fn address(&self, is_v4: bool) -> IpAddr {
        let mut of_family = self.addresses.iter().filter(|address| address.is_ipv4() == is_v4);
        *of_family.next().expect("an address of the family")
    }

    /// Runs a command in its namespace; it must succeed.
    pub fn run(&self, command: &str) -> String {
        on(&self.namespace, command)
    }

    /// Whether one of three echo requests to an address is answered.
    pub fn pings(&self, address: IpAddr) -> bool {
        (0..3).any(|_| {
            output_on(&self.namespace, &format!("ping -c1 -W1 {address}")).status.success()
        })
    }

    /// Whether an echo request to an address stays without an answer for a second.
    pub fn pings_in_vain(&self, address: IpAddr) -> bool {
        !output_on(&self.namespace, &format!("ping -c1 -W1 {address}")).status.success()
    }

    /// A UDP socket in its namespace.
    pub fn udp(&self, address: IpAddr) -> UdpSocket {
        self.udp_at(SocketAddr::new(address, 0))
    }

    /// A UDP socket in its namespace with a certain port.
    pub fn udp_at(&self, address: SocketAddr) -> UdpSocket {
        let bind = || UdpSocket::bind(address);
        let socket = netns::within(&self.namespace, bind).expect("enter").expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        socket
    }

    /// Frames and bytes that its interface has received, headers included.
    pub fn received(&self) -> (u64, u64) {
        let text = self.run("ip -json -statistics link show eth0");
        let links: serde_json::Value = serde_json::from_str(&text).expect("ip writes JSON");
        let counter = |name: &str| links[0]["stats64"]["rx"][name].as_u64().expect("a counter");
        (counter("packets"), counter("bytes"))
    }
}

/// Runs a command, words without quotes, in a namespace; it must succeed.
pub fn on(namespace: &str, command: &str) -> String {
    let output = output_on(namespace, command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{command}` in {namespace}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn output_on(namespace: &str, command: &str) -> Output {
    let mut words = command.split_whitespace();
    let mut command = Command::new(words.next().expect("a command"));
    command.args(words);
    netns::within(namespace, || command.output()).expect("enter").expect("run")
}

/// Waits until something holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} within {SOON:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// The program under test: what `cargo build` leaves beside the tests, or `VNETPEER_PROGRAM`.
pub fn program() -> PathBuf {
    if let Some(program) = env::var_os("VNETPEER_PROGRAM") {
        return program.into();
    }
    let test = env::current_exe().expect("the test has a path");
    // Tests are in target/PROFILE/deps, benchmarks in target/PROFILE.
    let mut folders = test.ancestors().skip(1).take(2).map(|folder| folder.join("vnetpeer"));
    let program = folders.find(|program| program.is_file());
    program
        .unwrap_or_else(|| panic!("no vnetpeer beside {}; run `cargo xtask build`", test.display()))
}
