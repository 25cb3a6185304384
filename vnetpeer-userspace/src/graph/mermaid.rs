//! Mermaid flowcharts, which GitHub and many wikis draw.

use std::fmt::Write as _;

use super::{EdgeKind, NodeKind, Picture};

/// The picture as a Mermaid flowchart.
pub fn draw(picture: &Picture) -> String {
    let mut text = format!("---\ntitle: {}\n---\nflowchart LR\n", escape(&picture.title));
    for (index, node) in picture.nodes.iter().enumerate() {
        let notes: Vec<String> = node.notes.iter().map(|it| escape(it)).collect();
        let title = escape(&node.title);
        let label = [title.clone(), escape(&node.region)]
            .into_iter()
            .chain(notes)
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join("<br/>");
        let (open, close) = match node.kind {
            NodeKind::Vnet => ("[", "]"),
            NodeKind::Group => ("([", "])"),
            NodeKind::Site => ("[/", "/]"),
        };
        if node.parts.is_empty() {
            let _ = writeln!(text, "    n{index}{open}\"{label}\"{close}");
            continue;
        }
        let _ = writeln!(text, "    subgraph n{index}[\"{label}\"]");
        for (number, part) in node.parts.iter().enumerate() {
            let lines = std::iter::once(&part.title).chain(&part.items);
            let lines: Vec<String> = lines.map(|it| escape(it)).collect();
            let _ = writeln!(text, "        n{index}s{number}[\"{}\"]", lines.join("<br/>"));
        }
        text.push_str("    end\n");
    }
    for edge in &picture.edges {
        let arrow = match edge.kind {
            EdgeKind::Connected => "<-->",
            EdgeKind::NotConnected => "x-.-x",
            EdgeKind::Member => "---",
            EdgeKind::Path => "==>",
            EdgeKind::Connection => "-.-",
        };
        let label = escape(&edge.label);
        let label = if label.is_empty() { label } else { format!("|\"{label}\"|") };
        let _ = writeln!(text, "    n{} {arrow}{label} n{}", edge.from, edge.to);
    }
    text
}

/// Quotes would end a label.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
