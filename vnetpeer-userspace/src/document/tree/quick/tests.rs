//! The quick reader against the parser for all of YAML.

use proptest::prelude::*;

use super::parse;
use crate::document::{
    problem::Findings,
    tree::{NODES_MAX, Node, Value, parse_any},
};

const EXAMPLES: [&str; 5] = [
    include_str!("../../../../../examples/dual-stack.yaml"),
    include_str!("../../../../../examples/quickstart.yaml"),
    include_str!("../../../../../examples/security-groups.yaml"),
    include_str!("../../../../../examples/service-chain.yaml"),
    include_str!("../../../../../examples/two-regions.yaml"),
];

/// What documents are made of, and what is next to it.
const PIECES: [&str; 58] = [
    "a",
    "b",
    "name",
    ": ",
    ":",
    ": ",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    "- ",
    "-",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    " ",
    " ",
    "#",
    " # c",
    "\"",
    "\"x\"",
    "'",
    "'y'",
    "\"k\":",
    "1",
    "0",
    "01",
    "4.5",
    "10.0.0.4",
    "10.0.0.0/16",
    "fd00::/8",
    "::",
    "1e3",
    "0x1f",
    "1_0",
    "true",
    "no",
    "null",
    "~",
    "x y",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "?",
    "%",
    "@",
    "\\",
    "\t",
    "\u{e4}",
    "---",
];

fn slow(text: &str) -> Option<Node<'static>> {
    parse_any(text, &mut Findings::default())
}

/// The two agree unless the quick reader gives up. Returns whether it did not.
fn agree(text: &str) -> bool {
    let quick = parse(text);
    if let Some(node) = &quick {
        assert!(values(node) <= text.len() / 2 + 1, "the limit of values assumes this: {text}");
        assert_eq!(quick, slow(text), "{text}");
    }
    quick.is_some()
}

/// How many values a tree has, as the other parser counts them.
fn values(node: &Node<'_>) -> usize {
    let inside: usize = match &node.value {
        Value::List(items) => items.iter().map(values).sum(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| values(key) + values(value)).sum()
        }
        _ => 0,
    };
    1 + inside
}

#[test]
fn a_document_of_100_000_interfaces_is_not_left_to_the_other_parser() {
    let text = format!("a: \"{}\"\n", "x".repeat(NODES_MAX + NODES_MAX / 2));
    assert!(parse(&text).is_some(), "few values in many bytes");
}

/// YAML in all the shapes that the quick reader takes.
const TAKEN: [&str; 15] = [
    "a: b",
    "# c\n\na: b # d\n# e\n",
    "a:\n  b: c\n  d:\n    e: 1\nf: true\n",
    "a:\n- b\n- c: d\n  e: f\n-   g\n",
    "a:\n  - - b\n    - c\n  -\n    d: e\n",
    "- a\n- b\n",
    "a:\n-   - b\n    - c: d\n-  \"e\"\nf: g\n",
    "a: [b, \"c\", 'd', [e], {f: g, \"h\":i}, []]\n",
    "a: [b,\n  c, # d\n  e\n  ]\nf: {g: h,\n    i: j}\n",
    "a: 9223372036854775807\nb:  true\n",
    "{\"a\": [1, 2],\n\"b\": {\"c\": null}}\n",
    "a: b c  # d\ne: f#g\nh: i:j\n",
    "a: 10.0.0.4\nb: 10.0.0.0/16\nc: 00000000-0000-0000-0000-000000000001\nd: fd00::/8\ne: 0\n",
    "\"a b\": 'c: d'\n",
    "a: x\u{e4}\u{20ac} y\n# \u{fc}\nb: \"\u{e4}\"",
];

/// What the other parser has to judge.
const LEFT: [&str; 25] = [
    "",
    "a:\n",
    "a:\n-\n  b\n",
    "a: b\n  c\n",
    "a: b\n c: d\n",
    "a: [b\n]\n",
    "a: [b, ]",
    "a: {b}",
    "a: {b:c}",
    "a: b: c",
    "a: &x b",
    "a: |\n  b\n",
    "a: \"b\\n\"",
    "a: 'b''c'",
    "a: \"b\n  c\"",
    "a: 1.5",
    "a: 0x1f",
    "a: 01",
    "a:\tb",
    "a: b\r\n",
    "---\na: b\n",
    "a: - b",
    "a: [b: c]",
    "a: \"b\"c",
    "a: [b]#c",
];

#[test]
fn ordinary_documents_are_read_quickly() {
    for text in EXAMPLES.into_iter().chain(TAKEN) {
        assert!(agree(text), "{text}");
    }
}

#[test]
fn everything_else_is_left_to_the_other_parser() {
    for text in LEFT {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn nesting_ends_where_the_stack_is_safe() {
    assert_eq!(parse(&"[".repeat(100_000)), None);
    assert_eq!(parse(&"- ".repeat(100_000)), None);
    assert_eq!(parse(&"{a: ".repeat(100_000)), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn pieces_in_any_order_are_read_alike(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 1..24),
    ) {
        agree(&pieces.concat());
    }

    #[test]
    fn documents_with_a_piece_too_many_are_read_alike(
        example in 0..EXAMPLES.len(),
        place in any::<prop::sample::Index>(),
        removed in 0_usize..4,
        piece in proptest::sample::select(&PIECES[..]),
    ) {
        let text = EXAMPLES[example];
        let start = text.floor_char_boundary(place.index(text.len()));
        let end = text.ceil_char_boundary((start + removed).min(text.len()));
        agree(&format!("{}{piece}{}", &text[..start], &text[end..]));
    }
}
