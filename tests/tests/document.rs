//! The topology document as its readers meet it: the examples, the committed JSON Schema, and the
//! errors of a document with ten mistakes.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::PathBuf};

use serde_json::Value;
use vnetpeer_userspace::document::{self, Style};

#[path = "document/schema.rs"]
mod schema;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file next to these tests.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/document").join(name)
}

fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository("examples")).expect("examples/ exists");
    let paths = entries.map(|entry| entry.expect("examples/ is readable").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    // Prices are no document.
    paths.retain(|path| path.file_name().is_some_and(|name| name != "prices.yaml"));
    paths.sort();
    assert!(paths.len() >= 5, "examples are missing: {paths:?}");
    paths
}

/// A document as plain values, as an editor sees it.
fn values(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the document is YAML")
}

/// Compares with a committed file; `variable=1` in the environment writes it instead.
fn assert_committed(path: &std::path::Path, current: &str, variable: &str) {
    if std::env::var_os(variable).is_some() {
        fs::write(path, current).expect("the committed file is writable");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "{} is out of date; {variable}=1 writes it. Now it would be:\n{current}",
        path.display()
    );
}

#[test]
fn every_example_loads_without_warnings() {
    for path in examples() {
        match document::read(&path) {
            Ok(loaded) => {
                assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
                assert!(!loaded.topology.nics.is_empty(), "{} shows nothing", path.display());
            }
            Err(problems) => panic!("{problems}"),
        }
    }
}

#[test]
fn every_example_is_the_same_document_in_json() {
    for path in examples() {
        let text = fs::read_to_string(&path).expect("examples are readable");
        let json = serde_json::to_string_pretty(&values(&text)).expect("values are JSON");
        let yaml = document::load("yaml", &text).expect("the example loads");
        let json = document::load("json", &json).expect("the example loads as JSON");
        assert_eq!(format!("{:?}", yaml.topology), format!("{:?}", json.topology));
    }
}

#[test]
fn committed_schema_is_current() {
    let mut current = serde_json::to_string_pretty(&document::schema()).expect("a schema is JSON");
    current.push('\n');
    assert_committed(&repository("docs/schema/topology.schema.json"), &current, "UPDATE_SCHEMA");
}

#[test]
fn every_example_fits_the_schema() {
    let validator = schema::Validator::new(document::schema());
    for path in examples() {
        let text = fs::read_to_string(&path).expect("examples are readable");
        assert_eq!(validator.errors(&values(&text)), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn schema_refuses_what_the_decoder_refuses() {
    let validator = schema::Validator::new(document::schema());
    let text = fs::read_to_string(fixture("ten-mistakes.yaml")).expect("the fixture exists");
    let errors = validator.errors(&values(&text)).join("\n");
    for property in ["allowForwardedTrafic", "dhcpOptions", "enableIPForwarding"] {
        assert!(errors.contains(property), "{property} is not refused:\n{errors}");
    }
}

#[test]
fn schema_and_decoder_refuse_the_same_rules() {
    let validator = schema::Validator::new(document::schema());
    let path = repository("examples/security-groups.yaml");
    let example = fs::read_to_string(path).expect("the example exists");
    for (from, to) in [
        ("priority: 100", "priority: 99"),
        ("priority: 10\n", "priority: 0\n"),
        ("flowTimeoutInMinutes: 20", "flowTimeoutInMinutes: 31"),
        ("[80, 443]", "[80, 65536]"),
        ("            sourcePortRange: \"*\"\n", ""),
        ("            sourceAddressPrefix: Internet\n", ""),
        ("                        sourcePortRanges: [\"*\"]\n", ""),
        ("access: AlwaysAllow", "access: Always"),
    ] {
        assert!(example.contains(from), "the example has no {from:?}");
        let text = example.replacen(from, to, 1);
        assert_eq!(validator.errors(&values(&text)).len(), 1, "after {from:?} became {to:?}");
        let problems = document::load("changed", &text).expect_err("the decoder refuses it");
        assert_eq!(problems.len(), 1, "{problems}");
    }
}

/// Property names of the schema, each tried in the decoder: one that is missing there would be an
/// unknown property.
#[test]
fn decoder_knows_every_property_of_the_schema() {
    let validator = schema::Validator::new(document::schema());
    let documents = validator.documents();
    assert!(documents.len() > 100, "only {} properties were tried", documents.len());
    for (property, document) in documents {
        let text = document.to_string();
        let Err(problems) = document::load("property", &text) else { continue };
        let unknown = problems.iter().find(|one| one.message.contains("unknown property"));
        assert!(unknown.is_none(), "{property} is not known to the decoder: {text}");
    }
}

#[test]
fn ten_mistakes_are_ten_errors_with_places_and_fixes() {
    let text = fs::read_to_string(fixture("ten-mistakes.yaml")).expect("the fixture exists");
    let problems = document::load("ten-mistakes.yaml", &text).expect_err("it has mistakes");

    let seen: Vec<(String, usize, &str)> =
        problems.iter().map(|one| (one.code.to_string(), one.line, one.text.as_str())).collect();
    let expected = [
        ("NetcfgInvalidSubnet", 13, "10.9.0.0/24"),
        ("NotSupportedYet", 17, "dhcpOptions"),
        ("InvalidCIDRNotation", 29, "10.3.0.5/16"),
        ("UnknownProperty", 33, "allowForwardedTrafic"),
        ("VnetAddressSpacesOverlap", 35, "spoke2"),
        ("InvalidResourceReference", 37, "spoke4"),
        ("InvalidNextHopIpAddress", 44, "VirtualAppliance"),
        ("PrivateIPAddressInReservedRange", 51, "10.0.1.1"),
        ("InvalidPropertyType", 54, "\"yes\""),
        ("NetworkInterfaceNotPlaced", 58, "forgotten-vm"),
    ];
    assert_eq!(seen, expected.map(|(code, line, text)| (code.to_owned(), line, text)));
    assert!(problems.iter().all(|one| !one.help.is_empty()), "a fix is missing");

    let plain = problems.render(Style::Plain);
    assert_committed(&fixture("ten-mistakes.txt"), &plain, "UPDATE_SNAPSHOT");
}

#[test]
fn problems_are_the_same_in_json() {
    let text = fs::read_to_string(fixture("ten-mistakes.yaml")).expect("the fixture exists");
    let problems = document::load("ten-mistakes.yaml", &text).expect_err("it has mistakes");
    let json = serde_json::to_value(&problems).expect("problems are JSON");
    let first = serde_json::json!({
        "code": "NetcfgInvalidSubnet",
        "severity": "error",
        "message": "the prefix 10.9.0.0/24 of subnet `outside` is not inside the address space of \
                    virtualNetwork `hub`",
        "file": "ten-mistakes.yaml",
        "line": 13,
        "column": 39,
        "text": "10.9.0.0/24",
        "help": "choose a prefix inside 10.0.0.0/16 or fd00:10::/48, or add 10.9.0.0/24 to the \
                 address space",
    });
    assert_eq!(json[0], first);
    assert_eq!(json.as_array().map(Vec::len), Some(10));
}

#[test]
fn missing_file_is_a_problem_like_any_other() {
    let problems = document::read("no/such/file.yaml".as_ref()).expect_err("there is no file");
    let problem = problems.iter().next().expect("there is one problem");
    assert_eq!(problem.code, document::Code::FileNotReadable);
    assert_eq!(problem.file, "no/such/file.yaml");
    assert!(problems.to_string().contains("no/such/file.yaml cannot be read"));
}
