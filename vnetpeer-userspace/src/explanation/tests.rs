use std::{fs, path::Path};

use super::*;

/// What is said of a code is never empty, and reads alike everywhere.
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
    let drops = DropReason::ALL.iter().map(|it| it.name());
    let problems = Code::ALL.iter().map(|it| it.name());
    let findings = Finding::ALL.iter().map(|it| it.name());
    let errors = ErrorCode::ALL.iter().map(|it| it.name());
    let outcomes = Outcome::ALL.iter().map(|it| it.name());
    let every = drops.chain(problems).chain(findings).chain(errors).chain(outcomes);
    let every: BTreeSet<String> = every.map(str::to_ascii_lowercase).collect();
    assert_eq!(codes, every);
}

/// A code that is in two lists means the same in both, and is meant to.
#[test]
fn a_code_has_one_meaning() {
    let names: Vec<&str> = Code::ALL.iter().map(|it| it.name()).collect();
    let drops = DropReason::ALL.iter().map(|it| it.name()).filter(|it| names.contains(it));
    assert_eq!(drops.collect::<Vec<_>>(), ["RouteLoop"]);
    let errors = ErrorCode::ALL.iter().map(|it| it.name());
    let findings = Finding::ALL.iter().map(|it| it.name());
    let twice = errors.chain(findings).find(|it| names.contains(it));
    assert_eq!(twice, None);
}

#[test]
fn pages_are_about_codes_that_there_are() {
    let mut seen = BTreeSet::new();
    for code in pages::PAGES.iter().flat_map(|(_, codes)| *codes) {
        assert_eq!(find(code).map(|it| it.code), Some(*code), "{code}");
        assert!(seen.insert(code), "{code} has two pages");
    }
}

#[test]
fn codes_are_found_in_any_case() {
    assert_eq!(find("noroute"), Some(of_drop(DropReason::NoRoute)));
    assert_eq!(find("PEERINGINITIATED"), Some(Finding::PeeringInitiated.explanation()));
    assert_eq!(find("nothing"), None);
    assert_eq!(similar("NoRoutes"), Some("NoRoute"));
    assert_eq!(similar("quiteDifferent"), None);
}

#[test]
fn a_message_that_begins_with_a_code_or_has_one_in_brackets_names_it() {
    let cases = [
        ("ResourceNotFound: there is no peering `a/b`", Some("ResourceNotFound")),
        ("(AuthorizationFailed) The client 'shop' ...", Some("AuthorizationFailed")),
        ("nothing was changed:\nhost-a: PeeringIsManaged: ...", Some("PeeringIsManaged")),
        ("there is no virtual network `NoRoutes`", None),
        ("Delivered", None),
    ];
    for (message, code) in cases {
        assert_eq!(named_in(message), code, "{message}");
    }
}

/// Messages begin with a code as `Code: text`. Whoever writes a new one into the source is told here.
#[test]
fn every_code_that_a_message_begins_with_is_explained() {
    let mut found = BTreeSet::new();
    for_each_source(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |text| {
        for literal in text.split('"').skip(1) {
            let word = literal.split(": ").next().unwrap_or_default();
            let is_message = literal.len() > word.len();
            if is_message && is_camel_case(word) {
                found.insert(word.to_owned());
            }
        }
    });
    let unknown: Vec<&String> = found.iter().filter(|it| find(it).is_none()).collect();
    assert!(unknown.is_empty(), "not in the catalogue: {unknown:?}");
    assert!(found.contains("ChangingRemoteVirtualNetworkNotAllowed"), "{found:?}");
}

/// Two words or more, each with a capital letter, and nothing else.
fn is_camel_case(word: &str) -> bool {
    let capitals = word.bytes().filter(u8::is_ascii_uppercase).count();
    let is_name = word.bytes().all(|it| it.is_ascii_alphanumeric());
    let starts = word.bytes().next().is_some_and(|it| it.is_ascii_uppercase());
    is_name && starts && capitals > 1 && word.bytes().any(|it| it.is_ascii_lowercase())
}

fn for_each_source(directory: &Path, visit: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(directory).expect("the sources") {
        let path = entry.expect("the sources").path();
        if path.file_stem().is_some_and(|it| it == "tests") {
            continue;
        }
        if path.is_dir() {
            for_each_source(&path, visit);
        } else if path.extension().is_some_and(|it| it == "rs") {
            visit(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
