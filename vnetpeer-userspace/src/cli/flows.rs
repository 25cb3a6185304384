//! `vnetpeer flows`.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use ipnet::IpNet;

use super::{
    Exit, Global,
    listing::Listing,
    output::{self, Rows, join, short},
    target::Source,
};
use crate::agent::api::{FlowList, FlowQuery, FlowRecord, RuleName};

/// Protocols that have a name here.
const PROTOCOLS: [(&str, u8); 6] =
    [("icmp", 1), ("tcp", 6), ("udp", 17), ("esp", 50), ("ah", 51), ("icmpv6", 58)];

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer flows\n  \
                        vnetpeer flows spoke1-vm1 --protocol tcp --remote 10.0.0.0/16\n  \
                        vnetpeer flows --limit 10 -o json\n  \
                        vnetpeer flows --filter state=HalfOpen --sort -ageSeconds --top 20")]
pub(super) struct Arguments {
    /// Only flows of this NIC: its name or ARM id
    pub(super) nic: Option<String>,
    /// Only flows of this protocol: icmp, tcp, udp, esp, ah, icmpv6 or a number
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    pub(super) protocol: Option<u8>,
    /// Only flows whose other side has this address or is in this prefix
    #[arg(long, value_name = "ADDRESS", value_parser = prefix)]
    pub(super) remote: Option<IpNet>,
    /// At most so many, the last used ones
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) listing: Listing,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let network_interface = match &arguments.nic {
        Some(name) => {
            let source = Source::open(None, &global.target).await?;
            Some(source.nic(name)?.id.to_string())
        }
        None => None,
    };
    let query = FlowQuery {
        network_interface,
        protocol: arguments.protocol,
        remote: arguments.remote,
        limit: arguments.limit,
    };
    let mut hosts = Vec::new();
    for client in global.target.clients()? {
        hosts.push(client.flows(&query).await?);
    }
    let (matching, flows) = merge(hosts, query.limit);
    let listed = flows.len();
    arguments.listing.print(global, flows, rows)?;
    if listed < matching {
        eprintln!("{listed} of {matching} flows were asked for; more with --limit");
    }
    Ok(Exit::Done)
}

/// How many flows all hosts have, and the last used ones of them.
fn merge(hosts: Vec<FlowList>, limit: usize) -> (usize, Vec<FlowRecord>) {
    let matching = hosts.iter().map(|it| it.matching).sum();
    let mut flows: Vec<FlowRecord> = hosts.into_iter().flat_map(|it| it.flows).collect();
    flows.sort_by_key(|it| it.idle_seconds);
    flows.truncate(limit);
    (matching, flows)
}

fn rows(flows: &[FlowRecord]) -> Rows {
    output::rows(
        ["nic", "direction", "protocol", "local", "remote", "state", "age", "idle", "allowed by"],
        flows.iter().map(|it| {
            [
                it.network_interface.as_deref().map_or("(removed)", short).to_owned(),
                format!("{:?}", it.direction),
                protocol_name(it.protocol),
                endpoint(it.local_address, it.local_port),
                endpoint(it.remote_address, it.remote_port),
                it.state.clone(),
                duration(it.age_seconds),
                duration(it.idle_seconds),
                join(it.rules.iter().map(rule_name)),
            ]
        }),
    )
}

/// A group and its rule, e.g. `web/https`; only the number if nobody knows it.
fn rule_name(rule: &RuleName) -> String {
    match (&rule.group, &rule.name) {
        (Some(group), Some(name)) => format!("{}/{}", short(group), short(name)),
        _ => format!("#{}", rule.number),
    }
}

fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

pub(super) fn protocol_name(number: u8) -> String {
    let name = PROTOCOLS.iter().find(|(_, it)| *it == number);
    name.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

pub(super) fn protocol(text: &str) -> Result<u8, String> {
    let named = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let number = named.map(|(_, number)| *number).or_else(|| text.parse().ok());
    number.ok_or_else(|| {
        let known = join(PROTOCOLS.iter().map(|(name, _)| name));
        format!("there are {known} and numbers up to 255")
    })
}

/// An address is a prefix of one.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .map(|net| net.trunc())
        .or_else(|_| address())
        .map_err(|_| "neither an address nor a prefix".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::model::Direction;

    fn flow(host: &str, idle_seconds: u64) -> FlowRecord {
        let rule = |group: Option<&str>, name: Option<&str>| RuleName {
            number: 7,
            group: group.map(str::to_owned),
            direction: None,
            name: name.map(str::to_owned),
        };
        FlowRecord {
            host: host.to_owned(),
            network_interface: Some("/subscriptions/s/networkInterfaces/vm1".to_owned()),
            direction: Direction::Inbound,
            protocol: 6,
            local_address: "10.0.0.4".parse().unwrap(),
            local_port: Some(443),
            remote_address: "fd00::5".parse().unwrap(),
            remote_port: None,
            state: "Established".to_owned(),
            age_seconds: 3_725,
            idle_seconds,
            rules: vec![rule(Some("/g/web"), Some("securityRules/https")), rule(None, None)],
        }
    }

    fn list(matching: usize, flows: Vec<FlowRecord>) -> FlowList {
        FlowList { host: String::new(), matching, flows }
    }

    #[test]
    fn the_last_used_flows_of_all_hosts_are_shown() {
        let hosts = vec![list(5, vec![flow("a", 1), flow("a", 9)]), list(1, vec![flow("b", 4)])];
        assert_eq!(merge(hosts, 2), (6, vec![flow("a", 1), flow("b", 4)]));
    }

    #[test]
    fn a_row_has_names() {
        let rows = rows(&[flow("a", 61)]).rows;
        let expected = [
            "vm1",
            "Inbound",
            "tcp",
            "10.0.0.4:443",
            "fd00::5",
            "Established",
            "1h02m",
            "1m01s",
            "web/https, #7",
        ];
        assert_eq!(rows, [expected]);
    }

    #[test]
    fn protocols_have_names_and_numbers() {
        assert_eq!(protocol("TCP"), Ok(6));
        assert_eq!(protocol("132"), Ok(132));
        assert!(protocol("256").is_err());
        assert_eq!(protocol_name(132), "132");
    }

    #[test]
    fn an_address_is_a_prefix() {
        assert_eq!(prefix("10.0.0.4"), Ok("10.0.0.4/32".parse().unwrap()));
        assert_eq!(prefix("fd00::1/16"), Ok("fd00::/16".parse().unwrap()));
        assert!(prefix("10.0.0").is_err());
    }
}
