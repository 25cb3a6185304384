//! Rust source, split into its code and its comments.
//!
//! Not a parser: enough of Rust's lexical rules that a word in a string or a comment is not
//! taken for code, and a brace in a literal does not count.

/// The code and the comments of one file. Both views keep every line where it is in the file;
/// what does not belong to a view is blank there.
pub(super) struct Views {
    /// Without comments and without the content of literals.
    pub(super) code: String,
    /// Comments only, documentation included.
    pub(super) comments: String,
}

impl Views {
    /// Splits Rust source.
    pub(super) fn of(source: &str) -> Self {
        let mut scanner = Scanner {
            chars: source.chars().collect(),
            at: 0,
            views: Self { code: String::new(), comments: String::new() },
        };
        while scanner.peek(0).is_some() {
            scanner.step();
        }
        scanner.views
    }
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    views: Views,
}

impl Scanner {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.line_comment(),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if !self.is_inside_word() => self.raw_string(),
            (Some('\''), _) => self.character_or_lifetime(),
            _ => self.take(Part::Code, 1),
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.take(Part::Comment, 1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (Some(_), _) => {
                    self.take(Part::Comment, 1);
                    continue;
                }
                (None, _) => return,
            }
            self.take(Part::Comment, 2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(Part::Literal, 1);
        while let Some(c) = self.peek(0) {
            self.take(Part::Literal, if c == '\\' { 2 } else { 1 });
            if c == '"' {
                return;
            }
        }
    }

    /// `r"…"` and `r#"…"#`; a raw identifier such as `r#type` is code.
    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == Some('#') {
            hashes += 1;
        }
        if self.peek(1 + hashes) != Some('"') {
            return self.take(Part::Code, 1);
        }
        self.take(Part::Literal, 2 + hashes);
        while self.peek(0).is_some() {
            let is_end = self.peek(0) == Some('"')
                && (1..=hashes).all(|offset| self.peek(offset) == Some('#'));
            self.take(Part::Literal, if is_end { 1 + hashes } else { 1 });
            if is_end {
                return;
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            // The escaped character may be a quote itself, so the end is looked for after it.
            let mut end = 3;
            while self.peek(end).is_some_and(|c| c != '\'') {
                end += 1;
            }
            self.take(Part::Literal, end + 1);
        } else if self.peek(2) == Some('\'') {
            self.take(Part::Literal, 3);
        } else {
            self.take(Part::Code, 1);
        }
    }

    /// Whether a letter here continues a word; a byte or C string's prefix does not count.
    fn is_inside_word(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).and_then(|at| self.chars.get(at));
        let is_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        let is_prefix = matches!(before(1), Some('b' | 'c')) && !is_word(before(2));
        is_word(before(1)) && !is_prefix
    }

    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn take(&mut self, part: Part, count: usize) {
        for _ in 0..count {
            let Some(c) = self.peek(0) else { return };
            let blank = if c == '\n' { c } else { ' ' };
            let (code, comment) = match part {
                Part::Code => (c, blank),
                Part::Comment => (blank, c),
                Part::Literal => (blank, blank),
            };
            self.views.code.push(code);
            self.views.comments.push(comment);
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Views;

    fn code(source: &str) -> String {
        Views::of(source).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn views_keep_lines_in_place() {
        let source = "a /* one\ntwo */ b\n\"x\ny\" c // d\n";
        let views = Views::of(source);
        assert_eq!(views.code, "a       \n       b\n  \n   c     \n");
        assert_eq!(views.comments, "  /* one\ntwo */  \n  \n     // d\n");
    }

    #[test]
    fn block_comments_nest() {
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code("a /**/ b"), "a b");
        assert_eq!(code("a /* never closed"), "a");
    }

    #[test]
    fn strings_are_blank() {
        assert_eq!(code(r#"f("unsafe { \" }") + b"{" + c"}""#), "f( ) + b + c");
        assert_eq!(code(r"g('\\', b)"), "g( , b)");
        assert_eq!(code("\"// no comment\" a"), "a");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code(r###"a r##"{ "# } "## b"###), "a b");
        assert_eq!(code(r#"br"{" x"#), "b x");
        assert_eq!(code("let r#type = for_r;"), "let r#type = for_r;");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("['{', '\\'', '\\u{7d}', '}'] x"), "[ , , , ] x");
    }
}
