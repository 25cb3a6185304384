//! What ours is compared with: the least that any program does, the kernel's own bridge, VXLAN and
//! connection tracking, and a bare veth pair.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use vnetpeer_common::types::Mac;

use super::{
    programs::Programs,
    space::Space,
    way::{Direction, End, Way},
};
use crate::harness::At;

const MAC_A: Mac = Mac([2, 0, 0, 0, 0x0a, 1]);
const MAC_B: Mac = Mac([2, 0, 0, 0, 0x0b, 1]);
/// The hosts' ends of the workloads' cables.
const PORTS: [Mac; 2] = [Mac([2, 0, 0, 0, 0x0a, 2]), Mac([2, 0, 0, 0, 0x0b, 2])];
/// The hosts' ends of the cable between them.
const UNDERLAY: [(Mac, Ipv4Addr); 2] = [
    (Mac([2, 0, 0, 0, 0x0c, 1]), Ipv4Addr::new(192, 0, 2, 1)),
    (Mac([2, 0, 0, 0, 0x0c, 2]), Ipv4Addr::new(192, 0, 2, 2)),
];
const MTU: u32 = 1_500;
const UNDERLAY_MTU: u32 = 1_600;
const VNI: u8 = 42;
/// The same as in a lab: with the outer headers a super-frame's length must fit in 16 bits.
const GSO: &str = "gso_max_size 65000";
/// As on a cable.
const WIRE: &str = "tx off tso off gso off";

/// Two connection-tracking rules, the least that a filter of a virtual network has.
const FILTER: &str = "
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ip saddr 10.77.0.0/16 ip daddr 10.77.0.0/16 meta l4proto { tcp, udp, icmp } ct state new accept
    }
}
";

/// How many hosts, and what is between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hosts {
    /// Both workloads are on one host.
    One,
    /// A veth pair that carries super-frames.
    Two,
    /// Frames at MTU size with complete checksums.
    Wire,
}

/// The workloads and their hosts; with one host it is there twice.
struct Net {
    ends: [End; 2],
    hosts: [Space; 2],
}

impl Net {
    /// Its way, on which these programs forward.
    fn way(self, at: At, programs: Vec<Programs>) -> Way {
        let [first, second] = &self.hosts;
        let entries = [(first.clone(), "port0".to_owned()), (second.clone(), "port1".to_owned())];
        way(self.ends, at, entries).keeping(programs, &self.hosts)
    }
}

/// The workloads' veth pair and nothing else.
pub(super) fn veth() -> Result<Way> {
    let ends = ends()?;
    ends[0].space.cable(("eth0", MAC_A), &ends[1].space, ("eth0", MAC_B), MTU)?;
    prepare(&ends)?;
    let entries = [&ends[1], &ends[0]].map(|end| (end.space.clone(), "eth0".to_owned()));
    Ok(way(ends, At::Tc, entries))
}

/// The kernel's bridge with a filter that tracks connections, and its VXLAN device between hosts.
pub(super) fn kernel(hosts: Hosts) -> Result<Way> {
    let net = net(hosts)?;
    let single = hosts == Hosts::One;
    for (number, host) in net.hosts.iter().enumerate().take(if single { 1 } else { 2 }) {
        host.run("ip link add br0 type bridge mcast_snooping 0")?;
        host.set("bridge/bridge-nf-call-iptables", "1")
            .context("this kernel has no netfilter for bridges: modprobe br_netfilter")?;
        host.run_on("nft -f -", FILTER)?;
        let mut ports = vec![["port0", "port1"][number]];
        if single {
            ports.push("port1");
        } else {
            let (own, other) = (UNDERLAY[number].1, UNDERLAY[1 - number].1);
            host.run(&format!(
                "ip link add vx0 mtu {MTU} type vxlan id {VNI} dev up local {own} remote {other} dstport 4789"
            ))?;
            ports.push("vx0");
        }
        ports.push("br0");
        for port in &ports {
            if *port != "br0" {
                host.run(&format!("ip link set dev {port} master br0"))?;
            }
            host.run(&format!("ip link set dev {port} up"))?;
        }
    }
    Ok(net.way(At::Tc, Vec::new()))
}

/// Programs of a few instructions.
pub(super) fn least(at: At, hosts: Hosts) -> Result<Way> {
    let net = net(hosts)?;
    let hook = if at == At::Xdp { "xdp" } else { "tc" };
    let mut keep = Vec::new();
    for (number, host) in net.hosts.iter().enumerate() {
        let (own, other) = (["port0", "port1"][number], ["port1", "port0"][number]);
        if hosts == Hosts::One {
            // What is not addressed to the interface the kernel would not deliver.
            host.run(&format!("ip link set dev {own} address {}", [MAC_B, MAC_A][number]))?;
            let program = Programs::load(host.index(other)?, 1, &[])?;
            keep.push(program.attach(&format!("local_{hook}"), host, own)?);
        } else {
            let out = Programs::load(host.index("up")?, 1, &headers(number))?;
            keep.push(out.attach(&format!("encap_{hook}"), host, own)?);
            let inner = ethernet([MAC_A, MAC_B][number], [MAC_B, MAC_A][number]);
            let into = Programs::load(host.index(own)?, 1, &inner)?;
            keep.push(into.attach(&format!("decap_{hook}"), host, "up")?);
        }
    }
    if at == At::Xdp {
        for end in &net.ends {
            end.space.run("ethtool -K eth0 tx off")?;
            end.space.poll("eth0", true)?;
        }
    }
    Ok(net.way(at, keep))
}

fn ends() -> Result<[End; 2]> {
    let end = |mac, last| -> Result<End> {
        Ok(End { space: Space::new()?, mac, address: Ipv4Addr::new(10, 77, 0, last) })
    };
    Ok([end(MAC_A, 1)?, end(MAC_B, 2)?])
}

/// Addresses, and neighbours that need no asking.
fn prepare(ends: &[End; 2]) -> Result<()> {
    for (own, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        own.space.run(&format!("ip link set dev eth0 {GSO}"))?;
        own.space.run(&format!("ip address add {}/24 dev eth0", own.address))?;
        own.space.run(&format!(
            "ip neighbour add {} lladdr {} dev eth0 nud permanent",
            other.address, other.mac
        ))?;
    }
    Ok(())
}

fn net(hosts: Hosts) -> Result<Net> {
    let ends = ends()?;
    let first = Space::new()?;
    let second = if hosts == Hosts::One { first.clone() } else { Space::new()? };
    let spaces = [first, second];
    let ports = ["port0", "port1"].into_iter().zip(PORTS);
    for ((end, host), port) in ends.iter().zip(&spaces).zip(ports) {
        end.space.cable(("eth0", end.mac), host, port, MTU)?;
    }
    prepare(&ends)?;
    if hosts != Hosts::One {
        let [(mac, _), (other, _)] = UNDERLAY;
        spaces[0].cable(("up", mac), &spaces[1], ("up", other), UNDERLAY_MTU)?;
        for (number, host) in spaces.iter().enumerate() {
            let ((_, own), (mac, other)) = (UNDERLAY[number], UNDERLAY[1 - number]);
            host.poll("up", true)?;
            host.run(&format!("ip address add {own}/24 dev up"))?;
            host.run(&format!("ip neighbour add {other} lladdr {mac} dev up nud permanent"))?;
            if hosts == Hosts::Wire {
                host.run(&format!("ethtool -K up {WIRE}"))?;
            }
        }
    }
    Ok(Net { ends, hosts: spaces })
}

fn way(ends: [End; 2], at: At, entries: [(Space, String); 2]) -> Way {
    let [a, b] = ends;
    let [at_a, at_b] = entries;
    let direction = |from: &End, to: &End, entry| {
        let (from, to, next) = (from.clone(), to.clone(), to.mac);
        Direction { from, to, next, entry }
    };
    Way::new([direction(&a, &b, at_a), direction(&b, &a, at_b)], at)
}

fn ethernet(to: Mac, from: Mac) -> Vec<u8> {
    [&to.0[..], &from.0, &[8, 0]].concat()
}

/// Outer headers of a host, lengths and checksum zero, and the inner Ethernet header.
fn headers(host: usize) -> Vec<u8> {
    let ((own_mac, own), (mac, other)) = (UNDERLAY[host], UNDERLAY[1 - host]);
    let ip = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
    let udp = [0, 0, 0x12, 0xb5, 0, 0, 0, 0];
    let vxlan = [8, 0, 0, 0, 0, 0, VNI, 0];
    let inner = ethernet([MAC_B, MAC_A][host], [MAC_A, MAC_B][host]);
    [&ethernet(mac, own_mac)[..], &ip, &own.octets(), &other.octets(), &udp, &vxlan, &inner]
        .concat()
}
