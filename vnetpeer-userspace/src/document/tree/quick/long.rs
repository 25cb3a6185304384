//! Lists with elements that may be known, since they are written as in the document before.

use super::{
    super::{Element, SlotOf},
    Node, Reader, Span, Value, node,
};
use crate::document::kept::Context;

/// Properties inside of elements that are lists with hundreds of elements themselves.
const LONG_LISTS: [&str; 4] = ["networkInterfaces", "staticMembers", "securityRules", "routes"];

impl<'t> Reader<'t> {
    /// The same with elements that are kept for the next text.
    pub(super) fn long_list(&mut self, column: usize, depth: usize) -> Option<Node<'t>> {
        let offset = self.place();
        let mut elements = Vec::new();
        while self.at_dash() && self.column() == column {
            self.enter_item(column)?;
            elements.push(self.element(column, depth + 1)?);
        }
        let end = elements.last()?.span.end();
        Some(node(offset, end, Value::Elements(elements)))
    }

    fn element(&mut self, column: usize, depth: usize) -> Option<Element<'t>> {
        let start = self.at;
        let context = Context { path: self.path, depth, column: self.column() };
        if let Some(element) = self.known_element(context, column) {
            return Some(element);
        }
        let number = self.keeper.as_mut()?.begin(context, start);
        let path = self.path;
        let node = self.block(Some(column), depth)?;
        self.path = path;
        let slot = SlotOf(self.keeper.as_mut()?.end(number, self.at, node.span.len));
        Some(Element { span: node.span, node: Some(node), slot })
    }

    /// An element that is written as before: it is the same if what comes after it is a token that ends it.
    fn known_element(&mut self, context: Context, column: usize) -> Option<Element<'t>> {
        let (start, place) = (self.at, self.place());
        let keeper = self.keeper.as_mut()?;
        let found = keeper.find(context, self.text, start)?;
        let end = start + found.written.len();
        let last_line = found.written.rfind('\n').map(|offset| start + offset + 1);
        let next = self.text.as_bytes().get(end);
        let is_end = match (next, last_line) {
            (None, _) => true,
            (Some(b' ' | b'\n' | b'#'), _) | (_, None) => false,
            (Some(_), Some(line)) => end - line <= column,
        };
        if !is_end {
            return None;
        }
        let slot = SlotOf(keeper.reuse(&found, start));
        self.at = end;
        self.line = last_line.unwrap_or(self.line);
        let span = Span { offset: place, len: found.len };
        Some(Element { span, node: None, slot })
    }

    /// Notes what property comes.
    pub(super) fn enter(&mut self, key: &Node<'_>, depth: usize) {
        let name = if let Value::Text(name) = &key.value { name.as_ref() } else { "" };
        let bytes = name.bytes().chain([b'/']);
        // FNV-1a.
        self.path = bytes.fold(self.path ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.is_long = self.keeper.is_some() && (depth == 0 || LONG_LISTS.contains(&name));
    }
}
