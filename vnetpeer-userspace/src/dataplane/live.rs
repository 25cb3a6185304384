//! Frames through the kernel's programs without leaving anything behind: `BPF_PROG_TEST_RUN` on a second copy of the
//! programs. It shares every map that decides with the copy that is attached, and has maps of its own for all that
//! packets leave: flows, caches, fragments, turns, meters, drops and events. So it decides by what is in force, and
//! nobody else sees that it did.

use std::path::{Path, PathBuf};

use aya::{
    Ebpf, EbpfLoader, TestRun as _,
    maps::{Array, MapData, MapError},
    programs::{Program, ProgramError, TestRunOptions, TestRunResult},
};
use vnetpeer_common::{
    abi::{ABI_VERSION, Flow, FlowKey4, FlowKey6, FlowsEnded, FlowsOpened, Watch, maps, stage},
    types::NicId,
};

use super::{
    events::Events,
    load::{LAYOUTS, LoadError, OBJECT, link_programs, load_programs},
    maps::{KernelMaps, MapOpError, failed, take},
    sizes,
    sys::{Abi, HashedMap},
};
use crate::{
    simulate::FrameEnd,
    topology::plan::{Op, RawMaps},
};

/// Maps that packets change, and those that a test run needs otherwise than packets do.
const OWN: [&str; 21] = [
    maps::IFACES,
    maps::RULE_HITS,
    maps::FLOWS_V4,
    maps::FLOWS_V6,
    maps::FLOWS_OPENED,
    maps::FLOWS_ENDED,
    maps::CACHE_V4,
    maps::CACHE_V6,
    maps::CACHE_TAGS_V4,
    maps::CACHE_TAGS_V6,
    maps::FRAGMENTS,
    maps::TURNS,
    maps::METERS,
    maps::DROPS,
    maps::EVENTS_LOST,
    maps::EVENTS,
    maps::STREAM,
    maps::STREAM_ENDS,
    maps::WATCH,
    maps::NEXT_TC,
    maps::NEXT_XDP,
];
/// Flows that a trace may open.
const FLOWS: u32 = 256;
/// Entries of flow caches that are too small to be used: a cache decides nothing.
const CACHE: u32 = 1;
/// Bytes of the ring.
const EVENTS: u32 = 65_536;
/// Test runs come in on the loopback device.
const LOOPBACK: u32 = 1;
/// Room for the largest frame and for what is put before it.
const FRAME_MAX: usize = 4_096;
/// First word of the note that XDP leaves for TC before the frame.
const NOTE: [u8; 4] = u32::from_be_bytes(*b"VnP1").to_ne_bytes();
/// Bytes of a note.
const NOTE_LEN: usize = 16;
/// `XDP_ABORTED`, `XDP_DROP` and `TC_ACT_SHOT`: by these the frame is gone.
const GONE_XDP: [u32; 2] = [0, 1];
const GONE_TC: u32 = 2;

/// Why a frame cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The copy cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A map cannot be read or written.
    #[error(transparent)]
    Map(#[from] MapOpError),
    /// The kernel does not run the program on this frame.
    #[error("the kernel refuses to run the program on the frame")]
    Run(#[from] ProgramError),
    /// The agent's maps are not there.
    #[error("there are no maps under {0}: does the agent run?")]
    NoMaps(String),
}

/// What the programs made of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What becomes of it.
    pub end: FrameEnd,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
}

/// The copy.
pub struct Live {
    ebpf: Ebpf,
    maps: KernelMaps,
    events: Events,
    flows_v4: HashedMap<FlowKey4, Flow>,
    flows_v6: HashedMap<FlowKey6, Flow>,
    opened: Array<MapData, Abi<FlowsOpened>>,
    ended: Array<MapData, Abi<FlowsEnded>>,
    links: PathBuf,
}

impl Live {
    /// Loads the copy beside what an agent has under `pin_dir`.
    pub fn open(pin_dir: &Path) -> Result<Self, LiveError> {
        let root = pin_dir.join(format!("v{ABI_VERSION}"));
        let (directory, links) = (root.join("maps"), root.join("links"));
        if !directory.join(maps::CONFIG).exists() {
            return Err(LiveError::NoMaps(pin_dir.display().to_string()));
        }
        let cpus = sizes::possible_cpus()?;
        let mut loader = EbpfLoader::new();
        for layout in LAYOUTS.iter().filter(|layout| !OWN.contains(&layout.name)) {
            loader.map_pin_path(layout.name, directory.join(layout.name));
        }
        loader
            .map_max_entries(maps::FLOWS_V4, FLOWS)
            .map_max_entries(maps::FLOWS_V6, FLOWS)
            .map_max_entries(maps::CACHE_V4, CACHE)
            .map_max_entries(maps::CACHE_V6, CACHE)
            .map_max_entries(maps::CACHE_TAGS_V4, CACHE)
            .map_max_entries(maps::CACHE_TAGS_V6, CACHE)
            .map_max_entries(maps::EVENTS, EVENTS)
            .map_max_entries(maps::STREAM, sizes::streamed(cpus))
            .map_max_entries(maps::STREAM_ENDS, cpus);
        let mut ebpf = loader.load(OBJECT).map_err(|error| LoadError::from(Box::new(error)))?;
        load_programs(&mut ebpf)?;
        link_programs(&mut ebpf)?;
        let mut watch: Array<MapData, Abi<Watch>> = take(&mut ebpf, maps::WATCH)?;
        watch.set(0, Abi(everything()), 0).map_err(failed("set an entry", maps::WATCH))?;
        let mut maps = KernelMaps::take(&mut ebpf)?;
        let events = maps.take_events().ok_or(LoadError::Missing { name: maps::EVENTS })?;
        Ok(Self {
            flows_v4: take(&mut ebpf, maps::FLOWS_V4)?,
            flows_v6: take(&mut ebpf, maps::FLOWS_V6)?,
            opened: take(&mut ebpf, maps::FLOWS_OPENED)?,
            ended: take(&mut ebpf, maps::FLOWS_ENDED)?,
            ebpf,
            maps,
            events,
            links,
        })
    }

    /// What the maps hold that decide.
    pub fn read(&self) -> Result<RawMaps, LiveError> {
        Ok(self.maps.read_back()?)
    }

    /// Whether no plan was carried out, nor was being, since the maps were read.
    pub fn is_unchanged(&self, raw: &RawMaps) -> Result<bool, LiveError> {
        let epoch = self.maps.config()?.epoch;
        Ok(epoch == raw.config.epoch && epoch.is_multiple_of(2))
    }

    /// Forgets the flows of earlier frames.
    pub fn forget(&mut self) -> Result<(), LiveError> {
        clear(&mut self.flows_v4, maps::FLOWS_V4)?;
        clear(&mut self.flows_v6, maps::FLOWS_V6)?;
        zero(&mut self.opened, maps::FLOWS_OPENED)?;
        zero(&mut self.ended, maps::FLOWS_ENDED)?;
        Ok(())
    }

    /// Runs a frame: from a NIC of this host, or, with [`NicId::NONE`], from the underlay. `raw` are the maps as
    /// they were read.
    pub fn run(&mut self, raw: &RawMaps, from: NicId, frame: &[u8]) -> Result<Ran, LiveError> {
        let Some(ifindex) = interface(raw, from) else {
            let end = FrameEnd::Other("the NIC is not attached to its host".to_owned());
            return Ok(Ran { end, frame: frame.to_vec() });
        };
        self.maps.execute(&Op::SetIface { ifindex: LOOPBACK, nic: from })?;
        let is_xdp = self.links.join(format!("{ifindex}-xdp")).exists();
        let name = match (is_xdp, from.is_some()) {
            (true, true) => "vnp_xdp_out",
            (true, false) => "vnp_xdp_in",
            (false, true) => "vnp_tc_out",
            (false, false) => "vnp_tc_in",
        };
        let mut output = vec![0; FRAME_MAX];
        let result = self.test_run(name, frame, &mut output)?;
        output.truncate(usize::try_from(result.data_size_out).unwrap_or(0));
        if is_xdp && output.starts_with(&NOTE) && output.len() > NOTE_LEN {
            output.drain(..NOTE_LEN);
        }
        let action = result.return_value;
        let is_gone = if is_xdp { GONE_XDP.contains(&action) } else { action == GONE_TC };
        let end = match self.told() {
            Some(FrameEnd::Delivered(_) | FrameEnd::Transmitted) if is_gone => {
                FrameEnd::Other(format!("{name} lets it pass and returns {action}"))
            }
            Some(end) => end,
            None => FrameEnd::Other(format!("{name} returns {action} and tells nothing")),
        };
        Ok(Ran { end, frame: output })
    }

    fn test_run(
        &self,
        name: &'static str,
        frame: &[u8],
        output: &mut [u8],
    ) -> Result<TestRunResult, LiveError> {
        let missing = || LoadError::Missing { name };
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(output),
            ..TestRunOptions::new()
        };
        Ok(match self.ebpf.program(name).ok_or_else(missing)? {
            Program::Xdp(program) => program.test_run(options)?,
            Program::SchedClassifier(program) => program.test_run(options)?,
            _ => return Err(missing().into()),
        })
    }

    /// What the programs told of the frame. A drop comes after all else.
    fn told(&mut self) -> Option<FrameEnd> {
        let mut end = None;
        let mut dropped = None;
        self.events.read(usize::MAX, |event, _| {
            let stages = u32::from(event.stages);
            if event.reason != 0 {
                dropped = Some(FrameEnd::dropped(event.reason, event.nic));
            } else if stages & stage::DELIVERED != 0 {
                end = Some(FrameEnd::Delivered(event.nic.0));
            } else if stages & stage::ENCAPSULATED != 0 {
                end = Some(FrameEnd::Transmitted);
            }
        });
        dropped.or(end)
    }
}

/// A watch that every packet fits.
fn everything() -> Watch {
    let stages = stage::DROPPED | stage::ENCAPSULATED | stage::DELIVERED;
    Watch { stages, reasons: u64::MAX, ..Watch::default() }
}

/// The interface whose programs take the frames of a NIC, or those from the underlay.
fn interface(raw: &RawMaps, from: NicId) -> Option<u32> {
    if !from.is_some() {
        return raw.vteps.first().map(|(_, vtep)| vtep.ifindex);
    }
    let (_, nic) = raw.nics.iter().find(|(id, _)| *id == from)?;
    let ifindex = if nic.shaper == 0 { nic.ifindex } else { nic.shaper };
    (ifindex != 0).then_some(ifindex)
}

fn clear<K: bytemuck::Pod, V: bytemuck::Pod>(
    map: &mut HashedMap<K, V>,
    name: &'static str,
) -> Result<(), MapOpError> {
    let keys: Result<Vec<Abi<K>>, MapError> = map.keys().collect();
    for key in keys.map_err(failed("list the keys", name))? {
        map.remove(&key).map_err(failed("remove a key", name))?;
    }
    Ok(())
}

fn zero<V: bytemuck::Pod + PartialEq>(
    map: &mut Array<MapData, Abi<V>>,
    name: &'static str,
) -> Result<(), MapOpError> {
    for index in 0..map.len() {
        let Abi(value) = map.get(&index, 0).map_err(failed("read an entry", name))?;
        if value != V::zeroed() {
            map.set(index, Abi(V::zeroed()), 0).map_err(failed("clear an entry", name))?;
        }
    }
    Ok(())
}
