//! Nodes that differ in numbers only, and hang on the same others, as one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, EdgeKind, Node, Picture};

/// As many alike nodes become one.
const ALIKE_MIN: usize = 3;

/// What makes nodes alike: themselves without numbers, and their lines.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    shape: String,
    lines: Vec<(usize, bool, EdgeKind, String)>,
}

/// The same picture with alike nodes merged.
pub(super) fn merge(picture: &Picture) -> Picture {
    let mut lines: Vec<Vec<(usize, bool, EdgeKind, String)>> =
        vec![Vec::new(); picture.nodes.len()];
    for edge in &picture.edges {
        let label = without_numbers(&edge.label);
        for (at, other, leaves) in [(edge.from, edge.to, true), (edge.to, edge.from, false)] {
            if let Some(lines) = lines.get_mut(at) {
                // Who wrote the line down first does not matter where it leads both ways.
                let leaves = leaves && edge.kind == EdgeKind::Path;
                lines.push((other, leaves, edge.kind, label.clone()));
            }
        }
    }
    let mut classes: BTreeMap<Signature, Vec<usize>> = BTreeMap::new();
    for (index, (node, mut lines)) in picture.nodes.iter().zip(lines).enumerate() {
        lines.sort();
        classes.entry(Signature { shape: shape(node), lines }).or_default().push(index);
    }
    let mut stands_for: Vec<usize> = (0..picture.nodes.len()).collect();
    for class in classes.values().filter(|class| class.len() >= ALIKE_MIN) {
        let Some(first) = class.first() else { continue };
        for index in class {
            if let Some(it) = stands_for.get_mut(*index) {
                *it = *first;
            }
        }
    }
    rebuild(picture, &stands_for)
}

fn rebuild(picture: &Picture, stands_for: &[usize]) -> Picture {
    let mut merged = Picture { title: picture.title.clone(), ..Picture::default() };
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, (node, of)) in picture.nodes.iter().zip(stands_for).enumerate() {
        if let Some(first) = place.get(of).and_then(|at| merged.nodes.get_mut(*at)) {
            join(first, node);
        } else {
            place.insert(index, merged.nodes.len());
            merged.nodes.push(node.clone());
        }
    }
    let mut drawn = BTreeSet::new();
    for edge in &picture.edges {
        let at = |index: usize| stands_for.get(index).and_then(|of| place.get(of)).copied();
        let (Some(from), Some(to)) = (at(edge.from), at(edge.to)) else { continue };
        if drawn.insert((from, to, edge.kind)) {
            merged.edges.push(Edge { from, to, ..edge.clone() });
        }
    }
    for node in merged.nodes.iter_mut().filter(|node| node.count > 1) {
        node.title = format!("{} ({})", node.title, node.count);
    }
    merged
}

/// Makes a node stand for another one too.
fn join(first: &mut Node, other: &Node) {
    first.count += 1;
    let span = |text: &mut String, last: &str| {
        let begin = text.split(" … ").next().unwrap_or_default().to_owned();
        if begin != last {
            *text = format!("{begin} … {last}");
        }
    };
    span(&mut first.title, &other.title);
    for (note, last) in first.notes.iter_mut().zip(&other.notes) {
        span(note, last);
    }
    first.parts = Vec::new();
}

fn shape(node: &Node) -> String {
    let items = node.parts.iter().map(|part| part.items.len().to_string());
    let parts: Vec<String> = items.collect();
    let title = without_numbers(&node.title);
    format!("{:?}|{title}|{}|{}", node.kind, node.region, parts.join(","))
}

fn without_numbers(text: &str) -> String {
    text.chars().filter(|it| !it.is_ascii_digit()).collect()
}
