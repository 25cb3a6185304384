//! Graphviz's language.

use std::fmt::Write as _;

use super::{EdgeKind, NodeKind, Picture};

/// The picture as a Graphviz graph.
pub fn draw(picture: &Picture) -> String {
    let title = escape(&picture.title);
    let mut text = format!("graph \"{title}\" {{\n    label=\"{title}\"; rankdir=LR;\n");
    text.push_str("    node [fontname=\"sans-serif\" shape=box style=rounded];\n");
    for (index, node) in picture.nodes.iter().enumerate() {
        let parts = node.parts.iter().flat_map(|part| {
            let items = part.items.iter().map(|it| format!("    {it}"));
            std::iter::once(part.title.clone()).chain(items)
        });
        let lines = [node.title.clone(), node.region.clone()].into_iter();
        let lines: Vec<String> = lines
            .chain(node.notes.iter().cloned())
            .chain(parts)
            .filter(|it| !it.is_empty())
            .map(|it| escape(&it))
            .collect();
        let shape = match node.kind {
            NodeKind::Vnet => "",
            NodeKind::Group => " shape=ellipse",
            NodeKind::Site => " shape=house",
        };
        let _ = writeln!(text, "    n{index} [label=\"{}\\l\"{shape}];", lines.join("\\l"));
    }
    for edge in &picture.edges {
        let style = match edge.kind {
            EdgeKind::Connected => "dir=both",
            EdgeKind::NotConnected => "style=dashed color=red",
            EdgeKind::Member => "style=dotted",
            EdgeKind::Path => "dir=forward penwidth=2 color=orange",
            EdgeKind::Connection => "style=dashed",
        };
        let label = escape(&edge.label);
        let _ = writeln!(text, "    n{} -- n{} [label=\"{label}\" {style}];", edge.from, edge.to);
    }
    text.push_str("}\n");
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
