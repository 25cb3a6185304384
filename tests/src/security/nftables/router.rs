//! Three namespaces with the ruleset in the middle one.

use std::{
    io::{IoSlice, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recv, sendmsg,
        setsockopt, socket, sockopt,
    },
};
use vnetpeer_common::types::Mac;
use vnetpeer_userspace::topology::model::Direction;

use super::space::Space;
use crate::security::{frame, probe::Probe};

/// How long the last packets may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Packets between two looks at what arrived: fewer than a queue of the kernel holds.
const BURST: usize = 64;
/// Room for all packets of a ruleset.
const RECEIVE_BUFFER: usize = 64 << 20;

/// The router's interfaces with the other end of each: name, table of routes, the router's MAC address
/// and the other end's.
const LINKS: [(&str, u32, Mac, Mac); 2] = [
    ("peer", 101, Mac([2, 0, 0, 0, 1, 1]), Mac([2, 0, 0, 0, 1, 2])),
    ("vm", 102, Mac([2, 0, 0, 0, 2, 1]), Mac([2, 0, 0, 0, 2, 2])),
];

/// Settings of the router that make it forward everything: no address is foreign to a link.
const SETTINGS: [(&str, &str); 8] = [
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/addr_gen_mode", "1"),
    // A connection is followed by its flags alone; the sequence numbers mean nothing here.
    ("netfilter/nf_conntrack_tcp_be_liberal", "1"),
    ("netfilter/nf_conntrack_tcp_loose", "0"),
];

/// The namespaces, and a packet socket at each end.
#[derive(Debug)]
pub struct Router {
    space: Space,
    /// At `peer` and at `vm`.
    ends: [End; 2],
    /// Counts rulesets: connections of one are none of the next.
    zone: u16,
    /// Packets that the ruleset in force has refused before.
    refused: u64,
    /// The number of the next packet.
    next: u32,
}

#[derive(Debug)]
struct End {
    /// Holds the namespace.
    _space: Space,
    socket: OwnedFd,
    link: LinkAddr,
    /// From this end to the router.
    macs: (Mac, Mac),
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// Without a ruleset yet.
    pub fn new() -> Self {
        let router = Space::new();
        for (name, value) in SETTINGS {
            router.set(name, value);
        }
        // Without an address of its own, the kernel has no table to look up next hops in.
        router.run("ip link set lo up");
        let ends = LINKS.map(|link| End::new(&router, link));
        for (index, (name, table, ..)) in LINKS.iter().enumerate() {
            let (other, .., mac) = LINKS[1 - index];
            for (family, hop) in [("-4", "192.0.0.8"), ("-6", "fe80::8")] {
                router.run(&format!("ip {family} rule add iif {name} lookup {table}"));
                router.run(&format!("ip {family} neigh add {hop} lladdr {mac} dev {other}"));
                router.run(&format!(
                    "ip {family} route add default via {hop} dev {other} onlink table {table}"
                ));
            }
        }
        Self { space: router, ends, zone: 0, refused: 0, next: 0 }
    }

    /// Puts a ruleset into force, and forgets all connections. A first TCP segment without SYN is let to
    /// the rules only if `loose`.
    pub fn load(&mut self, ruleset: &str, loose: bool) {
        self.zone += 1;
        self.space.set("netfilter/nf_conntrack_tcp_loose", if loose { "1" } else { "0" });
        let zone = format!(
            "table inet zone {{\n  chain zone {{ type filter hook prerouting priority raw;\n    ct zone \
             set {}\n  }}\n}}\n",
            self.zone
        );
        load(&self.space, &[ruleset, &zone].concat());
        self.refused = 0;
    }

    /// Sends packets in their order, and says of each whether it arrived.
    pub fn send(&mut self, probes: &[Probe]) -> Vec<bool> {
        let first = self.next;
        self.next += u32::try_from(probes.len()).expect("few packets");
        let mut arrived = vec![false; probes.len()];
        for (burst, offset) in probes.chunks(BURST).zip((first..).step_by(BURST)) {
            for (probe, number) in burst.iter().zip(offset..) {
                let from = match probe.direction {
                    Direction::Inbound => &self.ends[0],
                    Direction::Outbound => &self.ends[1],
                };
                from.send(probe, number);
            }
            self.collect(probes, first, &mut arrived);
        }
        self.wait(probes, first, &mut arrived);
        arrived
    }

    /// Waits until every packet has arrived or was refused.
    fn wait(&mut self, probes: &[Probe], first: u32, arrived: &mut [bool]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refused = self.refused();
            self.collect(probes, first, arrived);
            let count = arrived.iter().filter(|it| **it).count() as u64;
            if count + (refused - self.refused) == probes.len() as u64 {
                self.refused = refused;
                return;
            }
            let now = Instant::now();
            assert!(now < deadline, "of {}, {count} arrived and {refused} refused", probes.len());
        }
    }

    /// Packets that the ruleset in force has refused.
    fn refused(&self) -> u64 {
        let text = self.space.run("nft list counter inet judge refused");
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
        words.next().and_then(|word| word.parse().ok()).expect("nft lists a counter")
    }

    /// Takes what has arrived at both ends.
    fn collect(&self, probes: &[Probe], first: u32, arrived: &mut [bool]) {
        for (end, direction) in self.ends.iter().zip([Direction::Outbound, Direction::Inbound]) {
            while let Some(frame) = end.receive() {
                let number = frame::number(&frame).and_then(|it| it.checked_sub(first));
                let Some(index) = number.map(|it| it as usize) else { continue };
                // What was sent at this end and is quoted in an error comes back with its number.
                if probes.get(index).is_some_and(|probe| probe.direction == direction) {
                    arrived[index] = true;
                }
            }
        }
    }
}

impl End {
    /// A namespace at the other end of an interface of the router.
    fn new(router: &Space, (name, _, router_mac, mac): (&str, u32, Mac, Mac)) -> Self {
        let space = Space::new();
        space.set("ipv6/conf/default/disable_ipv6", "1");
        router.run(&format!(
            "ip link add {name} address {router_mac} type veth peer name end address {mac} netns {}",
            space.path()
        ));
        router.run(&format!("ip link set {name} up"));
        space.run("ip link set end up");
        let (socket, link) = space.within(|| (open(), link("end")));
        Self { _space: space, socket, link, macs: (mac, router_mac) }
    }

    fn send(&self, probe: &Probe, number: u32) {
        let bytes = frame::of(probe, number).between(self.macs.0, self.macs.1).bytes();
        let parts = [IoSlice::new(&bytes)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        sendmsg(fd, &parts, &[], flags, Some(&self.link)).expect("the link takes the frame");
    }

    /// The next frame; `None` if no frame is left.
    fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 512];
        match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Some(buffer[..length].to_vec()),
            Err(Errno::EAGAIN) => None,
            Err(error) => panic!("packet socket: {error}"),
        }
    }
}

/// A packet socket for all frames.
fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
    let fd = fd.expect("a packet socket");
    setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).expect("a large buffer");
    fd
}

/// The link address of an interface, which names it to a packet socket.
fn link(name: &str) -> LinkAddr {
    let interfaces = getifaddrs().expect("the interfaces");
    let mut of_name = interfaces.filter(|it| it.interface_name == name);
    of_name.find_map(|it| it.address?.as_link_addr().copied()).expect("a link address")
}

/// Gives a ruleset to `nft`.
fn load(space: &Space, ruleset: &str) {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let output = space.within(|| {
        let mut nft = command.spawn().expect("run nft, of package nftables");
        let mut input = nft.stdin.take().expect("a pipe");
        input.write_all(ruleset.as_bytes()).expect("nft reads the ruleset");
        drop(input);
        nft.wait_with_output().expect("nft ends")
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft: {stderr}\n{ruleset}");
}
