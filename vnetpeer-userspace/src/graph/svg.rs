//! Scalable Vector Graphics, for browsers and documents. Nothing in it is loaded from elsewhere.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Edge, EdgeKind, Node, NodeKind, Picture,
    layout::{LINE, PAD, Rect, chars_wide, lines, place},
};

/// Fill and border of the boxes of each region in turn.
const COLORS: [(&str, &str); 6] = [
    ("#e3eefa", "#4a7fb5"),
    ("#fdf0d9", "#b5834a"),
    ("#e4f4e4", "#4a9a55"),
    ("#f6e3f3", "#a2559a"),
    ("#e0f3f3", "#3f9297"),
    ("#f3eadf", "#8a6a4f"),
];

/// The picture as an SVG document.
pub fn draw(picture: &Picture) -> String {
    let (places, width, height) = place(picture);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    write_text(&mut text, PAD, PAD + LINE, &picture.title, "font-weight=\"bold\" font-size=\"16\"");
    let curves = curves(picture, &places);
    for (edge, curve) in &curves {
        line(&mut text, edge.kind, curve);
    }
    let regions = regions(picture);
    for (node, place) in picture.nodes.iter().zip(&places) {
        let color = regions.get(node.region.as_str()).copied().unwrap_or(0);
        boxed(&mut text, node, place, color);
    }
    for (edge, curve) in &curves {
        label(&mut text, &edge.label, curve);
    }
    text.push_str("</svg>\n");
    text
}

/// The number of each region, in the order of their first boxes.
fn regions(picture: &Picture) -> BTreeMap<&str, usize> {
    let mut regions = BTreeMap::new();
    for node in &picture.nodes {
        let next = regions.len();
        regions.entry(node.region.as_str()).or_insert(next);
    }
    regions
}

fn boxed(text: &mut String, node: &Node, place: &Rect, color: usize) {
    let Rect { x, y, width, height } = *place;
    let (fill, border) = match node.kind {
        NodeKind::Vnet => COLORS.get(color % COLORS.len()).copied().unwrap_or(("#fff", "#000")),
        NodeKind::Group | NodeKind::Site => ("#f2f2f2", "#777"),
    };
    let round = if node.kind == NodeKind::Group { height / 2.0 } else { 6.0 };
    let _ = writeln!(
        text,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\" \
         fill=\"{fill}\" stroke=\"{border}\"/>"
    );
    let mut at = y + PAD / 2.0 + LINE * 0.8;
    write_text(text, x + PAD, at, &node.title, "font-weight=\"bold\"");
    let region = Some(&node.region).filter(|it| !it.is_empty());
    for note in region.into_iter().chain(&node.notes) {
        at += LINE;
        write_text(text, x + PAD, at, note, "fill=\"#444\"");
    }
    at += PAD;
    for part in &node.parts {
        let tall = lines(1 + part.items.len()) + PAD;
        let inner = width - 2.0 * PAD;
        let _ = writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{at:.1}\" width=\"{inner:.1}\" height=\"{tall:.1}\" rx=\"4\" \
             fill=\"#fff\" stroke=\"{border}\" stroke-opacity=\"0.5\"/>",
            x + PAD
        );
        let mut inside = at + LINE;
        write_text(text, x + 1.5 * PAD, inside, &part.title, "fill=\"#444\"");
        for item in &part.items {
            inside += LINE;
            write_text(text, x + 2.0 * PAD, inside, item, "");
        }
        at += tall + PAD / 2.0;
    }
}

/// Where a line begins and ends, and how far it is drawn out of either end before it bends.
#[derive(Clone, Copy)]
struct Curve {
    begin: (f64, f64),
    end: (f64, f64),
    out: f64,
    back: f64,
}

impl Curve {
    /// Between the sides that face each other, or both on the right; `shift` below their middles.
    fn new(from: &Rect, to: &Rect, shift: f64) -> Self {
        let middle = |it: &Rect| it.y + it.height / 2.0 + shift;
        let right = |it: &Rect| it.x + it.width;
        let (begin, end, out, back) = if right(from) < to.x {
            let bend = (to.x - right(from)) / 2.0;
            (right(from), to.x, bend, -bend)
        } else if right(to) < from.x {
            let bend = (from.x - right(to)) / 2.0;
            (from.x, right(to), -bend, bend)
        } else {
            (right(from), right(to), 60.0, 60.0)
        };
        Self { begin: (begin, middle(from)), end: (end, middle(to)), out, back }
    }
}

/// The lines between the same two boxes run side by side.
fn curves<'p>(picture: &'p Picture, places: &[Rect]) -> Vec<(&'p Edge, Curve)> {
    let pair = |edge: &Edge| (edge.from.min(edge.to), edge.from.max(edge.to));
    let mut of_pair: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
    for edge in &picture.edges {
        of_pair.entry(pair(edge)).or_default().0 += 1.0;
    }
    let mut curves = Vec::with_capacity(picture.edges.len());
    for edge in &picture.edges {
        let (Some(from), Some(to)) = (places.get(edge.from), places.get(edge.to)) else { continue };
        let (count, before) = of_pair.entry(pair(edge)).or_default();
        let shift = (*before - (*count - 1.0) / 2.0) * 1.5 * LINE;
        *before += 1.0;
        curves.push((edge, Curve::new(from, to, shift)));
    }
    curves
}

fn line(text: &mut String, kind: EdgeKind, curve: &Curve) {
    let style = match kind {
        EdgeKind::Connected => "stroke=\"#2f6f3e\" stroke-width=\"1.5\"",
        EdgeKind::NotConnected => {
            "stroke=\"#c0392b\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\""
        }
        EdgeKind::Member => "stroke=\"#777\" stroke-dasharray=\"2 3\"",
        EdgeKind::Path => "stroke=\"#d98200\" stroke-width=\"2.5\" stroke-opacity=\"0.7\"",
        EdgeKind::Connection => "stroke=\"#555\" stroke-dasharray=\"8 3\"",
    };
    let Curve { begin: (x1, y1), end: (x2, y2), out, back } = *curve;
    let _ = writeln!(
        text,
        "<path d=\"M{x1:.1} {y1:.1} C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\" fill=\"none\" {style}/>",
        x1 + out,
        x2 + back
    );
}

/// In the middle of the line.
fn label(text: &mut String, label: &str, curve: &Curve) {
    if label.is_empty() {
        return;
    }
    let Curve { begin: (x1, y1), end: (x2, y2), out, back } = *curve;
    let wide = chars_wide(label.chars().count()) * 0.85;
    let x = f64::midpoint(x1, x2) + 0.375 * (out + back) - wide / 2.0;
    let halo = "font-size=\"11\" stroke=\"#fff\" stroke-width=\"4\" paint-order=\"stroke\"";
    write_text(text, x, f64::midpoint(y1, y2) - 4.0, label, halo);
}

fn write_text(text: &mut String, x: f64, y: f64, content: &str, style: &str) {
    let content = escape(content);
    let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{content}</text>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
