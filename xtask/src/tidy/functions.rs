//! Where the functions of a Rust file are and how long.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// The line of its `fn`, from one.
    pub(super) line: usize,
    /// Lines from that one to the closing brace.
    pub(super) length: usize,
}

/// Lists all functions in the code view of a file, nested ones and methods included.
pub(super) fn functions(code: &str) -> impl Iterator<Item = Function<'_>> {
    code.match_indices("fn ").filter_map(move |(start, keyword)| {
        let before = code.get(..start)?;
        let item = code.get(start + keyword.len()..)?;
        if before.ends_with(is_word) {
            return None;
        }
        // A pointer type has no name, a function that a macro writes has `$name`.
        let name = item.split(|c| !is_word(c)).next().filter(|name| !name.is_empty())?;
        let body = item.get(..body_end(item)?)?;
        let line = 1 + newlines(before);
        Some(Function { name, line, length: 1 + newlines(body) })
    })
}

/// Where the body's closing brace is; none for a declaration, which ends with a semicolon.
fn body_end(item: &str) -> Option<usize> {
    // Parentheses and brackets of the signature: the semicolon of `[u8; 4]` ends nothing.
    let mut nesting = 0;
    let mut braces = 0;
    for (at, c) in item.char_indices() {
        match c {
            '(' | '[' if braces == 0 => nesting += 1,
            ')' | ']' if braces == 0 => nesting -= 1,
            ';' if braces == 0 && nesting == 0 => return None,
            '{' if nesting == 0 => braces += 1,
            '}' if nesting == 0 => braces -= 1,
            _ => continue,
        }
        if c == '}' && braces == 0 && nesting == 0 {
            return Some(at);
        }
    }
    None
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::functions;

    fn lengths(code: &str) -> Vec<(&str, usize, usize)> {
        functions(code).map(|found| (found.name, found.line, found.length)).collect()
    }

    #[test]
    fn a_function_counts_from_its_keyword_to_its_closing_brace() {
        assert_eq!(lengths("fn one() {}\n"), [("one", 1, 1)]);
        assert_eq!(
            lengths("#[x]\npub(crate) const fn two(\n    a: u8,\n) -> u8 {\n    a\n}\n"),
            [("two", 2, 5)]
        );
    }

    #[test]
    fn inner_braces_do_not_end_a_function() {
        assert_eq!(
            lengths("fn a() {\n if b { c() } else { d() }\n}\nfn e() {\n}\n"),
            [("a", 1, 3), ("e", 4, 2)]
        );
    }

    #[test]
    fn nested_functions_and_methods_count_for_themselves() {
        assert_eq!(
            lengths("impl T {\n fn a() {\n  fn b() {\n  }\n }\n}\n"),
            [("a", 2, 4), ("b", 3, 2)]
        );
    }

    #[test]
    fn declarations_have_no_length() {
        assert_eq!(lengths("trait T {\n fn a(x: [u8; 4]);\n fn b() {\n }\n}\n"), [("b", 3, 2)]);
        assert_eq!(lengths("fn c() -> [u8; 4] {\n [0; 4]\n}\n"), [("c", 1, 3)]);
    }

    #[test]
    fn only_the_keyword_starts_a_function() {
        assert_eq!(lengths("type F = fn (u8); let often = 1; let defn = {};\n"), []);
        assert_eq!(lengths("macro_rules! m { ($n:ident) => { fn $n() {} } }\n"), []);
        assert_eq!(lengths("fn never_closed() {\n"), []);
    }
}
