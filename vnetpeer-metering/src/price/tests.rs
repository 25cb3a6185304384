use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::rating::testing::{link, seconds};

const EXAMPLE: &str = include_str!("../../../examples/prices.yaml");

fn mended(from: &str, to: &str) -> Result<PriceBook, Problems> {
    assert!(EXAMPLE.contains(from), "{from}");
    PriceBook::read("prices.yaml", &EXAMPLE.replace(from, to))
}

fn example() -> PriceBook {
    PriceBook::read("prices.yaml", EXAMPLE).unwrap()
}

fn unit_price(book: &PriceBook, day: &str, link: &Link, direction: Direction) -> String {
    book.prices(seconds(day), link, direction).unwrap().tiers[0].unit_price.to_string()
}

#[test]
fn each_end_pays_by_its_own_region() {
    let book = example();
    let here = link("spoke", "westeurope", "hub", "westeurope");
    let abroad = link("spoke", "westeurope", "brazil", "brazilsouth");
    let brazil = link("brazil", "brazilsouth", "spoke", "westeurope");
    for direction in [Direction::Egress, Direction::Ingress] {
        assert_eq!(unit_price(&book, "2026-11-01", &here, direction), "0.01");
        assert_eq!(unit_price(&book, "2026-11-01", &abroad, direction), "0.035");
        assert_eq!(unit_price(&book, "2026-11-01", &brazil, direction), "0.16");
    }
}

#[test]
fn what_has_no_price_is_told() {
    let book = example();
    let nowhere = link("a", "atlantis", "b", "westeurope");
    let early = book.prices(seconds("2025-12-31"), &nowhere, Direction::Egress).unwrap_err();
    assert!(early.to_string().starts_with("no price sheet is in force at 2025-12-31T00:00:00Z;"));
    let zone = book.prices(seconds("2026-01-01"), &nowhere, Direction::Egress).unwrap_err();
    let expected = "region `atlantis` is in no billing zone of price sheet `example-2026`; add it to \
                    the regions of one of its billingZones";
    assert_eq!(zone.to_string(), expected);
    let book = mended("  - egress: 0.01\n", "  - regions: [uksouth]\n    egress: 0.01\n").unwrap();
    let here = link("a", "westeurope", "b", "westeurope");
    let region = book.prices(seconds("2026-01-01"), &here, Direction::Egress).unwrap_err();
    assert!(region.to_string().contains("no price within region `westeurope`"), "{region}");
}

#[test]
fn mistakes_have_places_and_fixes() {
    for (from, to, place, message, help) in [
        ("currency: USD", "currency: XYZ", "7:11", "there is no currency `XYZ`", "ISO 4217"),
        ("decimals: 2 ", "decimals: 10 ", "9:13", "cannot have 10 digits", "at most 9"),
        ("mode: HalfEven", "mode: Half", "10:9", "unknown variant", "schema"),
        ("id: example-account", "id: ' '", "12:7", "account's id is empty", "give it"),
        ("effectiveFrom: 2026-01-01", "effectiveFrom: 1.1.26", "18:18", "is no day", "YYYY-MM-DD"),
        ("effectiveFrom: 2026", "effective: 2026", "18:3", "unknown field `effective`", "schema"),
        ("egress: 0.01\n", "egress: -0.01\n", "23:13", "`-0.01` is no price", "from 0"),
        ("egress: 0.01\n", "egress: 1e-2\n", "23:13", "`1e-2` is no price", "from 0"),
        ("egress: 0.01\n", "egress: 0.0123456789\n", "23:13", "is no price", "9 digits"),
        ("ingress: 0.01\n", "ingress: 1000000000\n", "24:14", "is no price", "999999999"),
        ("    - uksouth\n", "    - UK South\n", "49:7", "is no region's name", "small letters"),
        ("    - ukwest\n", "    - uksouth\n", "50:7", "in billing zone `Zone 1` already", "once"),
        ("- name: Zone 2", "- name: Zone 1", "56:11", "`Zone 1` already", "one entry"),
        ("- zone: US Gov", "- zone: Zone 9", "88:11", "no billing zone `Zone 9`", "billingZones"),
        ("- zone: US Gov", "- zone: Zone 3", "88:11", "has a price already", "once"),
    ] {
        let problems = mended(from, to).unwrap_err();
        let found = problems.to_string();
        let line =
            found.lines().find(|it| it.contains(message)).unwrap_or_else(|| panic!("{found}"));
        assert!(line.starts_with(&format!("prices.yaml:{place}: ")), "{from}: {line}");
        assert!(line.contains(help), "{line}");
    }
}

#[test]
fn a_zone_without_a_price_is_told_where_it_is_made() {
    let problems = mended("- zone: US Gov", "- zone: Zone 9").unwrap_err().to_string();
    assert!(problems.contains("billing zone `US Gov` has no price; add an entry to interRegion"));
    assert_eq!(problems.lines().count(), 2);
}

/// Price sheets with these times.
fn with_times(times: &[(&str, Option<&str>)]) -> Result<PriceBook, Problems> {
    let (head, _) = EXAMPLE.split_once("priceSheets:").unwrap();
    let mut text = format!("{head}priceSheets:\n");
    for (index, (from, to)) in times.iter().enumerate() {
        let to = to.map_or(String::new(), |to| format!(", effectiveTo: {to}"));
        let prices = format!("intraRegion: [{{egress: 0.0{index}, ingress: 0.0{index}}}]");
        writeln!(text, "- {{name: s{index}, effectiveFrom: {from}{to}, {prices}}}").unwrap();
    }
    PriceBook::read("prices.yaml", &text)
}

#[test]
fn sheets_follow_each_other() {
    let book =
        with_times(&[("2026-03-01", None), ("2026-01-01", None), ("2026-02-01", None)]).unwrap();
    let here = link("a", "westeurope", "b", "westeurope");
    for (day, sheet) in [("2026-01-31", "s1"), ("2026-02-01", "s2"), ("2030-01-01", "s0")] {
        assert_eq!(book.prices(seconds(day), &here, Direction::Egress).unwrap().sheet, sheet);
    }
    assert!(book.prices(seconds("2025-12-31"), &here, Direction::Egress).is_err());
}

#[test]
fn gaps_and_overlaps_are_refused() {
    for (times, message) in [
        (
            &[("2026-01-01", Some("2026-02-01")), ("2026-02-02", None)],
            "17:29: no price sheet is in force from 2026-02-01T00:00:00Z to 2026-02-02T00:00:00Z",
        ),
        (
            &[("2026-01-01", Some("2026-03-01")), ("2026-02-01", None)],
            "17:29: price sheets `s0` and `s1` are in force together",
        ),
        (&[("2026-01-01", None), ("2026-01-01", None)], "`s0` and `s1` are in force together"),
        (&[("2026-01-01", None), ("2026-02-01", Some("2026-01-31"))], "ends before it begins"),
    ] {
        let problems = with_times(times).unwrap_err().to_string();
        assert!(problems.contains(message), "{problems}");
    }
    let none = with_times(&[]).unwrap_err().to_string();
    assert!(none.contains("price") && none.contains("prices.yaml:"), "{none}");
}

#[test]
fn tiers_go_up() {
    let tiers = |list: &str| {
        let with = format!("    ingress: 0.01\n    tiers: [{list}]\n");
        mended("    ingress: 0.01\n", &with)
    };
    let book = tiers("{above: 1.5, egress: 0.005, ingress: 0}").unwrap();
    let here = link("a", "westeurope", "b", "westeurope");
    let prices = book.prices(seconds("2026-01-01"), &here, Direction::Egress).unwrap();
    let expected = Tier { above: 1_500_000_000, unit_price: "0.005".parse().unwrap() };
    assert_eq!(prices.tiers[1], expected);
    for wrong in [
        "{above: 0, egress: 1, ingress: 1}",
        "{above: 2, egress: 1, ingress: 1}, {above: 2, egress: 1, ingress: 1}",
    ] {
        let problems = tiers(wrong).unwrap_err().to_string();
        assert!(problems.contains("does not begin above the one before it"), "{problems}");
    }
}

#[test]
fn json_is_read_like_yaml() {
    let document: Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let read = PriceBook::read("prices.json", &document.to_string()).unwrap();
    assert_eq!(read.sheets, example().sheets);
}

#[test]
fn lines_are_rounded_as_stated() {
    let up = mended("mode: HalfEven", "mode: HalfUp").unwrap();
    for (exact, even, half_up) in [
        ("0.005", "0.00", "0.01"),
        ("0.015", "0.02", "0.02"),
        ("-0.005", "0.00", "-0.01"),
        ("7", "7.00", "7.00"),
    ] {
        let exact: Decimal = exact.parse().unwrap();
        assert_eq!(example().round(exact).to_string().trim_start_matches('-'), even);
        assert_eq!(up.round(exact).to_string(), half_up);
    }
    let yen = PriceBook::read("p", &EXAMPLE.replace("USD", "JPY").replace("  decimals: 2 ", "  #"));
    assert_eq!(yen.unwrap().decimals, 0);
}

#[test]
fn the_schema_is_the_published_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema/prices.schema.json");
    let schema = format!("{:#}\n", PriceBook::schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == schema, "run the tests with UPDATE_SCHEMA=1 and commit {path}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = PriceBook::read("p", &text);
    }

    #[test]
    fn no_mutilated_file_makes_it_panic(at in 0..EXAMPLE.len(), len in 0..40_usize, with in "[\\-:{}\\[\\]0-9a-z~!&*'\"\n ]{0,8}") {
        let end = (at + len).min(EXAMPLE.len());
        let text = format!("{}{with}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        let _ = PriceBook::read("p", &text);
    }
}
