//! The rules themselves: each looks at one file and says where it is broken.

use super::{
    FOLDERS_WITHOUT_AYA, Finding, LONG_FILES, MARKS, MAX_FILE_LINES, MAX_FUNCTION_LINES,
    UNSAFE_FILES, files::File, functions::functions, views::Views,
};

/// Applies every rule that is for files of this kind.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut found = Found { path: &file.path, findings: Vec::new() };
    trailing_whitespace(&file.text, &mut found);
    if file.is_rust() {
        let views = Views::of(&file.text);
        marks(&views.comments, &mut found);
        file_length(&file.text, &mut found);
        function_lengths(&views.code, &mut found);
        words(&views.code, &mut found);
    } else {
        marks(&file.text, &mut found);
    }
    if file.is_manifest() {
        lints(&file.text, &mut found);
    }
    found.findings
}

struct Found<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, line: usize, message: impl Into<String>) {
        self.findings.push(Finding { path: self.path.to_owned(), line, message: message.into() });
    }
}

fn trailing_whitespace(text: &str, found: &mut Found<'_>) {
    for (line, content) in numbered(text) {
        if content.ends_with(char::is_whitespace) {
            found.add(line, "whitespace at the end of the line");
        }
    }
}

fn marks(text: &str, found: &mut Found<'_>) {
    for (line, content) in numbered(text) {
        if let Some(mark) = MARKS.iter().find(|mark| has_word(content, mark)) {
            found.add(line, format!("`{mark}`: finish it, or open an issue"));
        }
    }
}

fn file_length(text: &str, found: &mut Found<'_>) {
    let length = text.lines().count();
    if length > MAX_FILE_LINES && !LONG_FILES.contains(&found.path) {
        found.add(MAX_FILE_LINES + 1, format!("{length} lines, more than {MAX_FILE_LINES}"));
    }
}

fn function_lengths(code: &str, found: &mut Found<'_>) {
    for function in functions(code).filter(|function| function.length > MAX_FUNCTION_LINES) {
        let (name, length) = (function.name, function.length);
        found.add(function.line, format!("`{name}` has {length} lines of {MAX_FUNCTION_LINES}"));
    }
}

fn words(code: &str, found: &mut Found<'_>) {
    let may_be_unsafe = UNSAFE_FILES.contains(&found.path);
    let may_know_aya = !FOLDERS_WITHOUT_AYA.iter().any(|folder| found.path.starts_with(folder));
    for (line, content) in numbered(code) {
        if !may_be_unsafe && has_word(content, "unsafe") {
            found.add(line, "`unsafe` outside of the files that may have it");
        }
        if !may_know_aya && has_word(content, "aya") {
            found.add(line, "`aya` in the pure half of user space");
        }
        if content.contains("#[ignore") {
            found.add(line, "an ignored test: let it say at run time what it misses");
        }
    }
}

fn lints(manifest: &str, found: &mut Found<'_>) {
    let mut lines = manifest.lines().map(str::trim);
    let is_package = lines.clone().any(|line| line == "[package]");
    let opts_in = lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true");
    if is_package && !opts_in {
        found.add(1, "the workspace's lints do not apply: add `[lints]` with `workspace = true`");
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.split_terminator('\n'))
}

/// Whether the text has the word with no letter, digit or underscore on either side.
fn has_word(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, found)| {
        let (before, after) = (text.get(..at), text.get(at + found.len()..));
        !before.is_some_and(|text| text.ends_with(is_word))
            && !after.is_some_and(|text| text.starts_with(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::{File, MARKS, MAX_FILE_LINES, MAX_FUNCTION_LINES, check};

    /// The lines where a file with this text breaks a rule.
    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_finding_names_its_place() {
        let file = File { path: "a/b.rs".to_owned(), text: "\nunsafe {}\n".to_owned() };
        let findings: Vec<String> = check(&file).iter().map(ToString::to_string).collect();
        assert_eq!(findings, ["a/b.rs:2: `unsafe` outside of the files that may have it"]);
    }

    #[test]
    fn unsafe_is_for_listed_files() {
        let text = "fn f() {\n    unsafe { g() }\n}\n// unsafe\n#![deny(unsafe_code)]\n";
        assert_eq!(lines("vnetpeer-common/src/lib.rs", text), [2]);
        assert_eq!(lines("vnetpeer-ebpf/src/frame.rs", text), []);
    }

    #[test]
    fn the_pure_half_does_not_know_aya() {
        let text = "//! Not aya.\nuse aya::Ebpf;\n";
        assert_eq!(lines("vnetpeer-userspace/src/topology/plan.rs", text), [2]);
        assert_eq!(lines("vnetpeer-userspace/src/dataplane/maps.rs", text), []);
    }

    #[test]
    fn marks_are_found_in_comments_and_prose() {
        for mark in MARKS {
            assert_eq!(lines("a.rs", &format!("f();\ng(); // {mark}: h\n")), [2]);
            assert_eq!(lines("a.rs", &format!("let a = \"{mark}\";\n")), []);
            assert_eq!(lines("a.md", &format!("Text.\n{mark}\n")), [2]);
            assert_eq!(lines("a.md", &format!("a name: A{mark}B\n")), []);
        }
    }

    #[test]
    fn tests_are_not_ignored() {
        assert_eq!(lines("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"), [2]);
    }

    #[test]
    fn long_functions_and_files_are_found() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert_eq!(lines("a.rs", &function(MAX_FUNCTION_LINES)), []);
        assert_eq!(lines("a.rs", &function(MAX_FUNCTION_LINES + 1)), [1]);
        let file = |lines: usize| "// one\n".repeat(lines);
        assert_eq!(lines("a.rs", &file(MAX_FILE_LINES)), []);
        assert_eq!(lines("a.rs", &file(MAX_FILE_LINES + 1)), [MAX_FILE_LINES + 1]);
        assert_eq!(lines("a.md", &file(MAX_FILE_LINES + 1)), []);
    }

    #[test]
    fn crates_take_the_workspace_lints() {
        let package = "[package]\nname = \"a\"\n";
        let opted_in = format!("{package}\n[lints]\nworkspace = true\n");
        assert_eq!(lines("a/Cargo.toml", package), [1]);
        assert_eq!(lines("a/Cargo.toml", &opted_in), []);
        assert_eq!(lines("Cargo.toml", "[workspace]\nmembers = []\n"), []);
    }

    #[test]
    fn lines_end_without_whitespace() {
        assert_eq!(lines("a.yaml", "a: 1 \nb: 2\nc:\t\n"), [1, 3]);
    }
}
