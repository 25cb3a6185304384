//! A reader for the part of YAML that documents are written in, many times as fast as one for all of it:
//! block mappings and lists, flow collections (so JSON too), plain and quoted scalars on one line,
//! comments.
//!
//! It never says what is wrong. At the first thing that it does not know for certain, mistakes and
//! everything unusual among them, it gives up, and the document is read by the parser for all of YAML.
//! Where it does not give up, the two give the same tree.

mod long;
#[cfg(test)]
mod tests;

use super::{Keeper, Kept, NODES_MAX, Node, Span, Value};

/// Deeper than any document needs; reading recurses.
const DEPTH_MAX: usize = 16;

/// YAML's limit for a key on one line is 1,024 characters.
const KEY_BYTES_MAX: usize = 1_000;

/// Reads `text`; `None` if that is for the other parser.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    read(text, None).map(|(node, _)| node)
}

/// The same, with elements that are known. Places begin where those of `before` end.
pub(super) fn parse_after<'t>(before: &'t Kept, text: &'t str) -> Option<(Node<'t>, Keeper<'t>)> {
    let (node, keeper) = read(text, Some(Keeper::new(before)))?;
    Some((node, keeper?))
}

fn read<'t>(text: &'t str, keeper: Option<Keeper<'t>>) -> Option<(Node<'t>, Option<Keeper<'t>>)> {
    // A value and what parts it from the next one take two bytes, so the limits of the other parser hold here.
    if text.len() / 2 >= NODES_MAX || !is_plain(text) {
        return None;
    }
    let base = keeper.as_ref().map_or(0, Keeper::first_place);
    let mut reader = Reader { text, at: 0, line: 0, base, keeper, path: 0, is_long: false };
    reader.next_token()?;
    let node = reader.block(None, 0)?;
    (reader.peek().is_none()).then_some((node, reader.keeper))
}

/// Most documents are of ASCII alone.
fn is_plain(text: &str) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\n' | b' '..=b'~');
    let mut blocks = text.as_bytes().chunks(64);
    blocks.all(|block| block.iter().fold(true, |all, byte| all & plain(byte)))
        || text.chars().all(is_plain_text)
}

/// Neither a control character nor a line break other than a line feed.
fn is_plain_text(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}')
}

struct Reader<'t> {
    text: &'t str,
    /// Where reading goes on.
    at: usize,
    /// Where the line of `at` begins.
    line: usize,
    /// The place of the beginning of the text.
    base: usize,
    keeper: Option<Keeper<'t>>,
    /// The names of the properties around what is read, as a hash.
    path: u64,
    /// Whether a list that begins here is long.
    is_long: bool,
}

impl<'t> Reader<'t> {
    /// The place of what is read next.
    fn place(&self) -> usize {
        self.base + self.at
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.text.as_bytes().get(offset).copied()
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn column(&self) -> usize {
        self.at - self.line
    }

    /// Whether a space, a line break or the end is at `offset`.
    fn is_blank(&self, offset: usize) -> bool {
        matches!(self.byte(offset), None | Some(b' ' | b'\n'))
    }

    /// Goes to the next token over spaces, comments and line breaks. Says whether it is on another line;
    /// `None` if something stands where only a comment may.
    fn next_token(&mut self) -> Option<bool> {
        let line = self.line;
        let mut spaced = self.at == self.line;
        loop {
            match self.peek() {
                Some(b' ') => {
                    self.at += 1;
                    spaced = true;
                }
                Some(b'\n') => {
                    self.at += 1;
                    self.line = self.at;
                    spaced = true;
                }
                Some(b'#') => {
                    if !spaced {
                        return None;
                    }
                    let rest = self.text.get(self.at..)?;
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return Some(self.line != line || self.peek().is_none()),
            }
        }
    }

    /// The next token after a value in a block: it is on another line and not more indented than `parent`.
    fn end_of_value(&mut self, parent: usize) -> Option<()> {
        let other_line = self.next_token()?;
        (other_line && (self.peek().is_none() || self.column() <= parent)).then_some(())
    }

    /// What begins here, in a block that belongs to a parent at column `parent`.
    fn block(&mut self, parent: Option<usize>, depth: usize) -> Option<Node<'t>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let column = self.column();
        if self.at_dash() {
            return self.list(column, depth);
        }
        let node = match self.peek()? {
            b'[' | b'{' => self.flow(parent, depth)?,
            _ => {
                let scalar = self.scalar(false)?;
                if self.at_colon() {
                    return self.mapping(column, scalar, depth);
                }
                scalar
            }
        };
        match parent {
            Some(parent) => self.end_of_value(parent)?,
            None => drop(self.next_token()?),
        }
        Some(node)
    }

    fn at_dash(&self) -> bool {
        self.peek() == Some(b'-') && self.is_blank(self.at + 1)
    }

    fn at_colon(&self) -> bool {
        self.peek() == Some(b':') && self.is_blank(self.at + 1)
    }

    /// A list whose dashes are at `column`.
    fn list(&mut self, column: usize, depth: usize) -> Option<Node<'t>> {
        if std::mem::take(&mut self.is_long) {
            return self.long_list(column, depth);
        }
        let offset = self.place();
        let mut items = Vec::new();
        while self.at_dash() && self.column() == column {
            self.enter_item(column)?;
            items.push(self.block(Some(column), depth + 1)?);
        }
        let end = items.last()?.span.end();
        Some(node(offset, end, Value::List(items)))
    }

    /// Goes from a dash to what it stands before.
    fn enter_item(&mut self, column: usize) -> Option<()> {
        self.at += 1;
        self.next_token()?;
        (self.peek().is_some() && self.column() > column).then_some(())
    }

    /// A list in the column of its key. The other parser lets it begin behind its first dash.
    fn list_below_key(&mut self, depth: usize) -> Option<Node<'t>> {
        let behind = self.text.get(self.at + 1..)?.trim_start_matches(' ');
        if behind.starts_with(['\n', '#']) {
            return None;
        }
        let list = self.list(self.column(), depth)?;
        let first = match &list.value {
            Value::List(items) => items.first()?.span.offset,
            Value::Elements(elements) => elements.first()?.span.offset,
            _ => return None,
        };
        Some(node(first, list.span.end(), list.value))
    }

    /// A mapping whose keys are at `column`, after the first key.
    fn mapping(&mut self, column: usize, first: Node<'t>, depth: usize) -> Option<Node<'t>> {
        let offset = first.span.offset;
        let mut entries = Vec::new();
        let mut key = first;
        loop {
            if key.span.len > KEY_BYTES_MAX {
                return None;
            }
            self.at += 1;
            let path = self.path;
            self.enter(&key, depth);
            let value = self.mapping_value(column, depth)?;
            self.path = path;
            entries.push((key, value));
            if self.peek().is_none() || self.column() < column {
                break;
            }
            if self.column() != column || self.at_dash() {
                return None;
            }
            key = self.scalar(false)?;
            if !self.at_colon() {
                return None;
            }
        }
        let end = entries.last()?.1.span.end();
        Some(node(offset, end, Value::Object(entries)))
    }

    /// The value after a colon. On the key's own line it is no list and no mapping; on the next lines a
    /// list may begin in the column of the key.
    fn mapping_value(&mut self, column: usize, depth: usize) -> Option<Node<'t>> {
        let other_line = self.next_token()?;
        self.peek()?;
        if other_line {
            return match self.column() {
                inside if inside > column => self.block(Some(column), depth + 1),
                same if same == column && self.at_dash() => self.list_below_key(depth + 1),
                _ => None,
            };
        }
        let value = match self.peek()? {
            b'[' | b'{' => self.flow(Some(column), depth + 1)?,
            _ => self.scalar(false)?,
        };
        self.end_of_value(column)?;
        Some(value)
    }

    /// The next token inside brackets; its line is indented more than the block around it.
    fn next_in_flow(&mut self, parent: Option<usize>) -> Option<u8> {
        let other_line = self.next_token()?;
        if other_line && parent.is_some_and(|parent| self.column() <= parent) {
            return None;
        }
        self.peek()
    }

    /// A list or an object in brackets.
    fn flow(&mut self, parent: Option<usize>, depth: usize) -> Option<Node<'t>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let offset = self.place();
        let close = if self.peek()? == b'[' { b']' } else { b'}' };
        let (mut items, mut entries) = (Vec::new(), Vec::new());
        self.at += 1;
        let mut token = self.next_in_flow(parent)?;
        while token != close {
            let item = self.flow_value(token, parent, depth)?;
            if close == b']' {
                items.push(item);
            } else {
                // Behind quotes a colon needs no space.
                let is_scalar = !matches!(item.value, Value::List(_) | Value::Object(_));
                let quoted = matches!(token, b'"' | b'\'');
                if !is_scalar || self.peek()? != b':' || !(quoted || self.at_colon()) {
                    return None;
                }
                self.at += 1;
                token = self.next_in_flow(parent)?;
                entries.push((item, self.flow_value(token, parent, depth)?));
            }
            token = self.next_in_flow(parent)?;
            if token == b',' {
                self.at += 1;
                token = self.next_in_flow(parent)?;
                if token == close {
                    return None;
                }
            } else if token != close {
                return None;
            }
        }
        self.at += 1;
        let value = if close == b']' { Value::List(items) } else { Value::Object(entries) };
        Some(node(offset, self.place(), value))
    }

    fn flow_value(&mut self, token: u8, parent: Option<usize>, depth: usize) -> Option<Node<'t>> {
        match token {
            b'[' | b'{' => self.flow(parent, depth + 1),
            _ => self.scalar(true),
        }
    }

    /// A scalar on one line; spaces after it are left.
    fn scalar(&mut self, in_flow: bool) -> Option<Node<'t>> {
        let offset = self.place();
        let value = match self.peek()? {
            quote @ (b'"' | b'\'') => self.quoted(quote)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'/' => self.plain(in_flow)?,
            _ => return None,
        };
        Some(node(offset, self.place(), value))
    }

    /// Text in quotes in which nothing is escaped.
    fn quoted(&mut self, quote: u8) -> Option<Value<'t>> {
        let rest = self.text.get(self.at + 1..)?;
        let special = |byte: &u8| *byte == quote || *byte == b'\n' || *byte == b'\\';
        let len = rest.bytes().position(|byte| special(&byte))?;
        let end = self.at + 1 + len;
        if self.byte(end)? != quote || self.byte(end + 1) == Some(quote) {
            return None;
        }
        self.at = end + 1;
        rest.get(..len).map(|text| Value::Text(text.into()))
    }

    /// Text without quotes.
    fn plain(&mut self, in_flow: bool) -> Option<Value<'t>> {
        let offset = self.at;
        let mut end = offset;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => break,
                b' ' => {
                    if self.byte(self.at + 1) == Some(b'#') {
                        break;
                    }
                    self.at += 1;
                    continue;
                }
                b':' if self.is_blank(self.at + 1) => break,
                b':' if in_flow && self.byte(self.at + 1).is_some_and(is_bracket) => return None,
                _ if in_flow && is_bracket(byte) => break,
                _ => {}
            }
            self.at += 1;
            end = self.at;
        }
        self.at = end;
        resolve(self.text.get(offset..end)?)
    }
}

fn node(offset: usize, end: usize, value: Value<'_>) -> Node<'_> {
    Node { span: Span { offset, len: end - offset }, value }
}

fn is_bracket(byte: u8) -> bool {
    matches!(byte, b',' | b'[' | b']' | b'{' | b'}')
}

/// What a plain scalar is; `None` where that takes YAML's rules for numbers. It begins with a letter, a
/// digit, `_` or `/`.
fn resolve(text: &str) -> Option<Value<'_>> {
    let is_digit = text.as_bytes().first()?.is_ascii_digit();
    let value = match text {
        "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if !is_digit || is_no_number(text) => Value::Text(text.into()),
        _ => Value::Number(Some(whole_number(text)?)),
    };
    Some(value)
}

/// Whether it has what no number has: two points, two dashes, a slash, a colon. Addresses and GUIDs do.
fn is_no_number(text: &str) -> bool {
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count();
    count(b'.') > 1 || count(b'-') > 1 || count(b'/') > 0 || count(b':') > 0
}

/// A number of decimal digits that begins with no superfluous zero.
fn whole_number(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok()?;
    (plain && (text == "0" || !text.starts_with('0'))).then_some(number)
}
