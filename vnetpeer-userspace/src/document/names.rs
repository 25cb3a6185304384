//! Names to ARM ids and back: defaults for what a small document leaves out, Azure's naming rules,
//! and references by name, by `parent/child` or by whole id.

use std::{borrow::Cow, sync::OnceLock};

use hashbrown::{HashMap, HashTable};

use super::{
    code::Code,
    decode::Spanned,
    problem::{Finding, Findings},
    source::Span,
    suggest::closest,
    types::{Deployment, Resource},
};
use crate::topology::model::{ResourceId, folded_hash};

/// The subscription of resources where nothing names one.
pub const DEFAULT_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// The resource group of resources where nothing names one.
pub const DEFAULT_RESOURCE_GROUP: &str = "vnetpeer";

/// Longest name of a resource, in characters.
const NAME_CHARS_MAX: usize = 80;

/// Which part of an id is the subscription, between its slashes.
const SUBSCRIPTION_SEGMENT: usize = 2;

/// Longest name of a resource group, in characters.
const GROUP_CHARS_MAX: usize = 90;

/// What a resource gets that does not say otherwise.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) subscription: String,
    pub(super) resource_group: String,
    pub(super) location: String,
}

impl Defaults {
    pub(super) fn new(deployment: Option<&Deployment>, findings: &mut Findings) -> Self {
        let subscription = deployment.and_then(|it| it.subscription.as_ref());
        let group = deployment.and_then(|it| it.resource_group.as_ref());
        let location = deployment.and_then(|it| it.location.as_ref());
        check_group(group, findings);
        Self {
            subscription: subscription
                .map_or_else(|| DEFAULT_SUBSCRIPTION.to_owned(), |it| it.value.0.clone()),
            resource_group: group
                .map_or_else(|| DEFAULT_RESOURCE_GROUP.to_owned(), |it| it.value.clone()),
            location: location.map_or_else(|| "westeurope".to_owned(), |it| it.value.0.clone()),
        }
    }
}

/// What the beginning of a resource says about its name.
#[derive(Clone, Copy)]
pub(super) struct Header<'d> {
    pub(super) id: Option<&'d Spanned<String>>,
    pub(super) name: Option<&'d Spanned<String>>,
    pub(super) subscription: Option<&'d str>,
    pub(super) resource_group: Option<&'d Spanned<String>>,
    pub(super) known: Option<&'d KnownId>,
}

/// The id that follows from a resource's name, once it was made. Most resources of a document were in the
/// one before, and copies of one id are compared in no time.
#[derive(Debug, Default)]
pub(super) struct KnownId(OnceLock<ResourceId>);

impl KnownId {
    /// The id, if it has these parts.
    fn get(&self, parts: &[&str]) -> Option<ResourceId> {
        let id = self.0.get()?;
        let rest = parts.iter().try_fold(id.as_str(), |rest, part| rest.strip_prefix(part))?;
        rest.is_empty().then(|| id.clone())
    }
}

impl<P> Resource<P> {
    pub(super) fn header(&self) -> Header<'_> {
        Header {
            id: self.id.as_ref(),
            name: self.name.as_ref(),
            subscription: self.subscription.as_ref().map(|it| it.value.0.as_str()),
            resource_group: self.resource_group.as_ref(),
            known: Some(&self.known_id),
        }
    }
}

/// A resource's id and the place that names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) id: ResourceId,
    pub(super) span: Span,
}

impl Named {
    /// The subscription, in lower case.
    pub(super) fn subscription(&self) -> Cow<'_, str> {
        let written = self.written_subscription();
        if written.bytes().any(|it| it.is_ascii_uppercase()) {
            Cow::Owned(written.to_ascii_lowercase())
        } else {
            Cow::Borrowed(written)
        }
    }

    /// The subscription in whatever case it was written.
    pub(super) fn written_subscription(&self) -> &str {
        self.id.as_str().split('/').nth(SUBSCRIPTION_SEGMENT).unwrap_or_default()
    }
}

/// The parts of an ARM id of `Microsoft.Network`.
pub(super) struct IdParts<'i> {
    pub(super) subscription: &'i str,
    pub(super) resource_group: &'i str,
    /// `virtualNetworks/subnets` for instance.
    kind: String,
    /// One name for each part of `kind`.
    pub(super) names: Vec<&'i str>,
}

impl<'i> IdParts<'i> {
    /// Takes an id apart. ARM ids are case-insensitive.
    pub(super) fn parse(id: &'i str) -> Option<Self> {
        let mut segments = id.strip_prefix('/')?.split('/');
        let mut expect = |word: &str| {
            segments.next().filter(|segment| segment.eq_ignore_ascii_case(word))?;
            segments.next().filter(|segment| !segment.is_empty())
        };
        let subscription = expect("subscriptions")?;
        let resource_group = expect("resourceGroups")?;
        expect("providers").filter(|it| it.eq_ignore_ascii_case("Microsoft.Network"))?;
        let (mut kinds, mut names) = (Vec::new(), Vec::new());
        while let Some(kind) = segments.next() {
            kinds.push(kind);
            names.push(segments.next().filter(|name| !name.is_empty())?);
        }
        let kind = kinds.join("/");
        (!names.is_empty()).then_some(Self { subscription, resource_group, kind, names })
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }
}

/// Builds the id of a top-level resource.
pub(super) fn arm_id(subscription: &str, group: &str, kind: &str, name: &str) -> ResourceId {
    let (group, name) = (segment(group), segment(name));
    ResourceId::new(id_parts(subscription, &group, kind, &name).concat())
}

const fn id_parts<'a>(
    subscription: &'a str,
    group: &'a str,
    kind: &'a str,
    name: &'a str,
) -> [&'a str; 8] {
    let provider = "/providers/Microsoft.Network/";
    ["/subscriptions/", subscription, "/resourceGroups/", group, provider, kind, "/", name]
}

/// A name as a segment of an id. One with a `/` was reported; it must not change the id's shape.
pub(super) fn segment(name: &str) -> Cow<'_, str> {
    if name.contains('/') { Cow::Owned(name.replace('/', "_")) } else { Cow::Borrowed(name) }
}

/// The id of a top-level resource from its header. `None` if that was reported.
pub(super) fn resource_id(
    kind: &str,
    header: Header<'_>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<Named> {
    check_group(header.resource_group, findings);
    if let Some(id) = header.id {
        return explicit_id(kind, id, header, findings);
    }
    let Spanned { value: name, span } = header.name?;
    let subscription = header.subscription.unwrap_or(&defaults.subscription);
    let group = header.resource_group.map_or(&defaults.resource_group, |it| &it.value);
    let known = header.known.and_then(|it| it.get(&id_parts(subscription, group, kind, name)));
    let id = known.unwrap_or_else(|| {
        check_name(name, *span, findings);
        let id = arm_id(subscription, group, kind, name);
        // A name with an error is judged again.
        if let Some(known) = header.known.filter(|_| is_name(name)) {
            drop(known.0.set(id.clone()));
        }
        id
    });
    Some(Named { id, span: *span })
}

pub(super) fn explicit_id(
    kind: &str,
    id: &Spanned<String>,
    header: Header<'_>,
    findings: &mut Findings,
) -> Option<Named> {
    let parts = IdParts::parse(&id.value).filter(|parts| parts.is(kind));
    let Some(parts) = parts else {
        findings.push(wrong_id(kind, &id.value, id.span));
        return None;
    };
    for name in &parts.names {
        check_name(name, id.span, findings);
    }
    let own = parts.names.last().copied().unwrap_or_default();
    let contradiction = [
        header.name.filter(|it| {
            let last = it.value.rsplit('/').next().unwrap_or_default();
            !last.eq_ignore_ascii_case(own)
        }),
        header.resource_group.filter(|it| !it.value.eq_ignore_ascii_case(parts.resource_group)),
    ];
    for other in contradiction.into_iter().flatten() {
        findings.push(
            Finding::error(
                Code::ConflictingProperties,
                other.span,
                format!("`{}` contradicts the resource's id", other.value),
            )
            .help("remove it: the id says it all")
            .note(id.span, "the id"),
        );
    }
    Some(Named { id: ResourceId::new(&*id.value), span: id.span })
}

fn wrong_id(kind: &str, id: &str, span: Span) -> Finding {
    let expected = format!("{}/<name>", kind.replace('/', "/<name>/"));
    let message = format!("`{id}` is not the ARM id of a {}", singular(kind));
    Finding::error(Code::InvalidResourceId, span, message).help(format!(
        "write /subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.Network/{expected}"
    ))
}

/// `virtualNetworks/subnets` → `subnet`.
pub(super) fn singular(kind: &str) -> &str {
    let last = kind.rsplit('/').next().unwrap_or(kind);
    last.strip_suffix('s').unwrap_or(last)
}

/// Azure's naming rule for network resources.
fn is_name(name: &str) -> bool {
    let word = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_';
    let starts = name.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let ends = name.bytes().next_back().is_some_and(|c| word(&c));
    let body = name.bytes().all(|c| word(&c) || c == b'.' || c == b'-');
    starts && ends && body && name.len() <= NAME_CHARS_MAX
}

/// Reports a name against that rule.
pub(super) fn check_name(name: &str, span: Span, findings: &mut Findings) {
    if is_name(name) {
        return;
    }
    let message = format!("the resource name `{name}` is invalid");
    findings.push(Finding::error(Code::InvalidResourceName, span, message).help(format!(
        "a name has up to {NAME_CHARS_MAX} characters, begins with a letter or digit, ends with a \
         letter, digit or `_`, and has only letters, digits, `.`, `-` and `_`"
    )));
}

fn check_group(group: Option<&Spanned<String>>, findings: &mut Findings) {
    let Some(group) = group else { return };
    let name = &group.value;
    let allowed = |c: char| c.is_alphanumeric() || "_-.()".contains(c);
    if name.chars().all(allowed) && !name.ends_with('.') && name.chars().count() <= GROUP_CHARS_MAX
    {
        return;
    }
    let message = format!("the resource group name `{name}` is invalid");
    findings.push(Finding::error(Code::InvalidResourceName, group.span, message).help(format!(
        "it has up to {GROUP_CHARS_MAX} letters, digits, `_`, `-`, `.`, `(` and `)`, and does not \
         end with `.`"
    )));
}

/// All resources of one type, to be found by id or by name.
#[derive(Debug)]
pub(super) struct Registry {
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
    pub(super) fn new(kind: &'static str, incomplete: bool) -> Self {
        let (by_id, by_name) = (HashMap::new(), HashTable::new());
        Self { kind, incomplete, entries: Vec::new(), by_id, by_name }
    }

    pub(super) fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Whether some resource could not be read.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// The id of the resource at an index.
    pub(super) fn id(&self, index: usize) -> Option<&ResourceId> {
        self.entries.get(index).map(|it| &it.id)
    }

    /// Adds a resource under the next index. A second one with the same id is reported.
    pub(super) fn add(&mut self, named: &Named, findings: &mut Findings) {
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
        let depth = 1 + self.kind.matches('/').count();
        self.add_name(index, 1);
        if depth > 1 {
            self.add_name(index, depth);
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
    pub(super) fn find(
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
            let named = self.entries.get(it.first);
            named.is_some_and(|found| are_alike(last_names(found.id.as_str(), it.names), names()))
        })
    }

    /// Whether `id` is the whole id of a resource of this type that the document does not have.
    pub(super) fn lacks(&self, id: &str) -> bool {
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

/// The names by which a resource may be meant: its own, and for a child also `parent/child`.
fn short_names(kind: &str, id: &ResourceId) -> impl Iterator<Item = String> {
    let is_child = kind.contains('/');
    let parts = is_child.then(|| IdParts::parse(id.as_str())).flatten();
    let whole = parts.filter(|it| it.names.len() > 1).map(|it| it.names.join("/"));
    whole.into_iter().chain([id.name().to_owned()])
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
