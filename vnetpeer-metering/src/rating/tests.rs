use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    cost::{By, costs},
    invoice::invoice,
    preview::preview,
    testing::{link, record, seconds, tiered},
    usage::HOUR,
    *,
};
use crate::{
    price::PriceBook,
    record::{Direction, Record, merge},
};

const GB: u64 = 1_000_000_000;

fn november() -> Month {
    "2026-11".parse().unwrap()
}

fn book() -> PriceBook {
    PriceBook::read("prices.yaml", include_str!("../../../examples/prices.yaml")).unwrap()
}

fn usage(records: &[Record]) -> Usage {
    Usage::of(records)
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn usage_fills_the_tiers_in_the_order_of_time() {
    let here = link("a", "westeurope", "b", "westeurope");
    let start = november().start();
    // Told backwards: the order of records means nothing.
    let records = [
        record(&here, Direction::Egress, start + 2 * HOUR, start + 3 * HOUR, 15 * GB),
        record(&here, Direction::Egress, start, start + HOUR, 8 * GB),
    ];
    let charges = rate(&usage(&records), &tiered()).unwrap();
    let parts: Vec<_> = charges
        .iter()
        .map(|(it, bytes)| ((it.hour - start) / HOUR, it.unit_price.to_string(), *bytes))
        .collect();
    let expected = [
        (0, "0.01".to_owned(), 8_000_000_000),
        (2, "0.01".to_owned(), 2_000_000_000),
        (2, "0.007".to_owned(), 10_000_000_001),
        (2, "0.003".to_owned(), 2_999_999_999),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn tiers_begin_again_each_month_and_for_each_subscription_meter_and_region() {
    let start = november().end() - HOUR;
    let one = link("a", "westeurope", "b", "westeurope");
    let same_subscription = link("c", "westeurope", "b", "westeurope");
    let other_subscription = link("aa", "westeurope", "b", "westeurope");
    let other_region = link("a", "uksouth", "b", "uksouth");
    let prices = |second: &Link, direction, at: i64| {
        let records = [
            record(&one, Direction::Egress, start, start + HOUR, 10 * GB),
            record(second, direction, at, at + HOUR, GB),
        ];
        let charges = rate(&usage(&records), &tiered()).unwrap();
        charges.keys().map(|it| it.unit_price.to_string()).collect::<Vec<_>>()
    };
    let mut shared = prices(&same_subscription, Direction::Egress, start);
    shared.sort();
    // Within an hour the order of links decides who fills the tier.
    assert!(shared.contains(&"0.007".to_owned()), "{shared:?}");
    let all_first = ["0.01", "0.01"];
    assert_eq!(prices(&other_subscription, Direction::Egress, start), all_first);
    assert_eq!(prices(&other_region, Direction::Egress, start), all_first);
    assert_eq!(prices(&one, Direction::Ingress, start), all_first);
    assert_eq!(prices(&one, Direction::Egress, start + HOUR), all_first);
}

use crate::record::Link;

#[test]
fn usage_without_a_price_is_never_free() {
    let at = november().start();
    let nowhere = link("a", "atlantis", "b", "westeurope");
    let records = [
        record(&nowhere, Direction::Egress, at, at + HOUR, GB),
        record(&nowhere, Direction::Egress, seconds("2020-02-03"), seconds("2020-02-03") + 9, GB),
        record(
            &nowhere,
            Direction::Egress,
            seconds("2020-02-03") + HOUR,
            seconds("2020-02-03") + HOUR + 9,
            GB,
        ),
    ];
    let error = rate(&usage(&records), &book()).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("in force at 2020-02-03;") && error.contains("`atlantis`"), "{error}");
}

#[test]
fn somebody_must_pay() {
    let mut orphan = link("a", "westeurope", "b", "westeurope");
    orphan.vnet = "a".to_owned();
    let at = november().start();
    let records = [record(&orphan, Direction::Egress, at, at + HOUR, GB)];
    let error = rate(&usage(&records), &book()).unwrap_err().to_string();
    assert!(error.contains("`a` names no subscription"), "{error}");
}

#[test]
fn times_beyond_the_calendar_are_refused() {
    let here = link("a", "westeurope", "b", "westeurope");
    for start in [i64::MIN, i64::MAX] {
        let mut broken = record(&here, Direction::Egress, 0, 1, GB);
        broken.start = start;
        assert!(matches!(rate(&usage(&[broken]), &book()), Err(RatingError::NoMonth(_))));
    }
}

#[test]
fn a_forecast_is_linear() {
    let here = link("a", "westeurope", "b", "westeurope");
    let start = november().start();
    let records = [record(&here, Direction::Egress, start, start + HOUR, 1_000 * GB)];
    let at = |now| costs(november(), usage(&records), &book(), &By::Vnet, now).unwrap();
    // Three of thirty days.
    assert_eq!(at(seconds("2026-11-04")).forecast, Some(decimal("100.00")));
    assert_eq!(at(seconds("2027-01-01")).forecast, Some(decimal("10.00")));
    assert_eq!(at(start).forecast, None);
    assert_eq!(at(seconds("2026-11-04")).as_of, "2026-11-04T00:00:00Z");
}

#[test]
fn costs_are_added_up_by_anything() {
    let start = november().start();
    let mut tagged = link("a", "westeurope", "b", "westeurope");
    tagged.tags.insert("Team".to_owned(), "red".to_owned());
    let plain = link("bb", "westeurope", "a", "westeurope");
    let records = [
        record(&tagged, Direction::Egress, start, start + HOUR, GB),
        record(&plain, Direction::Ingress, start, start + HOUR, GB),
    ];
    for (by, expected) in [
        ("subscription", vec!["sub-0", "sub-1"]),
        ("resource-group", vec!["sub-0/rg", "sub-1/rg"]),
        ("vnet", vec![&plain.vnet, &tagged.vnet]),
        ("peering", vec![&plain.id, &tagged.id]),
        (
            "meter",
            vec![
                "Virtual Network Peering, Intra-Region Egress",
                "Virtual Network Peering, Intra-Region Ingress",
            ],
        ),
        ("tag:team", vec!["-", "red"]),
    ] {
        let costs =
            costs(november(), usage(&records), &book(), &by.parse().unwrap(), start).unwrap();
        let names: Vec<&str> =
            costs.rows.iter().map(|row| row.name.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, expected, "{by}");
        assert_eq!(costs.cost, decimal("0.02"));
    }
    assert!("tag:".parse::<By>().is_err() && "colour".parse::<By>().is_err());
}

#[test]
fn a_chain_through_an_appliance_bills_four_times() {
    let to_hub = link("spoke1", "westeurope", "hub", "westeurope");
    let hub_from = link("hub", "westeurope", "spoke1", "westeurope");
    let hub_to = link("hub", "westeurope", "spoke2", "westeurope");
    let from_hub = link("spoke2", "westeurope", "hub", "westeurope");
    let chain = [
        (&to_hub, Direction::Egress),
        (&hub_from, Direction::Ingress),
        (&hub_to, Direction::Egress),
        (&from_hub, Direction::Ingress),
    ];
    let preview = preview(chain, GB, &book(), november().start()).unwrap();
    assert_eq!(preview.summary, "this path bills each byte 4 times");
    assert_eq!((preview.charges.len(), preview.cost), (4, decimal("0.04")));
}

#[test]
fn an_invoice_adds_up_and_has_a_line_for_each_price() {
    let start = november().start();
    let here = link("a", "westeurope", "b", "westeurope");
    let records = [record(&here, Direction::Egress, start, start + HOUR, 21 * GB)];
    let invoice = invoice(november(), usage(&records), &tiered()).unwrap();
    let lines: Vec<_> = invoice
        .lines
        .iter()
        .map(|it| (it.quantity.to_string(), it.cost.to_string(), it.amount.to_string()))
        .collect();
    let line = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let expected = [
        line("10", "0.1", "0.10"),
        line("10.000000001", "0.070000000007", "0.07"),
        line("0.999999999", "0.002999999997", "0.00"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(invoice.cost, decimal("0.173000000004"));
    assert_eq!(invoice.amount.to_string(), "0.17");
    let csv = invoice.to_csv().unwrap();
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.contains("Virtual Network Peering,Intra-Region Egress,westeurope"), "{csv}");
}

#[test]
fn a_total_is_the_sum_of_its_rounded_lines() {
    let start = november().start();
    let links = ["a", "c", "e"].map(|it| link(it, "westeurope", "b", "westeurope"));
    let records = links.map(|it| record(&it, Direction::Egress, start, start + HOUR, GB / 10 * 4));
    let invoice = invoice(november(), usage(&records), &book()).unwrap();
    assert_eq!(invoice.lines.len(), 3);
    assert!(invoice.lines.iter().all(|it| it.amount.to_string() == "0.00"));
    assert_eq!((invoice.cost, invoice.amount.to_string().as_str()), (decimal("0.012"), "0.00"));
}

/// Records of four links in the first two days of a month.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let one = (0..4_usize, any::<bool>(), 0..48_i64, 0..30_i64, 0..30_000_000_000_u64);
    proptest::collection::vec(one, 0..24).prop_map(|all| {
        let links = [
            link("a", "westeurope", "b", "westeurope"),
            link("b", "westeurope", "a", "westeurope"),
            link("aa", "westeurope", "z", "brazilsouth"),
            link("z", "brazilsouth", "aa", "westeurope"),
        ];
        let make = |(which, egress, hour, minute, bytes): (usize, bool, i64, i64, u64)| {
            let direction = if egress { Direction::Egress } else { Direction::Ingress };
            let start = november().start() + hour * HOUR + minute * 60;
            record(&links[which], direction, start, start + 120, bytes)
        };
        merge(all.into_iter().map(make))
    })
}

proptest! {
    #[test]
    fn copies_and_order_change_no_invoice(
        (records, shuffled) in records().prop_flat_map(|records| {
            let thrice = [records.clone(), records.clone(), records.clone()].concat();
            (Just(records), Just(thrice).prop_shuffle())
        })
    ) {
        let expected = invoice(november(), usage(&records), &tiered()).unwrap();
        let replayed = merge(shuffled);
        prop_assert_eq!(invoice(november(), usage(&replayed), &tiered()).unwrap(), expected);
    }

    #[test]
    fn merging_is_idempotent_commutative_and_associative(a in records(), b in records(), c in records()) {
        let join = |a: &[Record], b: &[Record]| merge(a.iter().chain(b).cloned());
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
    }

    #[test]
    fn splitting_a_record_changes_no_charge(records in records(), which in any::<prop::sample::Index>(), part in 0.0..1.0_f64) {
        prop_assume!(!records.is_empty());
        let mut split = records.clone();
        let whole = which.get_mut(&mut split);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any part will do")]
        let first = (whole.bytes as f64 * part) as u64;
        let mut rest = whole.clone();
        (whole.bytes, rest.bytes) = (first, whole.bytes - first);
        rest.start += 60;
        split.push(rest);
        prop_assert_eq!(rate(&usage(&split), &tiered()).unwrap(), rate(&usage(&records), &tiered()).unwrap());
    }

    #[test]
    fn lines_add_up_to_what_everything_costs_within_half_a_cent_each(records in records()) {
        let invoice = invoice(november(), usage(&records), &tiered()).unwrap();
        let lines = u32::try_from(invoice.lines.len()).unwrap();
        let difference = (invoice.amount - invoice.cost).abs();
        prop_assert!(difference <= decimal("0.005") * Decimal::from(lines));
        let exact: Decimal = invoice.lines.iter().map(|it| it.cost).sum();
        prop_assert_eq!(exact, invoice.cost);
        let whole = costs(november(), usage(&records), &tiered(), &By::Peering, 0).unwrap();
        prop_assert_eq!(whole.cost, invoice.cost);
        let bytes: i128 = invoice.lines.iter().map(|it| it.bytes).sum();
        let counted: u64 = records.iter().map(|it| it.bytes).sum();
        prop_assert_eq!(bytes, i128::from(counted));
    }

    #[test]
    fn more_bytes_never_cost_less(records in records(), which in any::<prop::sample::Index>(), more in 0..50_000_000_000_u64) {
        prop_assume!(!records.is_empty());
        let before = invoice(november(), usage(&records), &tiered()).unwrap();
        let mut grown = records.clone();
        which.get_mut(&mut grown).bytes += more;
        prop_assert!(invoice(november(), usage(&grown), &tiered()).unwrap().cost >= before.cost);
    }
}
