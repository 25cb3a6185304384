//! The docs' pictures of terminals and networks, drawn by the code that they show. `UPDATE_PICTURES=1` writes
//! them anew.

use std::{env, fmt::Write as _, fs, path::Path};

use ratatui::{
    buffer::{Buffer, Cell},
    crossterm::event::KeyCode,
    style::{Color, Modifier},
};

use crate::{
    arm::{Kind, resources},
    cli::{network::table, target::Source, top},
    graph::{Picture, svg},
};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn check(name: &str, picture: &str) {
    let path = root().join("docs/images").join(name);
    let picture = format!("{}\n", picture.trim_end());
    if env::var_os("UPDATE_PICTURES").is_some() {
        fs::write(&path, &picture).expect("write the picture");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == picture, "{name} is old: run this test with UPDATE_PICTURES=1");
}

/// A terminal with a text in it, which may have colours.
fn terminal(text: &str) -> String {
    anstyle_svg::Term::new().render_svg(text)
}

/// The text of a screen with its colours.
fn ansi(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let end = row.iter().rposition(|it| it.symbol() != " " || it.bg != Color::Reset);
        for cell in row.iter().take(end.map_or(0, |it| it + 1)) {
            let _ = write!(text, "{}{}\u{1b}[0m", style(cell), cell.symbol());
        }
        text.push('\n');
    }
    text
}

fn style(cell: &Cell) -> String {
    let code = |color: Color| match color {
        Color::Black => Some(0),
        Color::Red => Some(1),
        Color::Cyan => Some(6),
        Color::DarkGray => Some(60),
        _ => None,
    };
    let mut style = String::new();
    for number in [
        code(cell.fg).map(|it| it + 30),
        code(cell.bg).map(|it| it + 40),
        cell.modifier.contains(Modifier::BOLD).then_some(1),
    ]
    .into_iter()
    .flatten()
    {
        let _ = write!(style, "\u{1b}[{number}m");
    }
    style
}

#[test]
fn pictures_of_the_docs_are_of_today() {
    check("top.svg", &terminal(&ansi(&top::tests::drawn(&[KeyCode::Char('1')]))));
    let source = Source::from_file(&root().join("examples/quickstart.yaml")).expect("the example");
    let network = source.network().expect("a network");
    check(
        "quickstart.svg",
        &svg::draw(&Picture::new(&network, &std::collections::BTreeMap::new())),
    );
    let command = "$ vnetpeer peering list";
    let rows = table(Kind::Peering, &resources(Kind::Peering, &network));
    check("peerings.svg", &terminal(&format!("{command}\n{rows}\n")));
}
