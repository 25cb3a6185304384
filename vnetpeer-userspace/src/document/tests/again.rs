//! A document that is read after another one is read as if there were no other.

use proptest::prelude::*;

use super::{BASE, security::SECURED};
use crate::{
    document::{Kept, Loaded, Problems, Style, load, load_after},
    topology::testing::Random,
};

const EXAMPLES: [&str; 6] = [
    BASE,
    SECURED,
    include_str!("../../../../examples/network-manager.yaml"),
    include_str!("../../../../examples/service-chain.yaml"),
    include_str!("../../../../examples/security-groups.yaml"),
    include_str!("../../../../examples/dual-stack.yaml"),
];

/// Everything that can be told of what was read.
fn told(read: &Result<Loaded, Problems>) -> String {
    let (topology, problems) = match read {
        Ok(loaded) => (format!("{:?}", loaded.topology), &loaded.warnings),
        Err(problems) => (String::new(), problems),
    };
    let json = serde_json::to_string(problems).unwrap();
    format!("{topology}\n{json}\n{}", problems.render(Style::Plain))
}

/// Reads a text with what is kept of those before, and without.
fn read(kept: &mut Kept, text: &str) -> bool {
    let (again, next) = match load_after(kept, "again.yaml", text) {
        Ok((loaded, next)) => (Ok(loaded), Some(next)),
        Err(problems) => (Err(problems), None),
    };
    assert_eq!(told(&again), told(&load("again.yaml", text)), "{text}");
    *kept = next.unwrap_or(std::mem::take(kept));
    again.is_ok()
}

/// The lines of an element of a list, if one begins in a line.
fn element(lines: &[String], first: usize) -> Option<std::ops::Range<usize>> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let column = indent(lines.get(first)?);
    lines[first].trim_start().starts_with("- ").then_some(())?;
    let rest = lines[first + 1..].iter();
    let len = rest.take_while(|line| line.trim().is_empty() || indent(line) > column).count();
    Some(first..first + 1 + len)
}

/// What somebody might do to a document, and then some.
fn change(random: &mut Random, lines: &mut Vec<String>) {
    let at = random.below(lines.len());
    let kind = random.below(9);
    let found = (at..lines.len()).find_map(|first| element(lines, first));
    match (kind, found) {
        (0, Some(element)) => drop(lines.drain(element)),
        (1, Some(element)) => {
            let copy: Vec<String> = lines[element.clone()].to_vec();
            lines.splice(element.end..element.end, copy);
        }
        (2, Some(element)) => {
            let mut copy: Vec<String> = lines[element.clone()].to_vec();
            if let Some(name) = copy.iter_mut().find(|line| line.contains("name: ")) {
                *name = name.replacen("name: ", "name: x", 1);
            }
            lines.splice(element.start..element.start, copy);
        }
        (3, Some(element)) => {
            let moved: Vec<String> = lines.drain(element).collect();
            let to = (0..=lines.len()).rev().find(|to| random.percent(10) || *to == 0);
            let to = to.unwrap_or_default();
            lines.splice(to..to, moved);
        }
        (4, _) => lines.insert(at, ["", "  # a note", "    "][random.below(3)].to_owned()),
        (5, _) => drop(lines.remove(at)),
        (6, _) => lines[at].push_str(["  # a note", " ", "x"][random.below(3)]),
        _ => {
            let digit = char::from(b'0' + u8::try_from(random.below(10)).unwrap());
            let place = lines[at].rfind(|c: char| c.is_ascii_digit());
            if let Some(place) = place {
                lines[at].replace_range(place..=place, &digit.to_string());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_document_after_others_is_read_as_if_it_were_the_first(seed: u64) {
        let mut random = Random(seed);
        let mut kept = Kept::default();
        for _ in 0..2 {
            let example = EXAMPLES[random.below(EXAMPLES.len())];
            let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
            prop_assert!(read(&mut kept, example));
            for _ in 0..12 {
                let before = lines.clone();
                for _ in 0..=random.below(2) {
                    change(&mut random, &mut lines);
                }
                let end = ["", "\n", "\n\n", "\n  # end"][random.below(4)];
                if !read(&mut kept, &(lines.join("\n") + end)) && random.percent(70) {
                    lines = before;
                }
            }
        }
    }
}

#[test]
fn places_in_known_elements_are_where_the_elements_are_now() {
    let mut kept = Kept::default();
    assert!(read(&mut kept, BASE));
    let moved = format!("# one more line\n{BASE}");
    assert!(read(&mut kept, &moved));
    // The second of two equal elements is wrong, and the first is told of.
    let first = moved.find("  - ").unwrap();
    let element: String = moved[first..].split_inclusive('\n').take(1).collect();
    let rest: Vec<&str> = moved[first + element.len()..].split_inclusive('\n').collect();
    let inside = rest.iter().take_while(|line| line.starts_with("    ")).copied();
    let element = element + &inside.collect::<String>();
    let twice = moved.replacen(&element, &element.repeat(2), 1);
    assert!(!read(&mut kept, &twice));
}

#[test]
fn a_reference_that_was_followed_before_is_followed_anew() {
    let mut kept = Kept::default();
    assert!(read(&mut kept, BASE));
    // Another subnet of the name that a network interface gives.
    let other = "addressSpace: {addressPrefixes: [10.2.0.0/16]}";
    assert!(BASE.contains(other) && BASE.contains("subnet: {id: app}"));
    let subnet = "subnets: [{name: app, properties: {addressPrefix: 10.2.1.0/24}}]";
    let ambiguous = BASE.replacen(other, &format!("{other}\n      {subnet}"), 1);
    assert!(!read(&mut kept, &ambiguous));
    // The subnet that it meant is gone, and another has its name.
    let renamed = BASE.replace("spoke", "branch");
    assert!(read(&mut kept, &renamed));
    let missing = BASE.replacen("- name: app", "- name: apps", 1);
    assert!(!read(&mut kept, &missing));
    assert!(read(&mut kept, BASE));
}
