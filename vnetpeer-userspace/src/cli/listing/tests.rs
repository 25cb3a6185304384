//! What a list shows.

use clap::{Args as _, Command, FromArgMatches as _};
use serde_json::{Value, json};

use super::*;

fn listing(arguments: &[&str]) -> Listing {
    let command = Listing::augment_args(Command::new("list").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).unwrap();
    Listing::from_arg_matches(&matches).unwrap()
}

fn entries() -> Vec<Value> {
    (1..=12)
        .map(|it| {
            json!({
                "name": format!("spoke{it}"),
                "location": if it % 2 == 0 { "westeurope" } else { "northeurope" },
                "properties": {
                    "egressBytes": (it * 37) % 100,
                    "remoteVirtualNetwork": { "id": format!("/subscriptions/s/virtualNetworks/hub{it}") },
                    "prefixes": [format!("10.{it}.0.0/16"), "fd00::/48"],
                },
            })
        })
        .collect()
}

fn names(arguments: &[&str]) -> Vec<String> {
    let page = listing(arguments).select(entries()).unwrap();
    page.items.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn conditions_look_at_fields_of_the_entry_and_of_its_properties() {
    assert_eq!(names(&["--filter", "location=WestEurope"]).len(), 6);
    assert_eq!(names(&["--filter", "name=spoke1*"]), ["spoke1", "spoke10", "spoke11", "spoke12"]);
    assert_eq!(names(&["--filter", "name=*e*2"]), ["spoke2", "spoke12"]);
    assert_eq!(names(&["--filter", "remoteVirtualNetwork=hub7"]), ["spoke7"]);
    assert_eq!(names(&["--filter", "properties.prefixes=10.3.0.0/16"]), ["spoke3"]);
    assert_eq!(names(&["--filter", "egressBytes=37"]), ["spoke1"]);
    assert_eq!(
        names(&["--filter", "location=westeurope", "--filter", "name=spoke1*"]),
        ["spoke10", "spoke12"]
    );
}

#[test]
fn numbers_in_names_are_sorted_by_value() {
    let sorted = names(&["--sort", "name"]);
    assert_eq!(sorted[..3], ["spoke1", "spoke2", "spoke3"]);
    assert_eq!(sorted[9..], ["spoke10", "spoke11", "spoke12"]);
    assert_eq!(names(&["--sort", "-name"])[0], "spoke12");
    assert_eq!(names(&["--sort", "-egressBytes"])[0], "spoke8");
}

#[test]
fn pages_follow_one_another_and_say_what_is_left() {
    assert_eq!(names(&["--top", "5"]).len(), 5);
    assert_eq!(names(&["--skip", "10", "--top", "5"]), ["spoke11", "spoke12"]);
    let rest = |arguments: &[&str]| listing(arguments).select(entries()).unwrap().rest();
    assert_eq!(rest(&["--top", "5"]).unwrap(), "1 to 5 of 12; more with --skip 5");
    assert_eq!(rest(&["--skip", "10", "--top", "5"]).unwrap(), "11 to 12 of 12");
    assert_eq!(rest(&[]), None);
}

#[test]
fn a_field_that_no_entry_has_is_an_error() {
    for arguments in [["--filter", "colour=red"], ["--sort", "colour"]] {
        let error = listing(&arguments).select(entries()).unwrap_err().to_string();
        assert!(error.contains("no entry has the field `colour`"), "{error}");
        assert!(error.contains("egressBytes"), "{error}");
    }
    let none = listing(&["--filter", "colour=red"]).select(Vec::<Value>::new()).unwrap();
    assert!(none.items.is_empty());
}

#[test]
fn what_is_no_condition_is_refused() {
    let command = || Listing::augment_args(Command::new("list").no_binary_name(true));
    for arguments in [["--filter", "red"], ["--filter", "=red"], ["--sort", "-"]] {
        assert!(command().try_get_matches_from(arguments).is_err(), "{arguments:?}");
    }
}
