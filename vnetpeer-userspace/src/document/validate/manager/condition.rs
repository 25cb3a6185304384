//! Conditions of membership, from what was written.

use super::super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        problem::{Finding, Findings},
        source::Span,
        types,
    },
    is_empty,
};
use crate::topology::model::{Comparison, Condition};

/// The condition; `None` if it was reported.
pub(super) fn read(written: &types::Condition, findings: &mut Findings) -> Option<Condition> {
    let comparisons = comparisons(written);
    let lists = [("allOf", written.all_of.as_ref()), ("anyOf", written.any_of.as_ref())];
    let mut forms: Vec<(&str, Span)> = Vec::new();
    forms.extend(written.field.as_ref().map(|it| ("field", it.span)));
    forms.extend(lists.iter().filter_map(|(name, list)| Some((*name, list.as_ref()?.span))));
    if let [(first, place), (second, span), ..] = forms.as_slice() {
        let message = format!("a condition has `{first}` or `{second}`, not both");
        findings.push(
            Finding::error(Code::ConflictingProperties, *span, message)
                .help("write each as an element of an `allOf` or `anyOf`")
                .note(*place, "the other one"),
        );
        return None;
    }
    let Some(field) = written.field.as_ref() else {
        if let (Some((span, _)), Some((form, _))) = (comparisons.first(), forms.first()) {
            let message = format!("a comparison beside `{form}` compares nothing");
            findings.push(
                Finding::error(Code::ConflictingProperties, *span, message)
                    .help("write it with its `field` as an element of the list"),
            );
        }
        let [all, any] = lists.map(|(_, list)| list.and_then(|list| several(list, findings)));
        let all = all.map(|all_of| Condition::All { all_of });
        return all.or_else(|| any.map(|any_of| Condition::Any { any_of }));
    };
    match comparisons.as_slice() {
        [(_, comparison)] => {
            let (field, comparison) = (field.value.clone(), comparison.clone());
            Some(Condition::Field { field, comparison })
        }
        [] => {
            let message = "the field is compared with nothing";
            findings.push(
                Finding::error(Code::MissingProperty, field.span, message)
                    .help("add one comparison such as `equals`"),
            );
            None
        }
        [(first, _), (second, _), ..] => {
            let message = "a condition has one comparison";
            findings.push(
                Finding::error(Code::ConflictingProperties, *second, message)
                    .help("write each as an element of an `allOf` or `anyOf`")
                    .note(*first, "the other one"),
            );
            None
        }
    }
}

fn several(list: &List<types::Condition>, findings: &mut Findings) -> Option<Vec<Condition>> {
    if is_empty(list) {
        let message = "the list has no conditions";
        findings.push(
            Finding::error(Code::MissingProperty, list.span, message)
                .help("add a condition, or name the members in `staticMembers`"),
        );
    }
    let read: Vec<Condition> = list.into_iter().filter_map(|it| read(it, findings)).collect();
    (read.len() == list.items.len() && !list.incomplete).then_some(read)
}

/// The comparisons that are written, with their places.
fn comparisons(written: &types::Condition) -> Vec<(Span, Comparison)> {
    let text = |value: &Option<Spanned<String>>, make: fn(String) -> Comparison| {
        value.as_ref().map(|it| (it.span, make(it.value.clone())))
    };
    let texts = |value: &Option<List<Spanned<String>>>, make: fn(Vec<String>) -> Comparison| {
        let list = value.as_ref()?;
        Some((list.span, make(list.into_iter().map(|it| it.value.clone()).collect())))
    };
    let all = [
        text(&written.equals, Comparison::Equals),
        text(&written.not_equals, Comparison::NotEquals),
        text(&written.like, Comparison::Like),
        text(&written.not_like, Comparison::NotLike),
        text(&written.contains, Comparison::Contains),
        text(&written.not_contains, Comparison::NotContains),
        texts(&written.is_in, Comparison::In),
        texts(&written.not_in, Comparison::NotIn),
        written.exists.as_ref().map(|it| (it.span, Comparison::Exists(it.value))),
    ];
    all.into_iter().flatten().collect()
}
