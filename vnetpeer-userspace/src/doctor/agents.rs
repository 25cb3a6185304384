//! What agents say of themselves, and whether they go together.

use vnetpeer_common::abi::ABI_VERSION;

use super::{Diagnosis, is_nearly_full};
use crate::agent::{api::AgentStatus, exchange::DEFAULT_PORT};

const CHECK_AGENT: &str = "agent";
const CHECK_ABI: &str = "ABI";
const CHECK_INTERFACES: &str = "interfaces";
const CHECK_HOSTS: &str = "other hosts";
const CHECK_DEPLOYMENT: &str = "deployment";
const CHECK_MAPS: &str = "map fill";

/// An agent that gives no answer.
pub fn unreachable(socket: &str, error: &str) -> Diagnosis {
    let fix = "start the agent (vnetpeer run -f FILE --host NAME), or name its --socket or --lab; its log says more";
    Diagnosis::error(CHECK_AGENT, format!("no answer at {socket}: {error}"), fix)
}

/// One agent.
pub fn check(status: &AgentStatus) -> Vec<Diagnosis> {
    let mut all = vec![health(status), abi(status), interfaces(status), fill(status)];
    all.extend(others(status));
    all.into_iter().map(|it| it.of(&status.host)).collect()
}

fn health(status: &AgentStatus) -> Diagnosis {
    match &status.last_error {
        Some(error) => Diagnosis::error(
            CHECK_AGENT,
            format!("it could not put the document in force: {error}"),
            "mend what it names; the agent tries again by itself, and at once with vnetpeer apply",
        ),
        None if !status.ready => {
            let fix = "vnetpeer status --wait; its log says what it waits for";
            Diagnosis::error(CHECK_AGENT, "it is not ready", fix)
        }
        None => Diagnosis::ok(CHECK_AGENT, format!("ready, version {}", status.version)),
    }
}

fn abi(status: &AgentStatus) -> Diagnosis {
    let own = env!("CARGO_PKG_VERSION");
    if status.abi_version != ABI_VERSION {
        let found =
            format!("the agent has version {}, this command {ABI_VERSION}", status.abi_version);
        return Diagnosis::error(
            CHECK_ABI,
            found,
            "use the program that the agent runs, or restart the agent",
        );
    }
    if status.version != own {
        let found =
            format!("map layouts are equal; the agent is {}, this command {own}", status.version);
        return Diagnosis::warning(
            CHECK_ABI,
            found,
            "restart the agent, so that both are one version",
        );
    }
    Diagnosis::ok(CHECK_ABI, format!("version {ABI_VERSION} on both sides"))
}

fn interfaces(status: &AgentStatus) -> Diagnosis {
    if status.missing_interfaces.is_empty() {
        let found = format!("programs on all {}", status.interfaces.len());
        return Diagnosis::ok(CHECK_INTERFACES, found);
    }
    Diagnosis::warning(
        CHECK_INTERFACES,
        format!("the host does not have {}", status.missing_interfaces.join(", ")),
        "create them, or correct `interface` in the document; the agent picks them up by itself",
    )
}

fn others(status: &AgentStatus) -> Vec<Diagnosis> {
    let unresolved = status.vteps.iter().filter(|it| !it.resolved).map(|it| {
        Diagnosis::warning(
            CHECK_HOSTS,
            format!("the next hop to {} ({}) does not answer ARP or ND", it.host, it.address),
            format!(
                "ping {} from this host; see the route to it and the port of the switch",
                it.address
            ),
        )
    });
    let unheard = status.peers.iter().filter_map(|it| {
        let error = it.last_error.as_ref()?;
        Some(Diagnosis::warning(
            CHECK_HOSTS,
            format!("{} is not heard: {error}", it.host),
            format!("let TCP port {DEFAULT_PORT} in on both hosts, and see that its agent runs"),
        ))
    });
    let mut all: Vec<Diagnosis> = unresolved.chain(unheard).collect();
    if all.is_empty() {
        all.push(Diagnosis::ok(CHECK_HOSTS, format!("{} known and heard", status.peers.len())));
    }
    all
}

fn fill(status: &AgentStatus) -> Diagnosis {
    let maps = status.maps.iter();
    let full = maps.filter(|it| it.capacity != 0 && is_nearly_full(it.used, it.capacity));
    let full: Vec<String> =
        full.map(|it| format!("{} ({} of {})", it.name, it.used, it.capacity)).collect();
    if full.is_empty() {
        return Diagnosis::ok(CHECK_MAPS, "no map is nearly full");
    }
    let fix = "restart the agent with larger maps after taking the dataplane off; see vnetpeer run --help";
    Diagnosis::warning(CHECK_MAPS, format!("nearly full: {}", full.join(", ")), fix)
}

/// Whether agents have one document and one set of numbers.
pub fn together(all: &[AgentStatus]) -> Option<Diagnosis> {
    let first = all.first()?;
    let differs = |it: &&AgentStatus| {
        it.serial != first.serial
            || it.state_digest != first.state_digest
            || it.deployment != first.deployment
    };
    let other: Vec<&str> = all.iter().filter(differs).map(|it| it.host.as_str()).collect();
    if other.is_empty() {
        let found = format!("{}, serial {}, on all hosts", first.deployment, first.serial);
        return Some(Diagnosis::ok(CHECK_DEPLOYMENT, found));
    }
    let found = format!("{} has another document or numbers than {}", other.join(", "), first.host);
    let fix = "vnetpeer apply -f FILE with the --socket of every host, or with --lab";
    Some(Diagnosis::error(CHECK_DEPLOYMENT, found, fix))
}
