//! `scale/…/hit/…`: what a packet of a known flow takes on a host of the deployment, in its own maps.

use std::{net::Ipv4Addr, ops::Range, path::Path, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::{
    maps::{Map, MapData, ProgramArray},
    programs::ProgramFd,
};
use vnetpeer_common::{
    abi::{ABI_VERSION, CACHE_WAYS, Nic, maps, next_program, nic_protocol},
    datapath::Address as _,
    types::{LinkId, Mac, NicId, V4},
};
use vnetpeer_tests::{
    packet::Packet,
    scale::{self, Deployment, HOSTS},
};
use vnetpeer_userspace::{
    dataplane::Dataplane,
    topology::{
        model::Topology,
        plan::{Observed, Op},
        state::State,
    },
};

use crate::{
    harness::{self, ATTEMPTS, At, Harness, REPEAT, Way},
    instance::SETS,
    worlds::{self, Field, Load, PAYLOAD},
};

/// Flows in turn, as many in every deployment.
const FLOWS: usize = 1_000;
/// The action of a packet that was delivered.
const REDIRECT: u32 = 4;
/// The interface that test runs come in on.
const LOOPBACK: u32 = 1;
/// Ports of all packets: the upper octet of the source port tells flows to one NIC apart.
const SOURCE_PORT_LOW: u8 = 7;
const PORT: u16 = 53;
const SOURCE_PORTS_HIGH: Range<u8> = 40..240;
const UDP: u8 = 17;

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// To NICs of the same host in other VNets.
    Local,
    /// To NICs of other hosts in other VNets.
    Remote,
}

impl To {
    pub(super) const ALL: [Self; 2] = [Self::Local, Self::Remote];

    /// The end of a row's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "encap",
        }
    }

    fn hosts(self) -> Range<usize> {
        match self {
            Self::Local => 0..1,
            Self::Remote => 1..HOSTS.len(),
        }
    }
}

/// The host whose maps are filled.
pub(super) struct Host<'a> {
    deployment: Deployment,
    dataplane: &'a mut Dataplane,
    pins: &'a Path,
    /// The first VNet's NIC, which sends.
    id: NicId,
    nic: Nic,
    /// All links.
    links: Vec<LinkId>,
}

impl<'a> Host<'a> {
    /// A deployment in force, whose numbers are those of `state`.
    pub(super) fn new(
        deployment: Deployment,
        topology: &Topology,
        state: &State,
        observed: &Observed,
        dataplane: &'a mut Dataplane,
        pins: &'a Path,
    ) -> Result<Self> {
        let sender = topology.nics.iter().find(|nic| nic.id.name() == "nic-0-0");
        let id = sender.and_then(|nic| state.nic(&nic.id)).context("the sender")?;
        let nic = *observed.nics.get(&id).context("the sender's entry")?;
        let links = observed.links.keys().copied().collect();
        Ok(Self { deployment, dataplane, pins, id, nic, links })
    }

    /// Nanoseconds per packet, net of the empty program.
    ///
    /// The wrappers want a CPU and network namespaces of their own, which a thread of its own has.
    pub(super) fn measure(&mut self) -> Result<[f64; 2]> {
        let measured = thread::scope(|scope| scope.spawn(|| self.on_this_thread()).join());
        measured.map_err(|_| anyhow!("the thread that measures panicked"))?
    }

    fn on_this_thread(&mut self) -> Result<[f64; 2]> {
        harness::pin()?;
        let mut harness = Harness::load()?;
        self.dataplane.maps.execute(&Op::SetIface { ifindex: LOOPBACK, nic: self.id })?;
        let mut times = [0.0; 2];
        for (time, to) in times.iter_mut().zip(To::ALL) {
            let load = self.load(&mut harness, to)?;
            *time = self.net(&mut harness, &load).with_context(|| to.name())?;
        }
        Ok(times)
    }

    /// One packet of each flow, in turn over all NICs that the sender reaches there. At most as many flows in each set
    /// of the cache as fit there.
    fn load(&self, harness: &mut Harness, to: To) -> Result<Load> {
        let own = scale::address(0, 0);
        let mut ways = vec![0_u32; usize::try_from(SETS[0])?];
        let others = (1..self.deployment.vnets()).filter(|it| self.deployment.reaches(0, *it));
        let targets: Vec<_> = others
            .flat_map(|vnet| to.hosts().map(move |host| scale::address(vnet, host)))
            .collect();
        let flows = SOURCE_PORTS_HIGH.flat_map(|high| targets.iter().map(move |it| (high, *it)));
        let fits = |(high, target): &(u8, Ipv4Addr)| {
            let source = u32::from(u16::from_be_bytes([*high, SOURCE_PORT_LOW]));
            let (local, remote) = (V4::new(own.octets()), V4::new(target.octets()));
            let protocol = nic_protocol(self.id, UDP);
            let key = V4::key(local, remote, source << 16 | u32::from(PORT), protocol);
            let set = usize::try_from(V4::key_hash(&key) & (SETS[0] - 1)).unwrap_or(0);
            ways[set] += 1;
            ways[set] <= CACHE_WAYS
        };
        // The second and third octet of the address, then the last one and the upper one of the source port.
        let value = |(high, target): (u8, Ipv4Addr)| {
            let [_, second, third, last] = target.octets();
            u32::from_be_bytes([last, high, second, third])
        };
        let values: Vec<u32> = flows.filter(fits).take(FLOWS).map(value).collect();
        ensure!(values.len() == FLOWS, "{} flows", values.len());
        let first = harness.keep_list(&values)?;
        let target = *targets.first().context("a VNet that the sender reaches")?;
        let source = u16::from_be_bytes([0, SOURCE_PORT_LOW]);
        let packet = Packet::v4(own, target).udp(source, PORT, PAYLOAD);
        let frame = packet.between(scale::guest_mac(self.id), Mac::ROUTER).bytes();
        let fields = [31, 33].map(|at| Field { at, base: 0, shift: 0 });
        let count = u32::try_from(FLOWS)?;
        Ok(Load { fields, count, list: Some(first), ..worlds::sent(frame) })
    }

    fn net(&mut self, harness: &mut Harness, load: &Load) -> Result<f64> {
        let program = self.program("vnp_xdp_out")?;
        self.warm(harness, &program, load)?;
        self.ensure_hits(harness, &program, load)?;
        let repeat = REPEAT;
        let program = &program;
        let way = Way { at: At::Xdp, program, load, repeat, passes: 1, attempts: ATTEMPTS };
        let net = harness.measure_after(&way, |harness| self.warm(harness, program, load))?;
        ensure!(net.action == REDIRECT, "action {}, not {REDIRECT}", net.action);
        Ok(net.time)
    }

    /// What was cached before must not expire while it is measured, so all of it becomes void. The first packet of a
    /// flow is not cached.
    fn warm(&mut self, harness: &mut Harness, program: &ProgramFd, load: &Load) -> Result<()> {
        let maps = &mut self.dataplane.maps;
        self.nic.epoch = self.nic.epoch.wrapping_add(1);
        maps.execute(&Op::SetNic { id: self.id, nic: self.nic })?;
        for _ in 0..2 {
            harness.raw(At::Xdp, program, load, load.count)?;
        }
        Ok(())
    }
    /// All packets hit: they are metered while a miss ends there.
    fn ensure_hits(
        &mut self,
        harness: &mut Harness,
        program: &ProgramFd,
        load: &Load,
    ) -> Result<()> {
        let path = self.pins.join(format!("v{ABI_VERSION}/maps/{}", maps::NEXT_XDP));
        let map = Map::ProgramArray(MapData::from_pin(&path).context("open the next programs")?);
        let mut next = ProgramArray::try_from(map)?;
        next.clear_index(&next_program::OTHER)?;
        let earlier = self.metered()?;
        harness.raw(At::Xdp, program, load, load.count)?;
        let hits = self.metered()? - earlier;
        next.set(next_program::OTHER, &self.program("vnp_xdp_out_other")?, 0)?;
        ensure!(hits == u64::from(load.count), "{hits} of {} packets hit", load.count);
        Ok(())
    }

    /// Packets that left over any link.
    fn metered(&self) -> Result<u64> {
        let meters = self.links.iter().map(|link| self.dataplane.maps.meter(*link));
        meters.map(|meter| Ok(meter?.egress_packets)).sum()
    }

    fn program(&self, name: &str) -> Result<ProgramFd> {
        harness::fd(self.dataplane.program(name).with_context(|| format!("no program {name}"))?)
    }
}
