//! Links and records for tests.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};
use uuid::Uuid;

use crate::{
    price::PriceBook,
    record::{Cut, Direction, Link, LinkKind, Record},
};

/// The first second of a day.
pub(crate) fn seconds(day: &str) -> i64 {
    day.parse::<Date>().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
}

fn vnet_id(name: &str) -> String {
    let subscription = format!("sub-{}", name.len() % 2);
    format!(
        "/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/{name}"
    )
}

/// A peering's link.
pub(crate) fn link(vnet: &str, region: &str, remote: &str, remote_region: &str) -> Link {
    let id = format!("{}/virtualNetworkPeerings/to-{remote}", vnet_id(vnet));
    Link {
        guid: Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()),
        id,
        kind: LinkKind::Peering,
        vnet: vnet_id(vnet),
        region: region.to_owned(),
        remote_vnet: Some(vnet_id(remote)),
        remote_region: Some(remote_region.to_owned()),
        global: region != remote_region,
        tags: BTreeMap::new(),
    }
}

/// What the link carried in a window.
pub(crate) fn record(
    link: &Link,
    direction: Direction,
    start: i64,
    end: i64,
    bytes: u64,
) -> Record {
    let epoch = Uuid::nil();
    Record {
        id: Record::id_of("host", epoch, link.guid, direction, start, 0),
        host: "host".to_owned(),
        epoch,
        link: link.clone(),
        direction,
        sequence: 0,
        start,
        end,
        duration_ms: u64::try_from(end - start).unwrap() * 1_000,
        begun_by: Cut::Hour,
        ended_by: Some(Cut::Hour),
        late_since: None,
        packets: bytes / 1_000,
        bytes,
    }
}

/// The prices of the example, with two tiers within a region.
pub(crate) fn tiered() -> PriceBook {
    let text = include_str!("../../../examples/prices.yaml");
    let tiers = "    ingress: 0.01\n    tiers:\n    - {above: 10, egress: 0.007, ingress: 0.005}\n    \
                 - {above: 20.000000001, egress: 0.003, ingress: 0.001}\n";
    PriceBook::read("tiered", &text.replacen("    ingress: 0.01\n", tiers, 1)).unwrap()
}
