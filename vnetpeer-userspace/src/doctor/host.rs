//! One host's interfaces, looked at in its network namespace.

use std::{collections::BTreeSet, fs, io, process::Command};

use super::{Diagnosis, is_nearly_full};
use crate::{
    agent::{api::AgentStatus, exchange::DEFAULT_PORT},
    dataplane::probe::{ProbeError, facts},
    topology::{
        compile::outer_headers_len,
        facts::{Hook, HostFacts},
        model::{Host, Topology},
    },
};

const CHECK_MTU: &str = "MTU";
const CHECK_HOOKS: &str = "XDP";
const CHECK_OFFLOADS: &str = "offloads";
const CHECK_CONNTRACK: &str = "conntrack";
const CHECK_NETLINK: &str = "netlink";

/// RFC 8200 §5: every link must carry this much.
const IPV6_MTU_MIN: u16 = 1_280;

/// Everything about the host that this thread's network namespace belongs to.
pub async fn check(topology: &Topology, status: &AgentStatus) -> Vec<Diagnosis> {
    let name = &status.host;
    let mut all = match look(topology, name).await {
        Ok(facts) => of_interfaces(topology, status, &facts),
        Err(error) => {
            let fix = "run in the host's network namespace, with CAP_NET_ADMIN";
            vec![Diagnosis::warning(CHECK_NETLINK, error, fix)]
        }
    };
    all.push(conntrack());
    all.into_iter().map(|it| it.of(name)).collect()
}

async fn look(topology: &Topology, name: &str) -> Result<HostFacts, String> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
    let running = tokio::spawn(connection);
    let facts = facts(&handle, topology, name, &BTreeSet::new()).await;
    running.abort();
    facts.map_err(|error: ProbeError| error.to_string())
}

fn of_interfaces(topology: &Topology, status: &AgentStatus, facts: &HostFacts) -> Vec<Diagnosis> {
    let Some(host) = topology.hosts.iter().find(|host| host.name == status.host) else {
        return Vec::new();
    };
    vec![mtu(host, facts), hooks(status, facts), offloads(&host.underlay_interface)]
}

/// Whether the largest packets of the guests fit the underlay with their outer headers.
fn mtu(host: &Host, facts: &HostFacts) -> Diagnosis {
    let Some(underlay) = facts.interfaces.get(&host.underlay_interface) else {
        let found = format!("the underlay interface {} is not there", host.underlay_interface);
        return Diagnosis::error(
            CHECK_MTU,
            found,
            "create it, or correct `underlay` in the document",
        );
    };
    let ways = facts.vteps.values().flatten();
    let Some(overhead) = ways.map(|it| outer_headers_len(it.remote)).max() else {
        return Diagnosis::ok(CHECK_MTU, "there are no other hosts");
    };
    let room = underlay.mtu_bytes.saturating_sub(overhead);
    let guests = facts.interfaces.iter().filter(|(name, _)| **name != host.underlay_interface);
    let largest = guests.map(|(name, it)| (it.mtu_bytes, name)).max();
    let (name, has) = (&host.underlay_interface, underlay.mtu_bytes);
    if room < IPV6_MTU_MIN {
        return Diagnosis::error(
            CHECK_MTU,
            format!(
                "{name} has {has}, which leaves {room} to packets of guests; IPv6 needs {IPV6_MTU_MIN}"
            ),
            format!("ip link set {name} mtu 1570, on every host and switch between them"),
        );
    }
    match largest {
        Some((wanted, guest)) if wanted > room => Diagnosis::warning(
            CHECK_MTU,
            format!(
                "{name} has {has}, which leaves {room} to packets of guests; {guest} has {wanted}"
            ),
            format!(
                "ip link set {name} mtu {}, or {room} in the guests; until then larger packets are answered by ICMP",
                wanted.saturating_add(overhead)
            ),
        ),
        _ => Diagnosis::ok(
            CHECK_MTU,
            format!("{name} has {has}, which leaves {room} to packets of guests"),
        ),
    }
}

/// Whether interfaces have the hook that they were to have.
fn hooks(status: &AgentStatus, facts: &HostFacts) -> Diagnosis {
    let wants_xdp = |name: &str| facts.interfaces.get(name).is_some_and(|it| it.hook == Hook::Xdp);
    let refused = status.interfaces.iter().filter(|it| it.mode == "tc" && wants_xdp(&it.name));
    let refused: Vec<&str> = refused.map(|it| it.name.as_str()).collect();
    if !refused.is_empty() {
        return Diagnosis::warning(
            CHECK_HOOKS,
            format!(
                "no native XDP on {}: TC handles them, at a higher cost per packet",
                refused.join(", ")
            ),
            "use a driver with native XDP, or write `mode: tc` to say that this is meant",
        );
    }
    let modes = status.interfaces.iter().map(|it| format!("{} {}", it.name, it.mode));
    Diagnosis::ok(CHECK_HOOKS, modes.collect::<Vec<_>>().join(", "))
}

/// What merges packets on their way in.
fn offloads(interface: &str) -> Diagnosis {
    let output = match Command::new("ethtool").args(["-k", interface]).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let found = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Diagnosis::warning(
                CHECK_OFFLOADS,
                found,
                "run as root in the host's namespace",
            );
        }
        Err(error) => {
            let found = format!("ethtool cannot be run: {error}");
            return Diagnosis::warning(CHECK_OFFLOADS, found, "apt-get install ethtool");
        }
    };
    judge_offloads(interface, &String::from_utf8_lossy(&output.stdout))
}

/// By the output of `ethtool -k`.
fn judge_offloads(interface: &str, text: &str) -> Diagnosis {
    let is_on = |feature: &str| {
        let line = text.lines().find_map(|it| it.trim().strip_prefix(feature)?.strip_prefix(": "));
        line.is_some_and(|it| it.starts_with("on"))
    };
    if is_on("large-receive-offload") {
        return Diagnosis::warning(
            CHECK_OFFLOADS,
            format!(
                "{interface} has LRO on, which merges packets that are forwarded and cannot be cut again"
            ),
            format!("ethtool -K {interface} lro off gro on"),
        );
    }
    if !is_on("generic-receive-offload") {
        return Diagnosis::warning(
            CHECK_OFFLOADS,
            format!(
                "{interface} has GRO off: every segment crosses by itself, at a multiple of the cost"
            ),
            format!("ethtool -K {interface} gro on"),
        );
    }
    let segments = if is_on("tcp-segmentation-offload") { "TSO on" } else { "TSO off" };
    Diagnosis::ok(CHECK_OFFLOADS, format!("{interface}: GRO on, LRO off, {segments}"))
}

/// Packets of guests pass before netfilter; a full table harms only what else the host does.
fn conntrack() -> Diagnosis {
    let read = |name: &str| -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}"))?;
        text.trim().parse().map_err(io::Error::other)
    };
    match (read("count"), read("max")) {
        (Ok(count), Ok(max)) if is_nearly_full(count, max) => Diagnosis::warning(
            CHECK_CONNTRACK,
            format!(
                "{count} of {max} connections: packets of guests do without, agents' own may be lost"
            ),
            format!("raise net.netfilter.nf_conntrack_max, or exempt TCP port {DEFAULT_PORT}"),
        ),
        (Ok(count), Ok(max)) => {
            let found =
                format!("not needed: packets of guests pass before it; {count} of {max} in use");
            Diagnosis::ok(CHECK_CONNTRACK, found)
        }
        _ => Diagnosis::ok(CHECK_CONNTRACK, "not needed, and not there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn offloads_are_judged_by_what_merges_packets() {
        let of = |gro: &str, lro: &str| {
            let text = format!(
                "Features for eth0:\ntcp-segmentation-offload: on\ngeneric-receive-offload: {gro}\n\
                 large-receive-offload: {lro}\n"
            );
            let it = judge_offloads("eth0", &text);
            (it.level, it.fix.unwrap_or_default())
        };
        assert_eq!(of("on", "off [fixed]").0, Level::Ok);
        assert_eq!(of("off", "off"), (Level::Warning, "ethtool -K eth0 gro on".to_owned()));
        assert_eq!(of("on", "on"), (Level::Warning, "ethtool -K eth0 lro off gro on".to_owned()));
    }
}
