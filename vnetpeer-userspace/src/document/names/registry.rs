//! The resources of one type, to be found by reference.

use std::sync::OnceLock;

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
    /// Indices.
    by_id: HashTable<usize>,
    by_name: HashTable<ShortName>,
    /// By the first resource of a name that several have: the others.
    others: HashMap<(usize, usize), Vec<usize>>,
    /// How many names those have that several resources have.
    ambiguous: Vec<usize>,
}

/// What a reference meant, once it was followed: the resource's id, and by how many names, 0 if by its id.
#[derive(Debug, Default)]
pub(in crate::document) struct KnownTarget(OnceLock<(ResourceId, usize)>);

/// A name by which a resource may be meant: so many of the names in its id, from the last one on.
#[derive(Clone, Copy, Debug)]
struct ShortName {
    hash: u64,
    names: usize,
    /// The first resource of that name.
    first: usize,
}

impl Registry {
    pub(in crate::document) fn new(kind: &'static str, incomplete: bool) -> Self {
        Self::with_capacity(kind, incomplete, 0)
    }

    /// The same with room for so many.
    pub(in crate::document) fn with_capacity(
        kind: &'static str,
        incomplete: bool,
        capacity: usize,
    ) -> Self {
        let names = capacity * name_counts(kind).count();
        Self {
            kind,
            incomplete,
            entries: Vec::with_capacity(capacity),
            by_id: HashTable::with_capacity(capacity),
            by_name: HashTable::with_capacity(names),
            others: HashMap::new(),
            ambiguous: Vec::new(),
        }
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
        if let Some(first) = self.with_id(&named.id).and_then(|index| self.entries.get(index)) {
            let message = format!("{} `{}` exists twice", singular(self.kind), named.id.name());
            findings.push(
                Finding::error(Code::DuplicateResource, named.span, message)
                    .help("rename one of them, or give it another resource group")
                    .note(first.span, "first here"),
            );
            return;
        }
        let entries = &self.entries;
        let hash_of = |index: &usize| entries.get(*index).map_or(0, |it| it.id.hash_value());
        self.by_id.insert_unique(named.id.hash_value(), index, hash_of);
        for names in name_counts(self.kind) {
            self.add_name(index, names);
        }
    }

    /// The first resource with an id.
    fn with_id(&self, id: &ResourceId) -> Option<usize> {
        let is_it = |index: &usize| self.entries.get(*index).is_some_and(|it| it.id == *id);
        self.by_id.find(id.hash_value(), is_it).copied()
    }

    /// Lets the resource be found by so many of the names in its id.
    fn add_name(&mut self, index: usize, names: usize) {
        let Self { entries, by_name, others, ambiguous, .. } = self;
        let text = |index: usize| entries.get(index).map_or("", |it| it.id.as_str());
        let own = || last_names(text(index), names);
        let hash = hash_names(own());
        let same = |it: &ShortName| {
            it.hash == hash && are_alike(last_names(text(it.first), it.names), own())
        };
        if let Some(known) = by_name.find(hash, same) {
            others.entry((known.first, known.names)).or_default().push(index);
            if !ambiguous.contains(&names) {
                ambiguous.push(names);
            }
        } else {
            by_name.insert_unique(hash, ShortName { hash, names, first: index }, |it| it.hash);
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
            let found = self.with_id(&ResourceId::new(reference.as_str()));
            return found.or_else(|| self.unknown(reference, span, code, findings));
        }
        let Some(name) = self.named(reference) else {
            return self.unknown(reference, span, code, findings);
        };
        let Some(others) = self.others.get(&(name.first, name.names)) else {
            return Some(name.first);
        };
        findings.push(self.ambiguous(reference, span, name.first, others));
        None
    }

    /// The same for a reference that remembers what it meant: as long as no two resources can be meant by
    /// so many names as it has, it means the resource of that id.
    pub(in crate::document) fn find_known(
        &self,
        reference: &Spanned<String>,
        known: Option<&KnownTarget>,
        code: Code,
        findings: &mut Findings,
    ) -> Option<usize> {
        let before = known.and_then(|known| known.0.get()).filter(|_| !self.incomplete);
        let before = before.filter(|(_, names)| !self.ambiguous.contains(names));
        before.and_then(|(id, _)| self.with_id(id)).or_else(|| {
            let found = self.find(reference, code, findings)?;
            if let (Some(known), Some(id)) = (known, self.id(found)) {
                let names = self.named(&reference.value).map_or(0, |it| it.names);
                drop(known.0.set((id.clone(), names)));
            }
            Some(found)
        })
    }

    /// The first resource of a name.
    fn named(&self, name: &str) -> Option<ShortName> {
        let names = || parts(name);
        let hash = hash_names(names());
        let is_it = |it: &ShortName| {
            let first = self.entries.get(it.first).filter(|_| it.hash == hash);
            first.is_some_and(|first| are_alike(last_names(first.id.as_str(), it.names), names()))
        };
        self.by_name.find(hash, is_it).copied()
    }

    /// Whether `id` is the whole id of a resource of this type that the document does not have.
    pub(in crate::document) fn lacks(&self, id: &str) -> bool {
        let is_id = IdParts::parse(id).is_some_and(|parts| parts.is(self.kind));
        is_id && !self.incomplete && self.with_id(&ResourceId::new(id)).is_none()
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
    parts(id).step_by(2).take(count)
}

/// What is between slashes, the last part first. They are so short that a search of words at a time takes
/// longer.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let slash = whole.bytes().rposition(|byte| byte == b'/');
        let (before, part) = slash.and_then(|at| whole.split_at_checked(at)).unzip();
        rest = before;
        part.map_or(Some(whole), |part| part.strip_prefix('/'))
    })
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
