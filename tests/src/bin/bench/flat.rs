//! `datapath/flat/…`: how much longer a hit takes in a large network than in a small one, with as many flows.

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use vnetpeer_common::{
    abi::{CACHE_WAYS, NextHop, Nic, address_class, next_hop_kind, nic_flags, nic_protocol},
    datapath::Address as _,
    types::{LinkId, Mac, NicId, V4, VnetId},
};
use vnetpeer_tests::{
    packet::Packet,
    world::{TABLE_A, TENANT_A, VnetSpaces, World},
};

use crate::{
    harness::{self, ATTEMPTS, At, Harness, REPEAT, Way},
    instance::{Instance, SETS},
    policy::rules,
    report::Row,
    worlds::{self, Field, GUEST, Load, PAYLOAD},
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 15;
/// How much longer a hit may take.
const FLAT: f64 = 1.10;
/// The action of a packet that was delivered.
const REDIRECT: u32 = 4;
/// Destination port of all packets: the first rule of each group allows them.
const PORT: u16 = rules::Match::First.port();
/// Peered networks of one NIC each.
const PEERINGS: u16 = 1_000;
/// NICs of one peered network.
const NICS: u16 = 10_000;

/// What differs between two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grows {
    /// Peerings, each with one NIC.
    Peerings,
    /// NICs of one peered network.
    Nics,
    /// Rules of each of four security groups.
    Rules,
}

impl Grows {
    const ALL: [Self; 3] = [Self::Peerings, Self::Nics, Self::Rules];

    const fn name(self) -> &'static str {
        match self {
            Self::Peerings => "datapath/flat/1000-peerings",
            Self::Nics => "datapath/flat/10000-nics",
            Self::Rules => "datapath/flat/1000-rules",
        }
    }

    /// Flows in turn.
    const fn flows(self) -> u16 {
        match self {
            Self::Peerings => PEERINGS,
            Self::Nics => NICS,
            Self::Rules => 1,
        }
    }

    /// Where the numbers of networks, NICs and links start, and the second octet of addresses.
    const fn first(self) -> (u32, u8) {
        match self {
            Self::Peerings => (4_000, 81),
            Self::Nics => (20_000, 80),
            Self::Rules => (30_000, 82),
        }
    }

    /// The last two octets of a NIC's address: of a network of its own, or of the same.
    const fn address(self, index: u16) -> u16 {
        4 + if matches!(self, Self::Peerings) { index << 6 } else { index }
    }

    /// The link to the network of a NIC.
    fn link(self, index: u16) -> LinkId {
        let (first, _) = self.first();
        let number = if self == Self::Peerings { index } else { 0 };
        LinkId(first + 2 * u32::from(number))
    }

    /// Adds so many NICs, and what leads there.
    fn add_to(self, world: &mut World, count: u16) {
        let (first, net) = self.first();
        let prefix = |index: u16, len: u8| {
            let [high, low] = self.address(index).to_be_bytes();
            format!("10.{net}.{high}.{low}/{len}").parse::<ipnet::IpNet>().expect("a prefix")
        };
        for index in 0..count {
            let link = self.link(index);
            let back = LinkId(link.0 + 1);
            let vnet = VnetId(1_000 + link.0 / 2);
            let id = NicId(first + u32::from(index));
            if !world.vnets.contains_key(&vnet) {
                let space = prefix(index, if self == Self::Peerings { 26 } else { 16 }).trunc();
                let hop = NextHop {
                    kind: next_hop_kind::VNET,
                    class: address_class::VIRTUAL_NETWORK,
                    target: vnet.0,
                    link,
                    reverse: back,
                };
                world.routes.entry(TABLE_A).or_default().push((space, hop));
                world.vnets.get_mut(&TENANT_A).expect("spoke A").peers.push((space, link.0));
                let peers = vec![("10.1.0.0/16".parse().expect("a prefix"), back.0)];
                let endpoints = vec![(space, 0)];
                let spaces = VnetSpaces { hosted: true, peers, endpoints, ..VnetSpaces::default() };
                world.vnets.insert(vnet, spaces);
                worlds::peer(world, vnet, link, back);
            }
            let spaces = world.vnets.get_mut(&vnet).expect("just inserted");
            spaces.endpoints.push((prefix(index, 32), id.0));
            let [high, low] = self.address(index).to_be_bytes();
            let nic = Nic {
                flags: nic_flags::PRESENT | nic_flags::DELIVER_XDP,
                vnet,
                ifindex: 5_000 + id.0,
                mac: Mac([2, 0, 0, 0, 0, 9]),
                mtu: 1_500,
                ipv4: [10, net, high, low],
                ..Nic::default()
            };
            world.nics.insert(id, nic);
        }
    }

    /// One flow to each of so many NICs, or all flows to one, at most as many in each set of the cache as fit there:
    /// the last two octets of the address in the lower half, the source port in the upper.
    fn list(self, nics: u16) -> Vec<u32> {
        let (_, net) = self.first();
        let mut ways = vec![0_u32; usize::try_from(SETS[0]).unwrap_or(1)];
        let mut port = 10_000_u16;
        let flow = |index| {
            let address = self.address(if nics == 1 { 0 } else { index });
            let [high, low] = address.to_be_bytes();
            let remote = V4::new([10, net, high, low]);
            loop {
                port = if port == 60_000 { 10_000 } else { port + 1 };
                let ports = u32::from(port) << 16 | u32::from(PORT);
                let protocol = nic_protocol(GUEST.nic, 17);
                let key = V4::key(V4::new(GUEST.v4.octets()), remote, ports, protocol);
                let set = usize::try_from(V4::key_hash(&key) & (SETS[0] - 1)).unwrap_or(0);
                if ways[set] < CACHE_WAYS {
                    ways[set] += 1;
                    return u32::from(port) << 16 | u32::from(address);
                }
            }
        };
        (0..self.flows()).map(flow).collect()
    }

    /// The packets of a list.
    fn load(self, first: u32) -> Load {
        let (_, net) = self.first();
        let packet = Packet::v4(GUEST.v4, std::net::Ipv4Addr::new(10, net, 0, 4));
        let frame = packet.udp(0, PORT, PAYLOAD).between(GUEST.mac, Mac::ROUTER).bytes();
        let fields = [32, 34].map(|at| Field { at, base: 0, shift: 0 });
        Load { fields, count: self.flows().into(), list: Some(first), ..worlds::sent(frame) }
    }
}

/// One network, and what is sent there.
struct Side {
    grows: Grows,
    nics: u16,
    rules: u32,
    program: ProgramFd,
    load: Load,
    row: Row,
}

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let asked: Vec<Grows> =
        Grows::ALL.into_iter().filter(|grows| grows.name().contains(filter)).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    harness::pin()?;
    let mut harness = Harness::load()?;
    let mut instances = [network(&asked, false)?, network(&asked, true)?];
    let mut pairs = Vec::new();
    for grows in &asked {
        let side = |harness: &mut Harness, large: bool| -> Result<Side> {
            let nics = if large { grows.flows() } else { 1 };
            let load = grows.load(harness.keep_list(&grows.list(nics))?);
            let rules = if large { rules::SIZES[2] } else { rules::ONE };
            let row = Row::new(grows.name(), "ns", Vec::new());
            let program = instances[usize::from(large)].program("vnp_xdp_out")?;
            Ok(Side { grows: *grows, nics, rules, program, load, row })
        };
        pairs.push([side(&mut harness, false)?, side(&mut harness, true)?]);
    }
    for _ in 0..rounds {
        for pair in &mut pairs {
            for (side, instance) in pair.iter_mut().zip(&mut instances) {
                measure(&mut harness, instance, side).with_context(|| side.row.name.clone())?;
            }
        }
    }
    let rows = pairs.iter().flat_map(|[small, large]| {
        let ratio = Row::ratio_of(&large.row.name, &large.row, &small.row).at_most(Some(FLAT));
        let named =
            |row: &Row, size: &str| Row { name: format!("{}/{size}", row.name), ..row.clone() };
        [named(&small.row, "small"), named(&large.row, "large"), ratio]
    });
    Ok(rows.collect())
}

/// The small network or the large one.
fn network(asked: &[Grows], large: bool) -> Result<Instance> {
    let mut world = worlds::world(1);
    for grows in asked {
        grows.add_to(&mut world, if large { grows.flows() } else { 1 });
    }
    world.policies = rules::all();
    Instance::load(world.image())
}

fn measure(harness: &mut Harness, instance: &mut Instance, side: &mut Side) -> Result<()> {
    let program = &side.program;
    let (load, count) = (&side.load, side.load.count);
    let groups = if side.grows == Grows::Rules { 2 } else { 0 };
    let [sender, _] = rules::filters(groups, side.rules);
    instance.set_filter(GUEST.slot(), sender)?;
    let warm = |harness: &mut Harness, instance: &mut Instance| -> Result<()> {
        // What was cached before must not expire while it is measured. The first packet of a flow is not cached.
        instance.raise_epoch()?;
        harness.raw(At::Xdp, program, load, count)?;
        harness.raw(At::Xdp, program, load, count)?;
        Ok(())
    };
    warm(harness, instance)?;
    let links: Vec<LinkId> = if side.grows == Grows::Peerings && side.nics > 1 {
        (0..side.nics).map(|index| side.grows.link(index)).collect()
    } else {
        vec![side.grows.link(0)]
    };
    instance.disconnect(At::Xdp)?;
    let earlier = instance.metered_over(links.iter().copied())?;
    harness.raw(At::Xdp, program, load, count)?;
    let hits = instance.metered_over(links)? - earlier;
    instance.connect()?;
    ensure!(hits == u64::from(count), "{hits} of {count} packets hit");
    let repeat = count.max(REPEAT);
    let way = Way { at: At::Xdp, program, load, repeat, passes: 1, attempts: ATTEMPTS };
    let net = harness.measure_after(&way, |harness| warm(harness, instance))?;
    ensure!(net.action == REDIRECT, "action {}, not {REDIRECT}", net.action);
    side.row.rounds.push(net.time);
    Ok(())
}
