//! What a deployment takes: memory of this process, and of the maps.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use vnetpeer_common::abi;
use vnetpeer_userspace::topology::plan::Observed;

/// Memory that this process has in use and the most that it had since the peak was forgotten: that of the agent, and
/// what earlier cases left.
pub(super) fn resident_mebibytes() -> Result<[f64; 2]> {
    let text = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let mut mebibytes = [0.0; 2];
    for (value, name) in mebibytes.iter_mut().zip(["VmRSS:", "VmHWM:"]) {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
        let number = line.split_whitespace().next().context("no number")?;
        *value = number.parse::<f64>().context("no number")? / 1_024.0;
    }
    Ok(mebibytes)
}

/// Counts the most memory in use from now on (`proc_pid_clear_refs(5)`).
pub(super) fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("write /proc/self/clear_refs")
}

/// Bytes of the map entries that a deployment fills.
pub(super) fn used_map_bytes(observed: &Observed) -> usize {
    fn bytes<V>(entries: usize) -> usize {
        entries * size_of::<V>()
    }
    bytes::<abi::Node4>(observed.trie_v4.used())
        + bytes::<abi::Node6>(observed.trie_v6.used())
        + bytes::<abi::NextHop>(observed.next_hops.used())
        + bytes::<abi::Classifier>(observed.classifiers.used())
        + bytes::<abi::Row>(observed.rows.used())
        + bytes::<abi::Nic>(observed.nics.len())
        + bytes::<abi::Vnet>(observed.vnets.len())
        + bytes::<abi::Roots>(observed.routes.len())
        + bytes::<abi::Link>(observed.links.len())
        + bytes::<(abi::RelationKey, u32)>(observed.relations.len())
        + bytes::<abi::Balancer>(observed.balancers.len())
        + bytes::<abi::Vtep>(observed.vteps.len())
        + bytes::<abi::Filter>(observed.filters.len())
}

/// Mebibytes that the kernel has for all maps of this process: their sizes do not depend on the deployment.
pub(super) fn locked_mebibytes() -> Result<f64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").context("read /proc/self/fdinfo")? {
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let field = |name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
        };
        if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:")) {
            maps.insert(id, bytes);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "maps have far less than 2^52 bytes")]
    let bytes = maps.values().sum::<u64>() as f64;
    Ok(bytes / f64::from(1 << 20))
}
