//! Names to ARM ids and back: defaults for what a small document leaves out, Azure's naming rules,
//! and references by name, by `parent/child` or by whole id.

mod registry;

use std::{borrow::Cow, sync::OnceLock};

pub(super) use self::registry::{KnownTarget, Registry};
use super::{
    code::Code,
    decode::Spanned,
    problem::{Finding, Findings},
    source::Span,
    types::{Deployment, Resource},
};
use crate::topology::model::ResourceId;

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
    /// The id that has these parts.
    pub(super) fn get_or_make(&self, parts: &[&str]) -> ResourceId {
        self.get(parts).unwrap_or_else(|| {
            let id = ResourceId::new(parts.concat());
            drop(self.0.set(id.clone()));
            id
        })
    }

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
        let id = self.id.as_str();
        // Most ids were made here.
        if let Some(rest) = id.strip_prefix("/subscriptions/") {
            let end = rest.bytes().position(|byte| byte == b'/');
            return rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        }
        id.split('/').nth(SUBSCRIPTION_SEGMENT).unwrap_or_default()
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
