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
    maps::{MapData, MapError, MapType},
    programs::{ProgramError, SchedClassifier, Xdp},
};
use nix::{
    mount::MsFlags,
    sys::statfs::{FsType, statfs},
};
use vnetpeer_common::{
    abi::{self, ABI_VERSION, maps},
    types::{Addr, LinkId, NicId, VtepId},
};

use super::maps::KernelMaps;

/// The programs, built by `cargo xtask build`.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vnetpeer.o"));

/// Where bpffs is mounted.
const BPFFS: &str = "/sys/fs/bpf";
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
    /// Whether the maps were there already.
    pub adopted: bool,
    pub(super) ebpf: Ebpf,
    pub(super) links: PathBuf,
}

impl Dataplane {
    /// Adopts the dataplane under `pin_dir`, or creates it there.
    pub fn open(pin_dir: &Path) -> Result<Self, LoadError> {
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
        let mut ebpf = loader.load(OBJECT).map_err(Box::new)?;
        load_programs(&mut ebpf)?;
        let maps = KernelMaps::take(&mut ebpf)?;
        Ok(Self { maps, adopted, ebpf, links })
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
pub(super) const TC_PROGRAMS: [&str; 3] = ["vnp_tc_out", "vnp_tc_in", "vnp_tc_deliver"];
/// Names of the XDP programs.
const XDP_PROGRAMS: [&str; 2] = ["vnp_xdp_out", "vnp_xdp_in"];

fn load_programs(ebpf: &mut Ebpf) -> Result<(), LoadError> {
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

fn mount_bpffs() -> Result<(), LoadError> {
    let mounted = statfs(BPFFS).is_ok_and(|it| it.filesystem_type() == BPF_FS_MAGIC);
    if mounted {
        return Ok(());
    }
    nix::mount::mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
        .map_err(|source| LoadError::Bpffs { source })
}

/// What a map must look like.
struct Layout {
    name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
}

/// Layouts of all maps. Capacities are not compared: the programs ask the kernel.
const LAYOUTS: &[Layout] = &[
    array::<NicId>(maps::IFACES),
    array::<abi::Nic>(maps::NICS),
    array::<abi::Vnet>(maps::VNETS),
    array::<abi::Roots>(maps::ROUTES),
    array::<abi::Node4>(maps::TRIE_V4),
    array::<abi::Node6>(maps::TRIE_V6),
    array::<abi::NextHop>(maps::NEXT_HOPS),
    array::<abi::Link>(maps::LINKS),
    array::<abi::Vtep>(maps::VTEPS),
    array::<abi::Config>(maps::CONFIG),
    hash::<abi::RelationKey, LinkId>(maps::RELATIONS),
    hash::<Addr, VtepId>(maps::VTEP_ADDRS),
    hash::<abi::AddressKey, u32>(maps::NIC_ADDRS),
    per_cpu::<abi::Meter>(maps::METERS),
    per_cpu::<abi::DropCounter>(maps::DROPS),
    per_cpu::<u64>(maps::EVENTS_LOST),
    Layout { name: maps::EVENTS, kind: MapType::RingBuf, key: 0, value: 0 },
];

const fn array<V>(name: &'static str) -> Layout {
    Layout { name, kind: MapType::Array, key: size_of::<u32>(), value: size_of::<V>() }
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
