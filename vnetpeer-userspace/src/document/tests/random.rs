//! No input, however broken, may panic; and whatever is wrong has a place and a fix.

use proptest::prelude::*;

use super::{BASE, security::SECURED};
use crate::document::{Problems, Style, load};

/// Reads a document and looks at everything that it returns.
fn read(text: &str) {
    let problems = match load("random.yaml", text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason:\n{text}");
            problems
        }
    };
    look_at(&problems, text);
}

fn look_at(problems: &Problems, text: &str) {
    let lines = text.lines().count().max(1) + 1;
    for problem in problems {
        assert!(!problem.message.is_empty() && !problem.help.is_empty());
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}", problem.line);
        assert!(!problem.text.contains('\n'));
    }
    assert!(!problems.render(Style::Plain).is_empty());
    assert!(serde_json::to_value(problems).is_ok());
}

/// Names of properties, and one that is none.
const NAMES: &[&str] = &[
    "deployment",
    "virtualNetworks",
    "virtualNetworkPeerings",
    "networkInterfaces",
    "routeTables",
    "hosts",
    "name",
    "id",
    "location",
    "properties",
    "addressSpace",
    "addressPrefixes",
    "addressPrefix",
    "subnets",
    "routeTable",
    "remoteVirtualNetwork",
    "ipConfigurations",
    "subnet",
    "privateIPAddress",
    "primary",
    "routes",
    "nextHopType",
    "nextHopIpAddress",
    "underlay",
    "addresses",
    "interface",
    "internetUplinks",
    "networkSecurityGroups",
    "applicationSecurityGroups",
    "serviceTags",
    "networkManagers",
    "networkGroups",
    "conditions",
    "connectivityConfigurations",
    "commits",
    "securityRules",
    "networkSecurityGroup",
    "protocol",
    "access",
    "direction",
    "priority",
    "sourceAddressPrefix",
    "sourceAddressPrefixes",
    "sourceApplicationSecurityGroups",
    "destinationAddressPrefix",
    "sourcePortRange",
    "destinationPortRanges",
    "rules",
    "sources",
    "addressPrefixType",
    "x",
];

/// Values as they occur in documents, and some that do not.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let words = prop::sample::select(vec![
        "hub",
        "hub/web",
        "10.0.0.0/16",
        "10.0.1.0/24",
        "10.0.1.4",
        "fd00::/64",
        "fd00::4",
        "eth0",
        "VirtualAppliance",
        "IPv6",
        "Static",
        "all",
        "*",
        "80-90",
        "Tcp",
        "Inbound",
        "Allow",
        "Internet",
        "IPPrefix",
        "",
        "/subscriptions/x",
        "\u{0}\u{1f600}",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        words.prop_map(serde_json::Value::from),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    let names = prop::sample::select(NAMES);
    leaf.prop_recursive(8, 256, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|entries| {
                let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), value));
                serde_json::Value::Object(entries.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn random_text(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn random_yaml_tokens(tokens in prop::collection::vec(
        prop::sample::select(vec![
            "hosts", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "|", ">", "'",
            "\"", "#", "!t ", "---", "...", "? ", "<<", "%", "@", "\t", "\r", "é", "0x1", "~", "\\",
        ]),
        0..60,
    )) {
        read(&tokens.concat());
    }

    #[test]
    fn random_values(value in value()) {
        read(&value.to_string());
        read(&serde_saphyr::to_string(&value).unwrap_or_default());
    }

    #[test]
    fn random_damage(cut in 0..BASE.len(), len in 0usize..40, with in "[ -~\n]{0,6}") {
        let mut text = BASE.to_owned();
        let end = (cut + len).min(text.len());
        text.replace_range(cut..end, &with);
        read(&text);
    }

    #[test]
    fn random_damage_to_security_groups(
        cut in 0..SECURED.len(), len in 0usize..40, with in "[ -~\n]{0,6}"
    ) {
        let mut text = SECURED.to_owned();
        let end = (cut + len).min(text.len());
        text.replace_range(cut..end, &with);
        read(&text);
    }

    #[test]
    fn shuffled_values(picks in prop::collection::vec((0usize..400, 0usize..400), 1..6)) {
        for text in [BASE, SECURED] {
            let words: Vec<&str> = text.split_inclusive([' ', '\n', ',', '{', '}']).collect();
            let mut shuffled = words.clone();
            for (from, to) in &picks {
                shuffled[to % words.len()] = words[from % words.len()];
            }
            read(&shuffled.concat());
        }
    }
}
