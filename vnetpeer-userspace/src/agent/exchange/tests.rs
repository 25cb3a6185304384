use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::TcpSocket,
    time::{sleep, timeout},
};

use super::*;
use crate::{document, topology::model::ResourceId};

const SOON: Duration = Duration::from_secs(5);

/// Two hosts on the loopback interface with a NIC each.
fn topology(hosts: usize) -> Topology {
    let mut text = String::from(
        "virtualNetworks:\n  - name: red\n    properties:\n      addressSpace: {addressPrefixes: \
         [10.1.0.0/16]}\n      subnets: [{name: red, properties: {addressPrefixes: \
         [10.1.1.0/24]}}]\nnetworkInterfaces:\n",
    );
    for number in 0..hosts {
        let _ = writeln!(
            text,
            "  - {{name: nic{number}, properties: {{ipConfigurations: [{{name: v4, properties: \
             {{subnet: {{id: red}}, privateIPAddress: 10.1.1.{}}}}}]}}}}",
            number + 4
        );
    }
    text += "hosts:\n";
    for number in 0..hosts {
        let _ = writeln!(
            text,
            "  - {{name: host{number}, underlay: {{interface: eth0, addresses: [192.0.2.{}]}}, \
             networkInterfaces: [{{name: nic{number}}}]}}",
            number + 1
        );
    }
    let mut topology = document::load("test", &text).unwrap_or_else(|it| panic!("{it}")).topology;
    for (number, host) in topology.hosts.iter_mut().enumerate() {
        host.underlay_addresses = vec![loopback(number)];
    }
    topology
}

fn loopback(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 47, 88, u8::try_from(host + 1).unwrap()))
}

/// A port that nobody has on any loopback address.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn down(topology: &Topology, nics: &[usize]) -> NetworkFacts {
    let down = nics.iter().map(|nic| topology.nics[*nic].id.clone()).collect();
    NetworkFacts { down, ..NetworkFacts::default() }
}

/// One agent's exchange.
struct Agent {
    exchange: Exchange,
    news: mpsc::Receiver<()>,
    folder: TempDir,
}

impl Agent {
    fn start(topology: &Topology, host: usize, port: u16) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), topology, host, port)
    }

    fn start_in(folder: TempDir, topology: &Topology, host: usize, port: u16) -> Self {
        let (sender, news) = mpsc::channel(1);
        let mut exchange = Exchange::open(&format!("host{host}"), port, folder.path(), sender);
        exchange.follow(topology);
        Self { exchange, news, folder }
    }

    fn known(&self, topology: &Topology) -> NetworkFacts {
        self.exchange.known(topology, &NetworkFacts::default())
    }

    /// Waits for news that make this known.
    async fn hears(&mut self, topology: &Topology, facts: &NetworkFacts) {
        let heard = async {
            while self.known(topology) != *facts {
                self.news.recv().await.expect("the exchange goes on");
            }
        };
        timeout(SOON, heard).await.expect("it is heard soon");
    }
}

#[tokio::test]
async fn hosts_hear_what_others_say_and_every_change_of_it() {
    let (topology, port) = (topology(2), free_port());
    let mut first = Agent::start(&topology, 0, port);
    let mut second = Agent::start(&topology, 1, port);
    first.exchange.say(down(&topology, &[0]));
    second.hears(&topology, &down(&topology, &[0])).await;
    second.exchange.say(down(&topology, &[1]));
    first.hears(&topology, &down(&topology, &[1])).await;
    first.exchange.say(NetworkFacts::default());
    second.hears(&topology, &NetworkFacts::default()).await;
    let [status] = first.exchange.status().try_into().unwrap();
    assert!(status.age_seconds.is_some() && status.last_error.is_none(), "{status:?}");
}

#[tokio::test]
async fn what_a_silent_host_said_last_counts_until_the_document_has_it_no_more() {
    let (pair, alone, port) = (topology(2), topology(1), free_port());
    let mut first = Agent::start(&pair, 0, port);
    let mut second = Agent::start(&pair, 1, port);
    second.exchange.say(down(&pair, &[1]));
    first.hears(&pair, &down(&pair, &[1])).await;
    drop(second);
    let silent = async {
        while first.exchange.status()[0].last_error.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, silent).await.unwrap();
    assert_eq!(first.known(&pair), down(&pair, &[1]));
    let mut second = Agent::start(&pair, 1, port);
    second.exchange.say(NetworkFacts::default());
    first.hears(&pair, &NetworkFacts::default()).await;
    second.exchange.say(down(&pair, &[1]));
    first.hears(&pair, &down(&pair, &[1])).await;
    first.exchange.follow(&alone);
    assert_eq!(first.known(&pair), NetworkFacts::default());
    assert!(first.exchange.status().is_empty());
}

#[tokio::test]
async fn what_was_said_last_survives_the_agent() {
    let (topology, port) = (topology(2), free_port());
    let mut first = Agent::start(&topology, 0, port);
    let second = {
        let mut second = Agent::start(&topology, 1, port);
        second.exchange.say(down(&topology, &[1]));
        first.hears(&topology, &down(&topology, &[1])).await;
        second
    };
    first.exchange.say(down(&topology, &[0]));
    first.exchange.save();
    drop((first.exchange, second));
    let first = Agent::start_in(first.folder, &topology, 0, port);
    assert_eq!(first.known(&topology), down(&topology, &[1]));
    assert_eq!(first.exchange.own(), down(&topology, &[0]));
    assert_eq!(first.exchange.status()[0].age_seconds, None);
}

#[tokio::test]
async fn another_deployment_at_the_address_is_not_believed() {
    let (ours, port) = (topology(2), free_port());
    let mut theirs = topology(2);
    theirs.name = "another".to_owned();
    let first = Agent::start(&ours, 0, port);
    let mut second = Agent::start(&theirs, 1, port);
    second.exchange.say(down(&theirs, &[1]));
    let refused = async {
        let said =
            |it: &PeerStatus| it.last_error.as_ref().is_some_and(|it| it.contains("another"));
        while !said(&first.exchange.status()[0]) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, refused).await.unwrap();
    assert_eq!(first.known(&ours), NetworkFacts::default());
}

/// Connects from an address and asks; empty if the connection is closed instead.
async fn ask_from(from: IpAddr, port: u16) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let stream = socket.connect(SocketAddr::new(loopback(0), port)).await.unwrap();
    let mut stream: TcpStream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let ask = move || {
        let mut answer = String::new();
        let request = b"GET /v1/facts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _ =
            stream.write_all(request).and_then(|()| stream.read_to_string(&mut answer).map(drop));
        answer
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn only_hosts_of_the_document_are_answered() {
    let (topology, port) = (topology(2), free_port());
    let _first = Agent::start(&topology, 0, port);
    let listening = async {
        while TcpStream::connect((loopback(0), port)).is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, listening).await.unwrap();
    assert!(ask_from(loopback(1), port).await.contains("200 OK"));
    assert_eq!(ask_from(loopback(2), port).await, "");
    assert_eq!(ask_from(loopback(0), port).await, "", "not even the host itself");
}

#[test]
fn a_host_speaks_for_its_own_nics_only() {
    let topology = topology(2);
    let facts = down(&topology, &[0, 1]);
    let merged = merge(&topology, [("host0", &facts)]);
    assert_eq!(merged, down(&topology, &[0]));
    let stranger = NetworkFacts {
        down: [ResourceId::new("/subscriptions/nobody")].into(),
        ..NetworkFacts::default()
    };
    assert_eq!(merge(&topology, [("host1", &stranger)]), NetworkFacts::default());
    assert_eq!(merge(&topology, [("elsewhere", &facts)]), NetworkFacts::default());
    // The same holds for what health probes found.
    let silent = |nics: &[usize]| {
        let address = [IpAddr::from([10, 1, 1, 4])];
        let nics = nics.iter().map(|it| (topology.nics[*it].id.clone(), address.into()));
        let unhealthy = [(ResourceId::new("/probe"), nics.collect())].into();
        NetworkFacts { unhealthy, ..NetworkFacts::default() }
    };
    assert_eq!(merge(&topology, [("host0", &silent(&[0, 1]))]), silent(&[0]));
    assert_eq!(merge(&topology, [("host0", &silent(&[1]))]), NetworkFacts::default());
}
