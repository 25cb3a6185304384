//! The resources of one type, to be found by reference.

use hashbrown::{HashMap, HashTable};

use super::{
    super::{
        code::Code,
        decode::Spanned,
        problem::{Finding, Findings},
        source::Span,
        suggest::closest,
    },
    IdParts, Named, singular, wrong_id,
};
use crate::topology::model::{ResourceId, folded_hash};

/// All resources of one type, to be found by id or by name.
#[derive(Debug)]
pub(in crate::document) struct Registry {
    /// Such as `virtualNetworks/subnets`.
    kind: &'static str,
    /// Whether some resource could not be read: an unknown name may then be its.
    incomplete: bool,
    entries: Vec<Named>,
    by_id: HashMap<ResourceId, usize>,
    by_name: HashTable<ShortName>,
}

/// A name by which a resource may be meant: so many of the names in its id, from the last one on.
#[derive(Debug)]
struct ShortName {
    names: usize,
    /// The first resource of that name, and the others.
    first: usize,
    others: Vec<usize>,
}

impl Registry {
    pub(in crate::document) fn new(kind: &'static str, incomplete: bool) -> Self {
        let (by_id, by_name) = (HashMap::new(), HashTable::new());
        Self { kind, incomplete, entries: Vec::new(), by_id, by_name }
    }

    pub(in crate::document) fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Whether some resource could not be read.
    pub(in crate::document) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// The id of the resource at an index.
    pub(in crate::document) fn id(&self, index: usize) -> Option<&ResourceId> {
        self.entries.get(index).map(|it| &it.id)
    }

    /// Adds a resource under the next index. A second one with the same id is reported.
    pub(in crate::document) fn add(&mut self, named: &Named, findings: &mut Findings) {
        let index = self.entries.len();
        self.entries.push(named.clone());
        let first = self.by_id.get(&named.id).and_then(|index| self.entries.get(*index));
        if let Some(first) = first {
            let message = format!("{} `{}` exists twice", singular(self.kind), named.id.name());
            findings.push(
                Finding::error(Code::DuplicateResource, named.span, message)
                    .help("rename one of them, or give it another resource group")
                    .note(first.span, "first here"),
            );
            return;
        }
        self.by_id.insert(named.id.clone(), index);
        for names in name_counts(self.kind) {
            self.add_name(index, names);
        }
    }

    /// Lets the resource be found by so many of the names in its id.
    fn add_name(&mut self, index: usize, names: usize) {
        let Self { entries, by_name, .. } = self;
        let text = |index: usize| entries.get(index).map_or("", |it| it.id.as_str());
        let own = || last_names(text(index), names);
        let hash = hash_names(own());
        let same = |it: &ShortName| are_alike(last_names(text(it.first), it.names), own());
        if let Some(known) = by_name.find_mut(hash, same) {
            known.others.push(index);
        } else {
            let hash_of = |it: &ShortName| hash_names(last_names(text(it.first), it.names));
            let name = ShortName { names, first: index, others: Vec::new() };
            by_name.insert_unique(hash, name, hash_of);
        }
    }

    /// The index of the resource that `reference` means. `None` if that was reported, or cannot be
    /// known because a resource could not be read.
    pub(in crate::document) fn find(
        &self,
        reference: &Spanned<String>,
        code: Code,
        findings: &mut Findings,
    ) -> Option<usize> {
        let Spanned { value: reference, span } = reference;
        let span = *span;
        if reference.starts_with('/') {
            if IdParts::parse(reference).is_none_or(|parts| !parts.is(self.kind)) {
                findings.push(wrong_id(self.kind, reference, span));
                return None;
            }
            let found = self.by_id.get(&ResourceId::new(reference.as_str())).copied();
            return found.or_else(|| self.unknown(reference, span, code, findings));
        }
        match self.named(reference) {
            Some(ShortName { first, others, .. }) if others.is_empty() => Some(*first),
            None => self.unknown(reference, span, code, findings),
            Some(ShortName { first, others, .. }) => {
                findings.push(self.ambiguous(reference, span, *first, others));
                None
            }
        }
    }

    /// The resources of a name.
    fn named(&self, name: &str) -> Option<&ShortName> {
        let names = || name.rsplit('/');
        self.by_name.find(hash_names(names()), |it| {
            let first = self.entries.get(it.first);
            first.is_some_and(|first| are_alike(last_names(first.id.as_str(), it.names), names()))
        })
    }

    /// Whether `id` is the whole id of a resource of this type that the document does not have.
    pub(in crate::document) fn lacks(&self, id: &str) -> bool {
        let is_id = IdParts::parse(id).is_some_and(|parts| parts.is(self.kind));
        is_id && !self.incomplete && !self.by_id.contains_key(&ResourceId::new(id))
    }

    fn unknown(
        &self,
        reference: &str,
        span: Span,
        code: Code,
        findings: &mut Findings,
    ) -> Option<usize> {
        if self.incomplete {
            return None;
        }
        let kind = singular(self.kind);
        let names = self.entries.iter().flat_map(|it| short_names(self.kind, &it.id));
        let names: Vec<String> = names.collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match closest(reference, &names) {
            Some(similar) => format!("did you mean `{similar}`?"),
            None if names.is_empty() => format!("the document has no {kind}: add it"),
            None => format!("add the {kind}, or name one that the document has"),
        };
        let message = format!("{kind} `{reference}` is not in the document");
        findings.push(Finding::error(code, span, message).help(help));
        None
    }

    fn ambiguous(&self, reference: &str, span: Span, first: usize, others: &[usize]) -> Finding {
        let kind = singular(self.kind);
        let message = format!("`{reference}` is the name of {} {kind}s", 1 + others.len());
        let example = self.entries.get(first);
        let example = example.map_or_else(String::new, |first| format!(" such as {}", first.id));
        let mut finding = Finding::error(Code::AmbiguousResourceReference, span, message)
            .help(format!("write the whole ARM id{example}"));
        let several = std::iter::once(&first).chain(others);
        for named in several.filter_map(|index| self.entries.get(*index)) {
            finding = finding.note(named.span, "could be this one");
        }
        finding
    }
}

/// How many names of its id mean a resource: for a child all of them, as `parent/child`, and its own.
fn name_counts(kind: &str) -> impl Iterator<Item = usize> {
    let all = 1 + kind.matches('/').count();
    (all > 1).then_some(all).into_iter().chain([1])
}

/// The names by which a resource may be meant.
fn short_names(kind: &str, id: &ResourceId) -> impl Iterator<Item = String> {
    name_counts(kind).map(|count| {
        let mut names: Vec<&str> = last_names(id.as_str(), count).collect();
        names.reverse();
        names.join("/")
    })
}

/// So many of the names in an id, the last one first.
fn last_names(id: &str, count: usize) -> impl Iterator<Item = &str> {
    id.rsplit('/').step_by(2).take(count)
}

/// The same for names that differ only in case.
fn hash_names<'n>(names: impl Iterator<Item = &'n str>) -> u64 {
    names.fold(0, |hash: u64, name| hash.rotate_left(1) ^ folded_hash(name.as_bytes()))
}

/// Whether names differ only in case.
fn are_alike<'n>(
    mut one: impl Iterator<Item = &'n str>,
    mut other: impl Iterator<Item = &'n str>,
) -> bool {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}
