//! The help of every command: found in clap's tree, so that none is forgotten.

use std::fmt::Write as _;

use super::*;

/// Columns after which help is wrapped.
const WIDTH_COLUMNS: usize = 100;

/// Calls `visit` with each command below `command` and its words.
fn each(command: &clap::Command, path: &str, visit: &mut impl FnMut(&str, &clap::Command)) {
    for it in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = format!("{path} {}", it.get_name());
        visit(path.trim_start(), it);
        each(it, &path, visit);
    }
}

/// Lines of a help that show a command, and what follows a backslash.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| line.starts_with("vnetpeer "));
    lines.map(str::to_owned).collect()
}

/// The words of an example, up to what a shell does with its output.
fn words(example: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in example.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    let end = words.iter().position(|it| it == ">" || it == "|").unwrap_or(words.len());
    words.truncate(end);
    words
}

#[test]
fn every_command_has_examples_that_can_be_parsed() {
    each(&commands(), "", &mut |path, command| {
        if command.has_subcommands() {
            return;
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "no example in the help of `{path}`");
        for example in examples {
            let own = example.trim_start_matches("vnetpeer ");
            assert!(own.starts_with(path), "`{example}` is in the help of `{path}`");
            let parsed = Cli::try_parse_from(words(&example));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    });
}

/// One file for each command of the first level, with all below it. `INSTA_UPDATE=always` writes them anew.
#[test]
fn help_is_what_it_was() {
    let mut all = commands().term_width(WIDTH_COLUMNS);
    all.build();
    insta::with_settings!({
        snapshot_path => "../snapshots/help", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!("vnetpeer", trimmed(&all.clone().render_long_help().to_string()));
        for top in all.get_subcommands().filter(|it| it.get_name() != "help") {
            let name = top.get_name();
            let mut text = trimmed(&top.clone().render_long_help().to_string());
            each(top, name, &mut |path, command| {
                let help = command.clone().render_long_help().to_string();
                let _ = write!(text, "\n\n=== {path} ===\n\n{}", trimmed(&help));
            });
            insta::assert_snapshot!(name, text);
        }
    });
}

/// Without spaces at the ends of lines, which nobody sees.
fn trimmed(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let Command::Man(arguments) = parse(&format!("vnetpeer man --out {out}")).unwrap() else {
        panic!("it is parsed");
    };
    completions::manual(&arguments).unwrap();
    let mut pages = 1;
    each(&commands(), "", &mut |path, _| {
        let page = folder.path().join(format!("vnetpeer-{}.1", path.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(text.contains("SYNOPSIS"), "`{path}` has no page");
        pages += 1;
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), pages);
}
