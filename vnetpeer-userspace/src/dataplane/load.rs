//! Creates or adopts the pinned maps and loads the programs.
//!
//! The pin directory holds `v<ABI>/maps/<NAME>` and `v<ABI>/links/<interface index>-<hook>`. Maps
//! that are there already are adopted, after their layout was compared with ours: aya 0.14 reuses a
//! pin without looking.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader, include_bytes_aligned,
    maps::{MapData, MapError, MapType, ProgramArray},
    programs::{ProgramError, SchedClassifier, Xdp},
};
use nix::{
    mount::MsFlags,
    sys::statfs::{FsType, statfs},
};
use vnetpeer_common::{
    abi::{self, ABI_VERSION, maps, next_program},
    types::{Addr, BalancerId, LinkId, NicId, VtepId},
};

use super::{
    maps::KernelMaps,
    sizes::{self, LoadOptions},
};
use crate::topology::facts::DatapathFacts;

/// The programs, built by `cargo xtask build`.
pub(super) static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vnetpeer.o"));

/// Where bpffs is mounted.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";
/// `BPF_FS_MAGIC` in linux/magic.h.
const BPF_FS_MAGIC: FsType = FsType(0xcafe_4a11);

/// Why the kernel side could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No bpffs and no way to mount it.
    #[error("{BPFFS} is no bpf file system and cannot be mounted; run `mount -t bpf bpf {BPFFS}`")]
    Bpffs {
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// The pin directory cannot be made.
    #[error("cannot create {path}")]
    PinDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A pin cannot be read.
    #[error("cannot open the pinned map {path}")]
    Pin {
        /// The pin.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<MapError>,
    },
    /// A pin has another layout than this program expects.
    #[error(
        "the pinned map {path} has another layout ({found}) than this version's ({expected}); take the other version's dataplane off first: `rm -r {}`",
        .path.parent().and_then(Path::parent).unwrap_or(.path).display()
    )]
    Layout {
        /// The pin.
        path: PathBuf,
        /// Its layout.
        found: String,
        /// The layout that this version uses.
        expected: String,
    },
    /// The object was refused.
    #[error("cannot load the BPF object")]
    Object(#[from] Box<EbpfError>),
    /// A program was refused.
    #[error("cannot load program {name}")]
    Program {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// The object lacks a program or a map.
    #[error("the BPF object lacks {name}")]
    Missing {
        /// Name of the program or map.
        name: &'static str,
    },
    /// The number of CPUs or the rate of the kernel's clock cannot be read.
    #[error("cannot read {what}")]
    Host {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A flow cache that is there already is not a power of two of sets for each CPU.
    #[error("the pinned map {name} has {entries} entries, which is no flow cache for {cpus} CPUs")]
    CacheSize {
        /// Its name.
        name: &'static str,
        /// How many entries it has.
        entries: u32,
        /// How many CPUs the host may have.
        cpus: u32,
    },
    /// A map has another type than expected.
    #[error("cannot use map {name}")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<MapError>,
    },
}

/// Loaded programs and open maps.
pub struct Dataplane {
    /// The maps.
    pub maps: KernelMaps,
    /// What `compile` must know about the maps and the kernel.
    pub facts: DatapathFacts,
    /// Whether the maps were there already.
    pub adopted: bool,
    pub(super) ebpf: Ebpf,
    pub(super) links: PathBuf,
}

impl Dataplane {
    /// Adopts the dataplane under `pin_dir`, or creates it there in its default size.
    pub fn open(pin_dir: &Path) -> Result<Self, LoadError> {
        Self::open_with(pin_dir, &LoadOptions::default())
    }

    /// Adopts the dataplane under `pin_dir`, or creates it there.
    pub fn open_with(pin_dir: &Path, options: &LoadOptions) -> Result<Self, LoadError> {
        mount_bpffs()?;
        let root = pin_dir.join(format!("v{ABI_VERSION}"));
        let (map_dir, links) = (root.join("maps"), root.join("links"));
        for path in [&map_dir, &links] {
            fs::create_dir_all(path)
                .map_err(|source| LoadError::PinDirectory { path: path.clone(), source })?;
        }
        let adopted = check_pins(&map_dir)?;
        let mut loader = EbpfLoader::new();
        for layout in LAYOUTS {
            loader.map_pin_path(layout.name, map_dir.join(layout.name));
        }
        let cpus = sizes::possible_cpus()?;
        let [sets_v4, sets_v6] = options.cache_sets.map(|sets| sizes::cache_entries(sets, cpus));
        loader
            .map_max_entries(maps::FLOWS_V4, options.flows_v4)
            .map_max_entries(maps::FLOWS_V6, options.flows_v6)
            .map_max_entries(maps::CACHE_V4, sets_v4)
            .map_max_entries(maps::CACHE_V6, sets_v6)
            .map_max_entries(maps::CACHE_TAGS_V4, sizes::cache_tags(sets_v4))
            .map_max_entries(maps::CACHE_TAGS_V6, sizes::cache_tags(sets_v6))
            .map_max_entries(maps::STREAM, sizes::streamed(cpus))
            .map_max_entries(maps::STREAM_ENDS, cpus);
        let mut ebpf = loader.load(OBJECT).map_err(Box::new)?;
        load_programs(&mut ebpf)?;
        link_programs(&mut ebpf)?;
        let facts = sizes::datapath_facts(&map_dir, cpus)?;
        let maps = KernelMaps::take(&mut ebpf)?;
        Ok(Self { maps, facts, adopted, ebpf, links })
    }

    /// A loaded program.
    pub fn program(&self, name: &str) -> Option<&aya::programs::Program> {
        self.ebpf.program(name)
    }

    /// Takes everything off: links first, so that no program runs on vanishing maps.
    pub fn remove(pin_dir: &Path) -> io::Result<()> {
        let root = pin_dir.join(format!("v{ABI_VERSION}"));
        match fs::remove_dir_all(root.join("links")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::remove_dir_all(pin_dir)
    }
}

/// Names of the TC programs.
pub(super) const TC_PROGRAMS: [&str; 6] =
    ["vnp_tc_out", "vnp_tc_out_other", "vnp_tc_out_v6", "vnp_tc_in", "vnp_tc_deliver", "vnp_clock"];
/// Names of the XDP programs.
const XDP_PROGRAMS: [&str; 4] =
    ["vnp_xdp_out", "vnp_xdp_out_other", "vnp_xdp_out_v6", "vnp_xdp_in"];
/// Programs that others continue in: the array, the index in it, the program.
const NEXT_PROGRAMS: [(&str, u32, &str); 4] = [
    (maps::NEXT_TC, next_program::OTHER, "vnp_tc_out_other"),
    (maps::NEXT_TC, next_program::IPV6, "vnp_tc_out_v6"),
    (maps::NEXT_XDP, next_program::OTHER, "vnp_xdp_out_other"),
    (maps::NEXT_XDP, next_program::IPV6, "vnp_xdp_out_v6"),
];

/// Puts programs where others continue. The arrays are pinned, so they are replaced one by one under
/// running programs of the same layout.
pub(super) fn link_programs(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    for (array, index, name) in NEXT_PROGRAMS {
        let program = ebpf.program(name).ok_or(LoadError::Missing { name })?;
        let failed = |source| LoadError::Program { name, source: Box::new(source) };
        let fd = program.fd().map_err(failed)?.try_clone();
        let fd = fd.map_err(|source| failed(ProgramError::IOError(source)))?;
        let failed = |source| LoadError::Map { name: array, source: Box::new(source) };
        let map = ebpf.map_mut(array).ok_or(LoadError::Missing { name: array })?;
        let mut map = ProgramArray::try_from(map).map_err(failed)?;
        map.set(index, &fd, 0).map_err(failed)?;
    }
    Ok(())
}

pub(super) fn load_programs(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    for name in TC_PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(LoadError::Missing { name })?;
        let failed = |source| LoadError::Program { name, source: Box::new(source) };
        let program: &mut SchedClassifier = program.try_into().map_err(failed)?;
        program.load().map_err(failed)?;
    }
    for name in XDP_PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(LoadError::Missing { name })?;
        let failed = |source| LoadError::Program { name, source: Box::new(source) };
        let program: &mut Xdp = program.try_into().map_err(failed)?;
        program.load().map_err(failed)?;
    }
    Ok(())
}

pub(crate) fn is_bpffs_mounted() -> bool {
    statfs(BPFFS).is_ok_and(|it| it.filesystem_type() == BPF_FS_MAGIC)
}

fn mount_bpffs() -> Result<(), LoadError> {
    if is_bpffs_mounted() {
        return Ok(());
    }
    nix::mount::mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
        .map_err(|source| LoadError::Bpffs { source })
}

/// What a map must look like.
pub(super) struct Layout {
    pub(super) name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
}

/// Layouts of all maps. Capacities are not compared: the programs ask the kernel.
pub(super) const LAYOUTS: &[Layout] = &[
    array::<NicId>(maps::IFACES),
    array::<abi::Nic>(maps::NICS),
    array::<abi::Vnet>(maps::VNETS),
    array::<abi::Roots>(maps::ROUTES),
    array::<abi::Node4>(maps::TRIE_V4),
    array::<abi::Node6>(maps::TRIE_V6),
    array::<abi::NextHop>(maps::NEXT_HOPS),
    array::<abi::Link>(maps::LINKS),
    array::<abi::Balancer>(maps::BALANCERS),
    array::<u64>(maps::TURNS),
    hash::<abi::FrontendKey, BalancerId>(maps::FRONTENDS),
    array::<abi::Vtep>(maps::VTEPS),
    array::<abi::Config>(maps::CONFIG),
    hash::<abi::RelationKey, LinkId>(maps::RELATIONS),
    hash::<Addr, VtepId>(maps::VTEP_ADDRS),
    hash::<abi::AddressKey, u32>(maps::NIC_ADDRS),
    array::<abi::Filter>(maps::FILTERS),
    array::<u32>(maps::POLICIES),
    array::<abi::Classifier>(maps::CLASSIFIERS),
    array::<abi::Row>(maps::ROWS),
    per_cpu::<u64>(maps::RULE_HITS),
    hash::<abi::FlowKey4, abi::Flow>(maps::FLOWS_V4),
    hash::<abi::FlowKey6, abi::Flow>(maps::FLOWS_V6),
    array::<abi::FlowsOpened>(maps::FLOWS_OPENED),
    array::<abi::FlowsEnded>(maps::FLOWS_ENDED),
    array::<abi::Cached4>(maps::CACHE_V4),
    array::<abi::Cached6>(maps::CACHE_V6),
    array::<abi::CacheTags>(maps::CACHE_TAGS_V4),
    array::<abi::CacheTags>(maps::CACHE_TAGS_V6),
    hash::<abi::FragmentKey, abi::Fragmented>(maps::FRAGMENTS),
    per_cpu::<abi::Meter>(maps::METERS),
    per_cpu::<abi::DropCounter>(maps::DROPS),
    per_cpu::<u64>(maps::EVENTS_LOST),
    array::<abi::Event>(maps::STREAM),
    array::<abi::StreamEnds>(maps::STREAM_ENDS),
    array::<abi::Watch>(maps::WATCH),
    programs(maps::NEXT_TC),
    programs(maps::NEXT_XDP),
    Layout { name: maps::EVENTS, kind: MapType::RingBuf, key: 0, value: 0 },
];

const fn array<V>(name: &'static str) -> Layout {
    Layout { name, kind: MapType::Array, key: size_of::<u32>(), value: size_of::<V>() }
}

const fn programs(name: &'static str) -> Layout {
    Layout { name, kind: MapType::ProgramArray, key: size_of::<u32>(), value: size_of::<u32>() }
}

const fn per_cpu<V>(name: &'static str) -> Layout {
    Layout { name, kind: MapType::PerCpuArray, key: size_of::<u32>(), value: size_of::<V>() }
}

const fn hash<K, V>(name: &'static str) -> Layout {
    Layout { name, kind: MapType::Hash, key: size_of::<K>(), value: size_of::<V>() }
}

/// Compares the pins that exist with our layouts. Returns whether there are any.
fn check_pins(map_dir: &Path) -> Result<bool, LoadError> {
    let mut found_any = false;
    for layout in LAYOUTS {
        let path = map_dir.join(layout.name);
        if !path.exists() {
            continue;
        }
        found_any = true;
        let failed = |source| LoadError::Pin { path: path.clone(), source: Box::new(source) };
        let info = MapData::from_pin(&path).and_then(|map| map.info()).map_err(failed)?;
        let kind = info.map_type().map_err(failed)?;
        let found = describe(kind, info.key_size(), info.value_size());
        let expected = describe(layout.kind, to_u32(layout.key), to_u32(layout.value));
        if found != expected {
            return Err(LoadError::Layout { path, found, expected });
        }
    }
    Ok(found_any)
}

fn to_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn describe(kind: MapType, key: u32, value: u32) -> String {
    format!("{kind:?}, key {key} bytes, value {value} bytes")
}
