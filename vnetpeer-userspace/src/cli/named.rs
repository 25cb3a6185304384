//! Resources by name or ARM id; for a name that nothing has, what it could have meant.

use std::fmt;

use anyhow::bail;

use crate::{document::closest, topology::model::ResourceId};

/// As many names are told one by one.
const TOLD_MAX: usize = 12;

/// Whether a resource has this name or ARM id, in any case of letters.
pub(super) fn is_named(id: &ResourceId, name: &str) -> bool {
    id.name().eq_ignore_ascii_case(name) || id.as_str().eq_ignore_ascii_case(name)
}

/// The first of `all` with this name or ARM id, and its index; `what` is the kind of resource.
pub(super) fn find<'t, T>(
    what: &'static str,
    name: &str,
    all: &'t [T],
    id: impl Fn(&T) -> &ResourceId,
) -> Result<(usize, &'t T), Unknown> {
    let found = all.iter().enumerate().find(|(_, it)| is_named(id(it), name));
    found.ok_or_else(|| Unknown::new(what, name, all.iter().map(|it| id(it).name())))
}

/// The only one of `all` that is meant by `name`; `name_of` says what to propose in its place.
pub(super) fn only<'t, T>(
    what: &'static str,
    name: &str,
    all: &'t [T],
    is_meant: impl Fn(&T) -> bool,
    name_of: impl Fn(&'t T) -> Option<&'t str>,
) -> anyhow::Result<&'t T> {
    let mut found = all.iter().filter(|it| is_meant(it));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => bail!("several {what}s are named `{name}`; give the ARM id"),
        (None, _) => bail!(Unknown::new(what, name, all.iter().filter_map(name_of))),
    }
}

/// Nothing has the name that was asked for.
#[derive(Debug)]
pub(super) struct Unknown {
    what: &'static str,
    name: String,
    hint: String,
}

impl Unknown {
    /// There is no `what` (a kind of resource) of that name; `known` are the names that there are.
    pub(super) fn new<'a>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match (closest(name, &known), known.len()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, 0) => "there are none".to_owned(),
            (None, 1..=TOLD_MAX) => format!("there are {}", known.join(", ")),
            (None, many) => format!("there are {many}, which `list` shows"),
        };
        Self { what, name: name.to_owned(), hint }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} `{}`; {}", self.what, self.name, self.hint)
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_what_helps_most() {
        let text = |name: &str, known: &[&str]| {
            Unknown::new("virtual network", name, known.iter().copied()).to_string()
        };
        assert_eq!(
            text("hubb", &["hub"]),
            "there is no virtual network `hubb`; did you mean `hub`?"
        );
        assert_eq!(
            text("x", &["hub", "spoke1"]),
            "there is no virtual network `x`; there are hub, spoke1"
        );
        assert_eq!(text("x", &[]), "there is no virtual network `x`; there are none");
        let many: Vec<String> = (0..1_000).map(|it| format!("spoke{it}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(text("other", &many).ends_with("there are 1000, which `list` shows"));
    }
}
