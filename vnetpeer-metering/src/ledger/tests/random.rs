//! Random histories: whatever happens, records sum up to what was counted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::model::{LINKS, Step, World};
use crate::{
    reading::{Counts, Traffic},
    record::{Direction, Record, merge},
};

fn step() -> impl Strategy<Value = Step> {
    let link = || 0..LINKS;
    prop_oneof![
        8 => (link(), 1..10_000_u64).prop_map(|(link, packets)| Step::Traffic { link, packets }),
        4 => (1..30_000_u32).prop_map(|ms| Step::Pass { ms }),
        2 => (30_000..9_000_000_u32).prop_map(|ms| Step::Pass { ms }),
        2 => (-9_000_000..9_000_000_i32).prop_map(|by_ms| Step::SetClock { by_ms }),
        6 => Just(Step::Read),
        4 => (0..40_usize).prop_map(|after_writes| Step::Kill { after_writes }),
        1 => (0..9_000_000_u32).prop_map(|down_ms| Step::Reboot { down_ms }),
        1 => any::<bool>().prop_map(|drained| Step::Recreate { drained }),
        4 => (link(), any::<bool>(), 0..4_u8).prop_map(|(link, as_new, killed_after)| {
            Step::Install { link, as_new, killed_after }
        }),
        2 => link().prop_map(|link| Step::Remove { link }),
        1 => link().prop_map(|link| Step::Change { link }),
        1 => link().prop_map(|link| Step::Clear { link }),
        3 => Just(Step::Export),
    ]
}

fn sums(records: &[Record]) -> BTreeMap<Uuid, Counts> {
    let mut sums: BTreeMap<Uuid, Counts> = BTreeMap::new();
    for it in records {
        let sum = sums.entry(it.link.guid).or_default();
        let traffic = Traffic { packets: it.packets, bytes: it.bytes };
        let one = match it.direction {
            Direction::Egress => Counts { egress: traffic, ..Counts::default() },
            Direction::Ingress => Counts { ingress: traffic, ..Counts::default() },
        };
        *sum = sum.plus(&one);
    }
    sums
}

/// No record crosses an hour, none ends before it begins, and no id is there twice.
fn check_shape(records: &[Record]) {
    let ids: BTreeSet<Uuid> = records.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), records.len(), "ids are unique");
    for it in records {
        assert!(it.start <= it.end, "{it:?}");
        assert!(it.end <= it.start - it.start.rem_euclid(3_600) + 3_600, "{it:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn records_sum_up_to_what_was_counted(
        steps in prop::collection::vec(step(), 1..60),
        order in any::<u64>(),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            check_shape(&world.records());
        }
        world.settle();
        let records = world.records();
        check_shape(&records);
        world.truth.retain(|_, counts| *counts != Counts::default());
        prop_assert_eq!(&sums(&records), &world.truth);

        // Whoever exported when, how often and in which order: the same records.
        let mut exports: Vec<Record> = world.exports.clone();
        exports.extend(records.iter().cloned());
        exports.extend(world.exports.iter().cloned());
        exports.sort_by_key(|it| Uuid::new_v5(&Uuid::from_u64_pair(order, it.bytes), it.id.as_bytes()));
        let merged = merge(exports.clone());
        prop_assert_eq!(&merged, &merge(records));
        prop_assert_eq!(&merge(merged.iter().cloned().chain(exports)), &merged);
    }
}
