//! Fills the maps of the programs that the product is compared with.

use anyhow::{Context as _, Result};
use aya::maps::{Array, HashMap, PerCpuArray};
use bytemuck::{Pod, Zeroable};
use vnetpeer_common::{
    abi::{Action, CACHE_WAYS, Cached4, Flow, FlowKey4, capacity},
    datapath::Address as _,
    types::{LinkId, Mac, V4},
};

use super::{flows, rules};
use crate::{
    harness::{self, Harness},
    worlds::{GUEST, LOCAL, REMOTE, Spoke},
};

/// The interface that test runs come in on.
const LOOPBACK: u32 = 1;
/// Entry of the sketch's outer headers.
const WAY: u32 = 3;
/// The epoch of all the sketch's flows.
const EPOCH: u32 = 7;
/// Where the sketch counts.
const METER: LinkId = LinkId(5);

/// `struct Port` in `vnetpeer-ebpf/src/bin/bench/sketch.rs`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Port {
    mac: u64,
    ipv4: u32,
    nic: u32,
    epoch: u32,
    reserved: u32,
}

/// `struct Outer` there.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Outer {
    words: [u64; 6],
    sum: u32,
    ifindex: u32,
}

/// Sets up the sketch, but for its flows.
pub(crate) fn prepare_sketch(harness: &mut Harness) -> Result<()> {
    let mut mac = [0; 8];
    mac[..6].copy_from_slice(&GUEST.mac.0);
    let port = Port {
        mac: u64::from_ne_bytes(mac),
        ipv4: V4::new(GUEST.v4.octets()).wire(),
        nic: GUEST.nic.0 << 8,
        epoch: EPOCH,
        reserved: 0,
    };
    let mut ports = Array::<_, [u8; 24]>::try_from(harness.map_mut("SKETCH_PORTS")?)?;
    ports.set(LOOPBACK, bytemuck::cast::<_, [u8; 24]>(port), 0)?;
    let mut header = [0_u8; 48];
    header[..12].copy_from_slice(&[2, 0, 0, 0, 0xee, 2, 2, 0, 0, 0, 0xee, 1]);
    header[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17]);
    header[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    header[36..38].copy_from_slice(&4_789_u16.to_be_bytes());
    header[42] = 8;
    let sum = header[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let outer = Outer { words: bytemuck::cast(header), sum: sum.sum(), ifindex: 202 };
    let mut outers = Array::<_, [u8; 56]>::try_from(harness.map_mut("SKETCH_OUTERS")?)?;
    outers.set(WAY, bytemuck::cast::<_, [u8; 56]>(outer), 0)?;
    // Of another epoch, so that a flow is new however often it is opened.
    let action = Action { epoch: 0, ..action(&REMOTE) };
    let mut new = Array::<_, [u8; 48]>::try_from(harness.map_mut("SKETCH_NEW")?)?;
    new.set(0, bytemuck::cast::<_, [u8; 48]>(action), 0)?;
    Ok(())
}

/// What the sketch does with packets to a spoke.
fn action(spoke: &Spoke) -> Action {
    Action {
        epoch: EPOCH,
        link: METER,
        target: spoke.nic(0),
        source: GUEST.nic,
        via: if spoke.host.is_some() { WAY } else { 5_100 },
        detail: spoke.vnet.0,
        mac: Mac([2, 0, 0, 0, 0, 9]),
        ..Action::default()
    }
}

/// Puts flows into the sketch's cache, in the place that the product gives them.
pub(crate) fn cache(harness: &mut Harness, spoke: &Spoke, list: &[u32]) -> Result<()> {
    let shard =
        u32::try_from(harness::cpu()?).context("a number of CPUs")? * capacity::CACHE_SETS_V4;
    let mut cache = Array::<_, [u8; 64]>::try_from(harness.map_mut("SKETCH_CACHE")?)?;
    let action = action(spoke);
    let mut used = vec![0_u32; usize::try_from(capacity::CACHE_SETS_V4)?];
    for flow in list {
        let key = flows::sent(spoke, *flow);
        let set = V4::key_hash(&key) & (capacity::CACHE_SETS_V4 - 1);
        let way = &mut used[usize::try_from(set)?];
        let index = (shard + set) * CACHE_WAYS + *way;
        *way += 1;
        cache.set(index, bytemuck::cast::<_, [u8; 64]>(Cached4 { key, action }), 0)?;
    }
    Ok(())
}

/// Packets that the sketch counted.
pub(crate) fn counted(harness: &mut Harness) -> Result<u64> {
    let meters = PerCpuArray::<_, [u64; 2]>::try_from(harness.map_mut("SKETCH_METERS")?)?;
    Ok(meters.get(&METER.0, 0)?.iter().map(|meter| meter[0]).sum())
}

/// Fills the hash that is looked up; its keys have no NIC.
pub(crate) fn fill_hash(harness: &mut Harness, list: &[u32]) -> Result<()> {
    let mut hash = hash(harness)?;
    for flow in list {
        hash.insert(
            bytemuck::cast::<_, [u8; 16]>(step_key(&LOCAL, *flow)),
            [0; size_of::<Flow>()],
            0,
        )?;
    }
    Ok(())
}

/// Removes flows from the hash.
pub(crate) fn forget(
    harness: &mut Harness,
    spoke: &Spoke,
    list: impl Iterator<Item = u32>,
) -> Result<()> {
    let mut hash = hash(harness)?;
    for flow in list {
        let _absent = hash.remove(&bytemuck::cast(step_key(spoke, flow)));
    }
    Ok(())
}

fn step_key(spoke: &Spoke, flow: u32) -> FlowKey4 {
    let key = flows::sent(spoke, flow);
    FlowKey4 { nic_protocol: key.nic_protocol & 0xff, ..key }
}

type Hash<'a> = HashMap<&'a mut aya::maps::MapData, [u8; 16], [u8; size_of::<Flow>()]>;

fn hash(harness: &mut Harness) -> Result<Hash<'_>> {
    Ok(HashMap::try_from(harness.map_mut("STEP_FLOWS")?)?)
}

/// Fills the list that is scanned.
pub(crate) fn fill_rules(harness: &mut Harness) -> Result<()> {
    const LEN: usize = 32 * 1_000;
    let bytes = rules::linear();
    let bytes: [u8; LEN] = bytes.try_into().ok().context("a thousand rules")?;
    Array::<_, [u8; LEN]>::try_from(harness.map_mut("STEP_RULES")?)?.set(0, bytes, 0)?;
    Ok(())
}
