use std::collections::BTreeSet;

use super::*;

#[test]
fn every_code_is_explained_once() {
    let mut codes = BTreeSet::new();
    for it in all() {
        assert!(codes.insert(it.code.to_ascii_lowercase()), "{} is there twice", it.code);
        for text in [it.meaning, it.cause, it.fix] {
            assert!(!text.is_empty(), "{} lacks a text", it.code);
            assert!(!text.ends_with('.') && text.is_ascii(), "{}: {text}", it.code);
        }
    }
    assert_eq!(codes.len(), DropReason::ALL.len() + Finding::ALL.len());
}

#[test]
fn codes_are_found_in_any_case() {
    assert_eq!(find("noroute"), Some(of_drop(DropReason::NoRoute)));
    assert_eq!(find("PEERINGINITIATED"), Some(Finding::PeeringInitiated.explanation()));
    assert_eq!(find("nothing"), None);
}
