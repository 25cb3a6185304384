//! What the datapath counts, as values that can be compared and subtracted.

use std::{collections::BTreeMap, fmt};

use vnetpeer_common::{
    abi::{DropCounter, Meter},
    reason::DropReason,
    types::LinkId,
};

/// Meters by link, drops by slot and reason. What is absent is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Meters.
    pub meters: BTreeMap<LinkId, Meter>,
    /// Drops.
    pub drops: BTreeMap<(u32, DropReason), DropCounter>,
}

impl Counters {
    /// What was counted between `earlier` and this.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut delta = Self::default();
        for (link, now) in &self.meters {
            let before = earlier.meters.get(link).copied().unwrap_or_default();
            let meter = Meter {
                egress_packets: now.egress_packets - before.egress_packets,
                egress_bytes: now.egress_bytes - before.egress_bytes,
                ingress_packets: now.ingress_packets - before.ingress_packets,
                ingress_bytes: now.ingress_bytes - before.ingress_bytes,
            };
            if meter != Meter::default() {
                delta.meters.insert(*link, meter);
            }
        }
        for (key, now) in &self.drops {
            let before = earlier.drops.get(key).copied().unwrap_or_default();
            let (packets, bytes) = (now.packets - before.packets, now.bytes - before.bytes);
            if packets != 0 {
                delta.drops.insert(*key, DropCounter { packets, bytes });
            }
        }
        delta
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.meters.is_empty() && self.drops.is_empty() {
            return f.write_str("nothing");
        }
        for (link, it) in &self.meters {
            let Meter { egress_packets, egress_bytes, ingress_packets, ingress_bytes } = it;
            write!(f, "[link {link} egress {egress_packets}/{egress_bytes} ")?;
            write!(f, "ingress {ingress_packets}/{ingress_bytes}]")?;
        }
        for ((slot, reason), DropCounter { packets, bytes }) in &self.drops {
            write!(f, "[slot {slot} {} {packets}/{bytes}]", reason.name())?;
        }
        Ok(())
    }
}
