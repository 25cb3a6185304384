//! The packets of Azure's rules (`tests/src/azure`) with real agents, programs and guests: one lab, in
//! which one network after the other is put in force.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use vnetpeer_tests::{
    azure::{Document, HOSTS, NICS, PacketCase, Probe, Verdict, packets},
    kernel,
    netns::{Capture, Deployment, Guest},
};

/// A packet that is dropped is counted within this.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// Nobody listens there.
const PORT: u16 = 9;

/// All NICs, the hub's gateway and its site exist; nothing is peered.
fn everything() -> Document {
    with_gateway(Document::new()).site("hub", &["198.18.0.0/24", "2001:db8:100::/48"])
}

fn with_gateway(document: Document) -> Document {
    document.gateway("hub", "Vpn", "VpnGw1")
}

/// A lab and the networks that it is given.
struct Lab {
    deployment: Deployment,
    /// The kind of program on all NICs' interfaces.
    mode: &'static str,
}

impl Lab {
    /// Puts the network of a case in force, and before it one without peerings: no peering remembers what
    /// was before. The gateway is in all of them, as a NIC that comes back has another MAC address.
    fn apply(&self, case: &PacketCase) {
        self.deployment.apply(&everything().mode(self.mode).text());
        let document = (case.document)();
        let has_gateway = document.has("virtualNetworkGateways");
        let document = if has_gateway { document } else { with_gateway(document) };
        self.deployment.apply(&document.mode(self.mode).text());
    }

    fn address(&self, name: &str, is_v4: bool) -> IpAddr {
        self.deployment.guest(name).address(is_v4)
    }

    /// Drops at a NIC, which are counted on its host.
    async fn drops(&self, nic: &str, reason: &str) -> u64 {
        let host = NICS.iter().find(|it| it.0 == nic).map_or("host-a", |it| it.4);
        self.deployment.dropped(host, nic, reason).await
    }

    /// Drops of both hosts.
    async fn all_drops(&self) -> BTreeMap<(&'static str, String, String), u64> {
        let mut all = BTreeMap::new();
        for host in HOSTS {
            let drops = self.deployment.drops(host).await;
            all.extend(
                drops.into_iter().map(|((nic, reason), count)| ((host, nic, reason), count)),
            );
        }
        all
    }

    async fn check(&self, probe: &Probe, is_v4: bool) -> Result<(), String> {
        let from = self.deployment.guest(probe.from);
        let target = probe.to.address(is_v4, |name, is_v4| self.address(name, is_v4));
        let no_route = if is_v4 { "RouteNone" } else { "InternetUnavailable" };
        match probe.verdict {
            Verdict::Direct => self.answered(&from, target, &[]),
            Verdict::Via(nics) => self.answered(&from, target, nics),
            Verdict::ViaOneOf(nics) => {
                let passed = self.passed(&from, target, nics, || assert!(from.pings(target)));
                let passed: Vec<_> = passed.into_iter().filter(|it| it.1).collect();
                if passed.len() == 1 { Ok(()) } else { Err(format!("it passed {passed:?}")) }
            }
            // The lab's gateways answer for their sites.
            Verdict::HandedTo(nic) => self.answered(&from, target, &[nic]),
            Verdict::NoRoute => self.dropped(&from, target, (probe.from, no_route)).await,
            Verdict::Dropped(nic, reason) => self.dropped(&from, target, (nic, reason)).await,
            Verdict::AnswerDropped(nic, reason) => {
                let before = self.drops(nic, reason).await;
                if !from.pings_in_vain(target) {
                    return Err("it was answered".to_owned());
                }
                let after = self.drops(nic, reason).await;
                (after > before).then_some(()).ok_or_else(|| "no answer was dropped".to_owned())
            }
        }
    }

    /// A ping that passes these NICs is answered.
    fn answered(&self, from: &Guest, target: IpAddr, via: &[&'static str]) -> Result<(), String> {
        let mut answered = false;
        let passed = self.passed(from, target, via, || answered = from.pings(target));
        let by: Vec<_> = passed.iter().filter(|it| it.1).map(|it| it.0).collect();
        let holds = answered && by == via;
        holds.then_some(()).ok_or_else(|| format!("answered: {answered}, by {by:?}"))
    }

    /// Of these NICs, which received something from `from` that is not for them while `action` ran.
    fn passed(
        &self,
        from: &Guest,
        target: IpAddr,
        nics: &[&'static str],
        action: impl FnOnce(),
    ) -> Vec<(&'static str, bool)> {
        let source = from.address(target.is_ipv4());
        let captures: Vec<Capture> =
            nics.iter().map(|nic| Capture::start(&self.deployment.guest(nic), source)).collect();
        action();
        let seen = captures.into_iter().map(|it| it.finish().frames > 0);
        nics.iter().copied().zip(seen).collect()
    }

    /// One datagram, which is counted where it is dropped.
    async fn dropped(
        &self,
        from: &Guest,
        target: IpAddr,
        (nic, reason): (&'static str, &'static str),
    ) -> Result<(), String> {
        let before = self.drops(nic, reason).await;
        send(from, target);
        let deadline = Instant::now() + PATIENCE;
        while self.drops(nic, reason).await == before {
            if Instant::now() > deadline {
                return Err(format!("it was not dropped within {PATIENCE:?}"));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

fn send(from: &Guest, target: IpAddr) {
    let socket = from.udp(from.address(target.is_ipv4()));
    socket.send_to(b"azure", SocketAddr::new(target, PORT)).expect("the guest has a route");
}

async fn check(test: &str, mode: &'static str) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &everything().mode(mode).text()).await;
    let lab = Lab { deployment, mode };
    let mut failed = Vec::new();
    for case in packets::all().filter(|case| case.learned.is_empty()) {
        lab.apply(case);
        for probe in case.probes {
            for is_v4 in probe.families() {
                let before = lab.all_drops().await;
                if let Err(reason) = lab.check(probe, *is_v4).await {
                    let (rule, name) = (case.rule, case.name);
                    let mut drops = lab.all_drops().await;
                    drops.retain(|key, count| before.get(key) != Some(count));
                    failed.push(format!(
                        "AZ §{rule} {name}, IPv4 {is_v4}: {probe:?}: {reason}; dropped: {drops:?}"
                    ));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} probes:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn packets_meet_their_fate() {
    check("azure", "tc").await;
}

#[tokio::test]
async fn packets_meet_their_fate_with_xdp() {
    check("azure-x", "xdp").await;
}
