//! Management groups, subscriptions, principals, roles and role assignments.

mod assignment;
mod principal;
mod role;
mod tenant;

use std::collections::HashMap;

use uuid::Uuid;

use super::super::{
    code::Code,
    decode::Spanned,
    problem::{Finding, Findings},
    source::Span,
    suggest::closest,
    types::Document,
};
use crate::topology::model::Permissions;

/// Namespace of the GUIDs that are made from names.
const GUID_NAMESPACE: Uuid = Uuid::from_u128(0x2f0a_9c5e_41d7_5d0b_8e63_1b9f_c2a4_7d18);

/// Reads everything that decides who may do what. What is wrong is reported and left out.
pub(super) fn collect(document: &Document, findings: &mut Findings) -> Permissions {
    let mut permissions = Permissions::default();
    tenant::collect(document, &mut permissions, findings);
    let principals = principal::collect(document.principals.as_ref(), &mut permissions, findings);
    let roles = role::collect(document.role_definitions.as_ref(), &mut permissions, findings);
    let known = assignment::Known { principals: &principals, roles: &roles };
    let list = document.role_assignments.as_ref();
    assignment::collect(list, &known, &mut permissions, findings);
    permissions
}

/// A GUID that is always the same for a name.
fn guid_of(name: &str) -> Uuid {
    Uuid::new_v5(&GUID_NAMESPACE, name.to_ascii_lowercase().as_bytes())
}

/// What has a name of its own, whatever its case.
struct Names {
    /// `principal` for instance.
    what: &'static str,
    /// Whether one could not be read: an unknown name may then be its.
    incomplete: bool,
    all: HashMap<String, (usize, Span)>,
    spelt: Vec<String>,
}

impl Names {
    fn new(what: &'static str, incomplete: bool) -> Self {
        Self { what, incomplete, all: HashMap::new(), spelt: Vec::new() }
    }

    /// Adds a name under `index`; a second one is reported.
    fn add(&mut self, name: &Spanned<String>, index: usize, code: Code, findings: &mut Findings) {
        let folded = name.value.to_ascii_lowercase();
        if let Some((_, first)) = self.all.get(&folded) {
            let message = format!("{} `{}` exists twice", self.what, name.value);
            findings.push(
                Finding::error(code, name.span, message)
                    .help("rename one of them")
                    .note(*first, "first here"),
            );
            return;
        }
        self.all.insert(folded, (index, name.span));
        self.spelt.push(name.value.clone());
    }

    /// The index of a name. `None` if it was reported.
    fn find(&self, name: &Spanned<String>, code: Code, findings: &mut Findings) -> Option<usize> {
        if let Some((index, _)) = self.all.get(&name.value.to_ascii_lowercase()) {
            return Some(*index);
        }
        if !self.incomplete {
            let known: Vec<&str> = self.spelt.iter().map(String::as_str).collect();
            let help = match closest(&name.value, &known) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => format!("add the {}, or name one that there is", self.what),
            };
            let message = format!("{} `{}` is not in the document", self.what, name.value);
            findings.push(Finding::error(code, name.span, message).help(help));
        }
        None
    }
}
