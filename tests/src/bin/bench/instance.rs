//! The programs under test with maps of the sizes that the product makes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, ProgramArray},
    programs::{Program, ProgramFd, SchedClassifier, Xdp},
};
use bytemuck::Pod;
use vnetpeer_common::{
    abi::{
        CACHE_TAGGED_SETS, CACHE_WAYS, Classifier, Config, Filter, Flow, FlowKey4, FlowsOpened,
        Link, Meter, NextHop, Nic, Node4, Node6, RelationKey, Roots, Row, Vnet, Vtep, Watch,
        capacity, maps, next_program,
    },
    types::{Addr, LinkId, NicId},
};
use vnetpeer_tests::{object, world::Image};
use vnetpeer_userspace::dataplane::events::Events;

use crate::{
    harness::{self, At},
    worlds::{GUEST, LOCAL, REMOTE, REMOTE_OVER_V6},
};

/// The interface that test runs come in on.
const LOOPBACK: u32 = 1;

/// Sets of the flow cache per CPU: IPv4, IPv6.
pub(crate) const SETS: [u32; 2] = [capacity::CACHE_SETS_V4, capacity::CACHE_SETS_V6];

/// Entries of the flow cache that one entry of the maps of tags is about.
const TAGGED: u32 = CACHE_WAYS * CACHE_TAGGED_SETS;

/// The loaded programs.
pub(crate) struct Instance {
    ebpf: Ebpf,
    /// The programs behind a cache miss, by hook. The kernel empties an array with its last descriptor.
    next: [ProgramArray<MapData>; 2],
    guest: Nic,
    events: Events,
}

impl Instance {
    /// Loads the programs and fills the maps. Every NIC may have as many flows as it likes.
    pub(crate) fn load(mut image: Image) -> Result<Self> {
        let config = image.config.get_mut(&0).context("the settings")?;
        config.cache_mask = SETS.map(|sets| sets - 1);
        for filter in image.filters.values_mut() {
            (filter.flows_max, filter.half_open_max) = (u32::MAX, u32::MAX);
        }
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error).context("count the CPUs")?;
        let cpus = u32::try_from(cpus).context("a number of CPUs")?;
        let ways = cpus * CACHE_WAYS;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(maps::CACHE_V4, ways * SETS[0])
            .map_max_entries(maps::CACHE_V6, ways * SETS[1])
            .map_max_entries(maps::CACHE_TAGS_V4, ways * SETS[0] / TAGGED)
            .map_max_entries(maps::CACHE_TAGS_V6, ways * SETS[1] / TAGGED)
            .map_max_entries(maps::STREAM, cpus * capacity::STREAM)
            .map_max_entries(maps::STREAM_ENDS, cpus)
            .load(&object::programs())
            .context("load vnetpeer")?;
        for (name, program) in ebpf.programs_mut() {
            match program {
                Program::Xdp(program) => Xdp::load(program),
                Program::SchedClassifier(program) => SchedClassifier::load(program),
                _ => bail!("{name} is of an unexpected type"),
            }
            .with_context(|| format!("load {name}"))?;
        }
        let mut next = |name: &str| -> Result<ProgramArray<MapData>> {
            let map = ebpf.take_map(name).with_context(|| format!("no map {name}"))?;
            Ok(ProgramArray::try_from(map)?)
        };
        let next = [next(maps::NEXT_XDP)?, next(maps::NEXT_TC)?];
        let guest = *image.nics.get(&GUEST.nic.0).context("the guest's NIC")?;
        let events = Events::take(&mut ebpf)?;
        let mut instance = Self { ebpf, next, guest, events };
        instance.connect()?;
        instance.fill(&image)?;
        Ok(instance)
    }

    /// A program.
    pub(crate) fn program(&self, name: &str) -> Result<ProgramFd> {
        harness::fd(self.ebpf.program(name).with_context(|| format!("no program {name}"))?)
    }

    /// Lets a cache miss go on.
    pub(crate) fn connect(&mut self) -> Result<()> {
        for (at, hook) in ["xdp", "tc"].into_iter().enumerate() {
            for (index, family) in [(next_program::OTHER, "other"), (next_program::IPV6, "v6")] {
                let fd = self.program(&format!("vnp_{hook}_out_{family}"))?;
                self.next[at].set(index, &fd, 0)?;
            }
        }
        Ok(())
    }

    /// Lets a cache miss end there.
    pub(crate) fn disconnect(&mut self, at: At) -> Result<()> {
        for index in [next_program::OTHER, next_program::IPV6] {
            self.next[usize::from(at == At::Tc)].clear_index(&index)?;
        }
        Ok(())
    }

    fn map_mut(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))
    }

    fn fill(&mut self, image: &Image) -> Result<()> {
        self.array::<Config, { size_of::<Config>() }>(maps::CONFIG, &image.config)?;
        self.array::<Nic, { size_of::<Nic>() }>(maps::NICS, &image.nics)?;
        self.array::<Vnet, { size_of::<Vnet>() }>(maps::VNETS, &image.vnets)?;
        self.array::<Roots, { size_of::<Roots>() }>(maps::ROUTES, &image.routes)?;
        self.array::<Node4, { size_of::<Node4>() }>(maps::TRIE_V4, &image.trie_v4)?;
        self.array::<Node6, { size_of::<Node6>() }>(maps::TRIE_V6, &image.trie_v6)?;
        self.array::<NextHop, { size_of::<NextHop>() }>(maps::NEXT_HOPS, &image.next_hops)?;
        self.array::<Link, { size_of::<Link>() }>(maps::LINKS, &image.links)?;
        self.array::<Vtep, { size_of::<Vtep>() }>(maps::VTEPS, &image.vteps)?;
        self.array::<Row, { size_of::<Row>() }>(maps::ROWS, &image.rows)?;
        self.array::<Classifier, { size_of::<Classifier>() }>(
            maps::CLASSIFIERS,
            &image.classifiers,
        )?;
        self.array::<u32, 4>(maps::POLICIES, &image.policies)?;
        self.array::<Filter, { size_of::<Filter>() }>(maps::FILTERS, &image.filters)?;
        let interface = BTreeMap::from([(LOOPBACK, GUEST.nic)]);
        self.array::<NicId, { size_of::<NicId>() }>(maps::IFACES, &interface)?;
        let map = self.map_mut(maps::RELATIONS)?;
        let mut map = HashMap::<_, [u8; size_of::<RelationKey>()], u32>::try_from(map)?;
        for (key, link) in &image.relations {
            map.insert(bytemuck::cast::<_, [u8; 8]>(*key), link.0, 0)?;
        }
        let map = self.map_mut(maps::VTEP_ADDRS)?;
        let mut map = HashMap::<_, [u8; size_of::<Addr>()], u32>::try_from(map)?;
        for (address, id) in &image.vtep_addresses {
            map.insert(bytemuck::cast::<_, [u8; 16]>(*address), id.0, 0)?;
        }
        Ok(())
    }

    /// Writes entries of an array; `N` is the size of `V`.
    fn array<V: Pod, const N: usize>(
        &mut self,
        name: &str,
        values: &BTreeMap<u32, V>,
    ) -> Result<()> {
        let mut map = Array::<_, [u8; N]>::try_from(self.map_mut(name)?)?;
        for (index, value) in values {
            let bytes: [u8; N] = bytemuck::cast(*value);
            map.set(*index, bytes, 0).with_context(|| format!("{name}[{index}]"))?;
        }
        Ok(())
    }

    /// Sets what judges the NIC of a slot.
    pub(crate) fn set_filter(&mut self, slot: u32, filter: Filter) -> Result<()> {
        self.array::<_, { size_of::<Filter>() }>(maps::FILTERS, &BTreeMap::from([(slot, filter)]))
    }

    /// Which packets are watched.
    pub(crate) fn set_watch(&mut self, watch: Watch) -> Result<()> {
        self.array::<_, { size_of::<Watch>() }>(maps::WATCH, &BTreeMap::from([(0, watch)]))
    }

    /// Reads what was told and forgets it.
    pub(crate) fn empty_events(&mut self) {
        while self.events.read(usize::MAX, |_, _| ()) > 0 {}
    }

    /// Makes all cached actions of the guest void.
    pub(crate) fn raise_epoch(&mut self) -> Result<()> {
        self.guest.epoch += 1;
        let nic = BTreeMap::from([(GUEST.nic.0, self.guest)]);
        self.array::<_, { size_of::<Nic>() }>(maps::NICS, &nic)
    }

    /// Flows that a NIC has opened so far.
    pub(crate) fn opened(&mut self, slot: u32) -> Result<u64> {
        let map = self.map_mut(maps::FLOWS_OPENED)?;
        let map = Array::<_, [u8; size_of::<FlowsOpened>()]>::try_from(map)?;
        Ok(bytemuck::cast::<_, FlowsOpened>(map.get(&slot, 0)?).opened)
    }

    /// Removes the flows that are in the table.
    pub(crate) fn forget(&mut self, flows: impl Iterator<Item = FlowKey4>) -> Result<()> {
        let map = self.map_mut(maps::FLOWS_V4)?;
        let mut map = HashMap::<_, [u8; 16], [u8; size_of::<Flow>()]>::try_from(map)?;
        for flow in flows {
            let _absent = map.remove(&bytemuck::cast(flow));
        }
        Ok(())
    }

    /// Packets that left over the links of the guest's spoke, as metered.
    pub(crate) fn metered(&mut self) -> Result<u64> {
        self.metered_over([LOCAL.out, REMOTE.out, REMOTE_OVER_V6.out])
    }

    /// Packets that left over these links, as metered.
    pub(crate) fn metered_over(&mut self, links: impl IntoIterator<Item = LinkId>) -> Result<u64> {
        let map = self.map_mut(maps::METERS)?;
        let map = PerCpuArray::<_, [u8; size_of::<Meter>()]>::try_from(map)?;
        let mut packets = 0;
        for LinkId(link) in links {
            let meters = map.get(&link, 0)?;
            let meters = meters.iter().map(|bytes| bytemuck::cast::<_, Meter>(*bytes));
            packets += meters.map(|meter| meter.egress_packets).sum::<u64>();
        }
        Ok(packets)
    }
}
