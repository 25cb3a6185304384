//! Tests of the ledger: single rules here, random histories in [`random`], the file in [`file`].

mod backend;
mod file;
mod model;
mod random;

use std::collections::BTreeMap;

use super::*;
use crate::{
    reading::Traffic,
    record::{LinkKind, merge},
};

const HOUR: i64 = 3_600_000;
/// An hour's begin.
const START: i64 = 1_800_000_000_000 - 1_800_000_000_000 % HOUR;

fn link(guid: u128) -> Link {
    Link {
        guid: Uuid::from_u128(guid),
        id: format!("/peerings/{guid}"),
        kind: LinkKind::Peering,
        vnet: "/vnets/a".to_owned(),
        region: "westeurope".to_owned(),
        remote_vnet: Some("/vnets/b".to_owned()),
        remote_region: Some("westeurope".to_owned()),
        global: false,
        tags: BTreeMap::new(),
    }
}

fn numbered(number: u32) -> Numbered {
    Numbered { number, link: link(u128::from(number)) }
}

fn counts(packets: u64) -> Counts {
    let traffic = |packets| Traffic { packets, bytes: packets * 100 };
    Counts { egress: traffic(packets), ingress: traffic(packets / 2) }
}

/// A host with a ledger whose clocks and counters the test turns.
struct Host {
    ledger: Ledger,
    now: Moment,
    source: Source,
    counters: BTreeMap<u32, Counts>,
    in_force: Vec<Numbered>,
}

impl Host {
    fn new() -> Self {
        Self::with(&backend::Memory::default())
    }

    fn with(file: &backend::Memory) -> Self {
        let mut host = Self {
            ledger: file.open(),
            now: Moment { wall_ms: START, boot_ms: 100_000 },
            source: Source { boot: Uuid::from_u128(1), map: 7 },
            counters: BTreeMap::new(),
            in_force: Vec::new(),
        };
        host.put_in_force(vec![numbered(1), numbered(2)]);
        host
    }

    fn reading(&self) -> (Moment, Source, BTreeMap<u32, Counts>, BTreeSet<u32>) {
        let installed = self.in_force.iter().map(|it| it.number).collect();
        (self.now, self.source, self.counters.clone(), installed)
    }

    fn put_in_force(&mut self, links: Vec<Numbered>) {
        let (moment, source, counts, installed) = self.reading();
        let reading = Reading { moment, source, counts: &counts, installed: &installed };
        let added = links.iter().filter(|it| !installed.contains(&it.number));
        let cleared: BTreeSet<u32> = added.map(|it| it.number).collect();
        self.ledger.prepare(&reading, &links, &cleared).unwrap();
        self.counters.extend(cleared.iter().map(|number| (*number, Counts::default())));
        self.in_force = links;
        self.read();
    }

    fn read(&mut self) -> Report {
        let (moment, source, counts, installed) = self.reading();
        let reading = Reading { moment, source, counts: &counts, installed: &installed };
        self.ledger.follow(&reading, &self.in_force.clone()).unwrap()
    }

    fn pass(&mut self, ms: i64) {
        self.now.wall_ms += ms;
        self.now.boot_ms += ms.cast_unsigned();
    }

    fn count(&mut self, number: u32, packets: u64) {
        let counter = self.counters.get_mut(&number).unwrap();
        *counter = counter.plus(&counts(packets));
    }

    fn records(&self) -> Vec<Record> {
        self.ledger.records(0, i64::MAX).unwrap()
    }

    /// Begin and end relative to the start, packets, of records of egress.
    fn egress(&self) -> Vec<(i64, i64, u64)> {
        let mut records = self.records();
        records.retain(|it| it.direction == Direction::Egress);
        records.sort_by_key(|it| it.sequence);
        let since = |seconds: i64| seconds - START / 1_000;
        records.iter().map(|it| (since(it.start), since(it.end), it.packets)).collect()
    }
}

#[test]
fn an_hour_ends_a_record_and_begins_another() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(HOUR - 1_000);
    host.read();
    assert_eq!(host.egress(), [(0, 3_599, 10)]);
    assert!(host.records().iter().all(Record::is_open));
    host.count(1, 5);
    host.pass(1_010);
    host.read();
    assert_eq!(host.egress(), [(0, 3_600, 15)]);
    assert!(!host.records().iter().any(Record::is_open));
    host.count(1, 1);
    host.read();
    assert_eq!(host.egress(), [(0, 3_600, 15), (3_600, 3_600, 1)]);
}

#[test]
fn what_nobody_read_in_time_is_late_in_the_window_of_its_reading() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(60_000);
    host.read();
    host.count(1, 7);
    host.pass(2 * HOUR);
    host.read();
    assert_eq!(host.egress(), [(0, 60, 10), (7_200, 7_260, 7)]);
    let late: Vec<Option<i64>> = host.records().iter().map(|it| it.late_since).collect();
    assert!(late.contains(&None) && late.contains(&Some(START / 1_000 + 60)), "{late:?}");
}

#[test]
fn a_clock_that_was_set_splits_the_window_and_both_say_so() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(600_000);
    host.read();
    host.pass(10_000);
    host.count(1, 3);
    host.now.wall_ms -= HOUR;
    host.read();
    host.count(1, 2);
    host.pass(10_000);
    host.read();
    assert_eq!(host.egress(), [(0, 610, 13), (-2_990, -2_980, 2)]);
    let records = host.records();
    let first = records.iter().find(|it| it.ended_by.is_some()).unwrap();
    assert_eq!((first.begun_by, first.ended_by), (Cut::Link, Some(Cut::ClockStep)));
    assert_eq!(first.duration_ms, 610_000);
    let second = records.iter().find(|it| it.ended_by.is_none()).unwrap();
    assert_eq!((second.begun_by, second.duration_ms), (Cut::ClockStep, 10_000));
}

#[test]
fn a_change_of_the_link_ends_its_record_at_that_moment() {
    let mut host = Host::new();
    host.count(1, 10);
    host.count(2, 1);
    host.pass(60_000);
    host.in_force[0].link.global = true;
    host.read();
    host.count(1, 4);
    host.pass(60_000);
    host.read();
    assert_eq!(host.egress(), [(0, 60, 10), (0, 120, 1), (60, 120, 4)]);
    let global = |it: &Record| it.link.global;
    assert_eq!(host.records().iter().filter(|it| global(it)).count(), 2);
}

#[test]
fn packets_on_their_way_when_a_link_ends_are_counted() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(1_000);
    host.in_force.remove(0);
    assert_eq!(host.read().ended, 0);
    host.count(1, 1);
    host.pass(1_000);
    assert_eq!(host.read().ended, 1);
    assert_eq!(host.egress(), [(0, 2, 11)]);
    assert_eq!(host.ledger.numbers(), BTreeSet::from([2]));
}

#[test]
fn a_link_that_ended_leaves_what_it_counted_last() {
    let file = backend::Memory::default();
    let mut host = Host::with(&file);
    host.count(1, 10);
    host.pass(1_000);
    host.in_force.remove(0);
    host.read();
    host.count(1, 1);
    host.pass(1_000);
    host.read();
    drop(host);
    let [((at, guid), gone)] = file.table("gone").try_into().unwrap();
    assert_eq!((at, guid), (START / 1_000 + 2, 1));
    let last = serde_json::to_value(counts(10).plus(&counts(1))).unwrap();
    assert_eq!((&gone["number"], &gone["last"]), (&1.into(), &last));
}

#[test]
fn a_link_that_comes_back_is_another_and_begins_at_zero() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(1_000);
    host.put_in_force(vec![numbered(2)]);
    let again = Numbered { number: 3, link: Link { guid: Uuid::from_u128(3), ..link(1) } };
    host.put_in_force(vec![numbered(2), again]);
    host.count(3, 4);
    host.pass(2_000);
    host.read();
    assert_eq!(host.egress(), [(0, 3, 10), (1, 3, 4)]);
}

/// A link that this host no longer needs and needs again: its number and its GUID are the same, and its
/// counters are cleared.
#[test]
fn counters_that_are_cleared_are_read_just_before() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(1_000);
    host.put_in_force(vec![numbered(2)]);
    host.count(1, 1);
    host.put_in_force(vec![numbered(1), numbered(2)]);
    host.count(1, 4);
    host.pass(2_000);
    host.read();
    assert_eq!(host.egress(), [(0, 1, 11), (1, 3, 4)]);
    assert_eq!(host.records().len(), merge(host.records()).len());
}

#[test]
fn an_agent_that_was_killed_before_a_link_was_in_force_does_not_read_what_is_there() {
    let mut host = Host::new();
    host.counters.insert(3, counts(99));
    let (moment, source, counts, installed) = host.reading();
    let reading = Reading { moment, source, counts: &counts, installed: &installed };
    host.ledger.prepare(&reading, &[numbered(3)], &BTreeSet::from([3])).unwrap();
    host.pass(1_000);
    host.read();
    host.put_in_force(vec![numbered(1), numbered(2), numbered(3)]);
    assert_eq!(host.egress(), []);
    host.count(3, 2);
    host.read();
    assert_eq!(host.egress(), [(1, 1, 2)]);
}

#[test]
fn a_counter_that_is_lower_than_before_is_told_and_begins_an_epoch() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(1_000);
    host.read();
    host.counters.insert(1, counts(4));
    host.pass(1_000);
    let report = host.read();
    assert_eq!(report.resets.len(), 1);
    assert_eq!(report.resets[0].before, counts(10));
    assert_eq!(host.egress(), [(0, 2, 10), (2, 2, 4)]);
    let epochs: BTreeSet<Uuid> = host.records().iter().map(|it| it.epoch).collect();
    assert_eq!(epochs.len(), 2);
}

#[test]
fn a_reboot_begins_an_epoch() {
    let mut host = Host::new();
    host.count(1, 10);
    host.pass(1_000);
    host.read();
    host.source = Source { boot: Uuid::from_u128(2), map: 7 };
    host.now = Moment { wall_ms: START + 60_000, boot_ms: 3_000 };
    host.counters.clear();
    let links = std::mem::take(&mut host.in_force);
    host.put_in_force(links);
    host.count(1, 3);
    host.pass(1_000);
    let _ = host.read();
    assert_eq!(host.egress(), [(0, 1, 10), (60, 61, 3)]);
    let epochs: BTreeSet<Uuid> = host.records().iter().map(|it| it.epoch).collect();
    assert_eq!(epochs.len(), 2);
}

#[test]
fn a_first_ledger_takes_what_it_finds_for_counted_elsewhere() {
    let mut host = Host::new();
    host.ledger = backend::Memory::default().open();
    host.count(1, 10);
    host.read();
    host.count(1, 2);
    host.pass(1_000);
    host.read();
    assert_eq!(host.egress(), [(0, 1, 2)]);
}

#[test]
fn records_are_found_by_their_time() {
    let mut host = Host::new();
    for _ in 0..5 {
        host.count(1, 1);
        host.pass(HOUR);
        host.read();
    }
    let hour = |n: i64| START / 1_000 + n * 3_600;
    assert_eq!(host.ledger.records(hour(1), hour(3)).unwrap().len(), 2);
    assert_eq!(host.ledger.records(hour(1) + 1, hour(2)).unwrap().len(), 1);
    assert_eq!(host.ledger.records(hour(9), hour(10)).unwrap().len(), 0);
}

#[test]
fn old_windows_are_forgotten_with_what_only_they_name() {
    let mut host = Host::new();
    host.count(1, 1);
    host.pass(HOUR);
    host.read();
    host.in_force[0].link.region = "northeurope".to_owned();
    host.pass(91 * 24 * HOUR);
    host.read();
    host.count(1, 1);
    host.pass(HOUR);
    host.read();
    let records = host.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].link.region, "northeurope");
    assert_eq!(host.ledger.standing().unwrap().windows, 1);
}

#[test]
fn a_reading_that_could_not_be_written_did_not_happen() {
    let file = backend::Memory::default();
    let mut host = Host::with(&file);
    host.count(1, 10);
    host.pass(1_000);
    let (moment, source, counts, installed) = host.reading();
    let reading = Reading { moment, source, counts: &counts, installed: &installed };
    let wanted = [1, 2, 3].map(numbered);
    let known = |ledger: &Ledger| (ledger.numbers(), ledger.created());
    let before = known(&host.ledger);
    file.kill_after(1);
    let result = host.ledger.prepare(&reading, &wanted, &BTreeSet::from([3]));
    assert!(result.is_err(), "the file takes no more writes");
    assert_eq!(known(&host.ledger), before, "nothing is known that is not in the file");
    // The next process finds the same difference again.
    host.ledger = file.open();
    assert_eq!(known(&host.ledger), before);
    host.read();
    assert_eq!(host.egress().iter().map(|it| it.2).sum::<u64>(), 10);
}

#[test]
fn a_boot_a_map_and_a_reset_each_begin_an_epoch() {
    let first = Source { boot: Uuid::from_u128(1), map: 1 };
    let epochs = [
        cell::epoch("host-a", first, 0),
        cell::epoch("host-b", first, 0),
        cell::epoch("host-a", Source { boot: Uuid::from_u128(2), ..first }, 0),
        cell::epoch("host-a", Source { map: 2, ..first }, 0),
        cell::epoch("host-a", first, 1),
    ];
    assert_eq!(BTreeSet::from(epochs).len(), epochs.len(), "{epochs:?}");
    assert_eq!(epochs[0], cell::epoch("host-a", first, 0), "and the same one is the same");
}
