//! Where boxes go: in columns by their distance from the box with the most lines, those without a line to
//! it below.

use super::{Node, Picture};

/// Width of a character and height of a line of text, in pixels.
pub(super) const CHAR: f64 = 7.0;
pub(super) const LINE: f64 = 17.0;
/// Space around texts and between boxes.
pub(super) const PAD: f64 = 10.0;
/// Space between columns: lines and their labels need it.
const GAP: (f64, f64) = (90.0, 320.0);
/// As many boxes are in one column.
const COLUMN_MAX: usize = 8;

/// A place on the sheet, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The places of all nodes, in their order, and the size of the sheet.
pub(super) fn place(picture: &Picture) -> (Vec<Rect>, f64, f64) {
    let mut places: Vec<Rect> = picture.nodes.iter().map(size).collect();
    let neighbors = neighbors(picture);
    let gap = gap(picture);
    let mut done = vec![false; places.len()];
    let (mut top, mut width) = (PAD + 2.0 * LINE, 0.0_f64);
    while let Some(start) = center(&neighbors, &done) {
        let columns = columns(start, &neighbors, &mut done);
        let heights = columns.iter().map(|column| height(column, &places));
        let tallest = heights.fold(0.0, f64::max);
        let mut x = PAD;
        for column in &columns {
            let mut y = top + (tallest - height(column, &places)) / 2.0;
            let mut widest = 0.0_f64;
            for index in column {
                let Some(place) = places.get_mut(*index) else { continue };
                (place.x, place.y) = (x, y);
                y += place.height + 2.0 * PAD;
                widest = widest.max(place.width);
            }
            x += widest + gap;
        }
        width = width.max(x - gap + PAD);
        top += tallest + 3.0 * PAD;
    }
    (places, width, top)
}

/// The size of a box, at the origin.
fn size(node: &Node) -> Rect {
    let inside = node.parts.iter().flat_map(|part| std::iter::once(&part.title).chain(&part.items));
    let texts = [&node.title, &node.region].into_iter().chain(&node.notes).chain(inside);
    let chars = texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let head = 1 + usize::from(!node.region.is_empty()) + node.notes.len();
    let parts: f64 = node.parts.iter().map(|part| lines(1 + part.items.len()) + 1.5 * PAD).sum();
    Rect {
        width: chars_wide(chars) + 4.0 * PAD,
        height: lines(head) + parts + 1.5 * PAD,
        ..Rect::default()
    }
}

/// The space between columns that the longest label takes.
fn gap(picture: &Picture) -> f64 {
    let longest = picture.edges.iter().map(|it| it.label.chars().count()).max().unwrap_or(0);
    (chars_wide(longest) + 2.0 * PAD).clamp(GAP.0, GAP.1)
}

/// The height of so many lines of text.
pub(super) fn lines(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * LINE
}

/// The width of so many characters.
pub(super) fn chars_wide(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * CHAR
}

fn neighbors(picture: &Picture) -> Vec<Vec<usize>> {
    let mut neighbors = vec![Vec::new(); picture.nodes.len()];
    for edge in &picture.edges {
        for (at, other) in [(edge.from, edge.to), (edge.to, edge.from)] {
            if let Some(list) = neighbors.get_mut(at).filter(|_| at != other) {
                list.push(other);
            }
        }
    }
    for list in &mut neighbors {
        list.sort_unstable();
        list.dedup();
    }
    neighbors
}

/// The box with the most neighbours that has no place yet; the first of several.
fn center(neighbors: &[Vec<usize>], done: &[bool]) -> Option<usize> {
    let free = neighbors.iter().zip(done).enumerate().filter(|(_, (_, done))| !**done);
    free.max_by_key(|(index, (list, _))| (list.len(), usize::MAX - index)).map(|(index, _)| index)
}

/// Boxes by their distance from the first.
fn columns(start: usize, neighbors: &[Vec<usize>], done: &mut [bool]) -> Vec<Vec<usize>> {
    let mut take =
        |index: usize| done.get_mut(index).is_some_and(|it| !std::mem::replace(it, true));
    take(start);
    let mut columns = Vec::new();
    let mut column = vec![start];
    while !column.is_empty() {
        let around = column.iter().filter_map(|index| neighbors.get(*index)).flatten().copied();
        let next: Vec<usize> = around.filter(|index| take(*index)).collect();
        columns.extend(column.chunks(COLUMN_MAX).map(<[usize]>::to_vec));
        column = next;
    }
    columns
}

fn height(column: &[usize], places: &[Rect]) -> f64 {
    let heights = column.iter().filter_map(|index| places.get(*index)).map(|it| it.height);
    heights.map(|height| height + 2.0 * PAD).sum()
}
