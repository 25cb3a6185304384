//! Policies as compiled rules with numbers.

use std::sync::Arc;

use vnetpeer_common::{
    abi::{Classifier, Entry, RULES_MAX, Row, RuleEntry, maps},
    types::PolicyId,
};

use super::{
    Observed, PlanError,
    tables::{Builder, exhausted},
};
use crate::topology::{
    policy::{Covered, Policy, fields},
    trie::{Pool, Prefix, build},
};

/// A policy, where it was compiled to, and every item that this takes: as long as the policy stays as it
/// is, so do they, and nothing is compiled again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    policy: Arc<Policy>,
    /// Index of the classifier.
    pub(super) classifier: u32,
    trie_v4: Vec<u32>,
    trie_v6: Vec<u32>,
    rows: Vec<u32>,
}

impl Built {
    /// Whether two images hold the same items under the numbers of this one.
    pub(super) fn is_same_in(&self, one: &Observed, other: &Observed) -> bool {
        same(&one.classifiers, &other.classifiers, &[self.classifier])
            && same(&one.rows, &other.rows, &self.rows)
            && same(&one.trie_v4, &other.trie_v4, &self.trie_v4)
            && same(&one.trie_v6, &other.trie_v6, &self.trie_v6)
    }
}

fn same<T: Eq + bytemuck::NoUninit>(one: &Pool<T>, other: &Pool<T>, numbers: &[u32]) -> bool {
    numbers.iter().all(|number| {
        let item = one.get(*number);
        item.is_some() && item == other.get(*number)
    })
}

impl Builder {
    /// The compiled rules of a policy; `before` is what the last plan compiled.
    pub(super) fn policy(
        &mut self,
        id: PolicyId,
        policy: &Arc<Policy>,
        before: Option<&Arc<Built>>,
    ) -> Result<Arc<Built>, PlanError> {
        if let Some(before) = before.filter(|before| before.policy == *policy) {
            self.keep(before);
            return Ok(Arc::clone(before));
        }
        if policy.rules.len() > RULES_MAX {
            return Err(PlanError::TooManyRules { policy: id, rules: policy.rules.len() });
        }
        self.trie_v4.start_log();
        self.trie_v6.start_log();
        self.rows.start_log();
        let classifier = self.classifier(policy)?;
        let classifier = self.classifiers.intern(classifier);
        Ok(Arc::new(Built {
            policy: Arc::clone(policy),
            classifier: classifier.map_err(|it| exhausted(maps::CLASSIFIERS, it))?,
            trie_v4: self.trie_v4.take_log(),
            trie_v6: self.trie_v6.take_log(),
            rows: self.rows.take_log(),
        }))
    }

    fn keep(&mut self, built: &Built) {
        self.classifiers.keep(built.classifier);
        built.rows.iter().for_each(|number| self.rows.keep(*number));
        built.trie_v4.iter().for_each(|number| self.trie_v4.keep(*number));
        built.trie_v6.iter().for_each(|number| self.trie_v6.keep(*number));
    }

    fn classifier(&mut self, policy: &Policy) -> Result<Classifier, PlanError> {
        let fields = fields(policy);
        let [source_v4, source_v6] = &fields.source;
        let [destination_v4, destination_v6] = &fields.destination;
        let (source_v4, source_v6) = (self.prefixes(source_v4)?, self.prefixes(source_v6)?);
        let destination_v4 = self.prefixes(destination_v4)?;
        let destination_v6 = self.prefixes(destination_v6)?;
        let mut classifier = Classifier {
            source: self.roots(&source_v4, &source_v6)?,
            destination: self.roots(&destination_v4, &destination_v6)?,
            source_port: self.ports(&fields.source_port)?,
            destination_port: self.ports(&fields.destination_port)?,
            kinds: [0; _],
            rules: [RuleEntry::default(); RULES_MAX],
        };
        for (kind, row) in classifier.kinds.iter_mut().zip(fields.kinds) {
            *kind = self.row(row)?;
        }
        for (place, rule) in classifier.rules.iter_mut().zip(fields.rules) {
            *place = rule;
        }
        Ok(classifier)
    }

    fn ports(&mut self, rows: &[Covered]) -> Result<Entry, PlanError> {
        let prefixes = self.prefixes(rows)?;
        build(&mut self.trie_v4, &prefixes).map_err(|it| exhausted(maps::TRIE_V4, it))
    }

    fn prefixes(&mut self, rows: &[Covered]) -> Result<Vec<Prefix>, PlanError> {
        let prefix = |it: &Covered| {
            let leaf = Entry::leaf(self.row(it.row)?);
            Ok(Prefix { address: it.address, len: it.len, leaf })
        };
        rows.iter().map(prefix).collect()
    }

    /// The number of a row; 0 if no rule is in it.
    fn row(&mut self, row: Row) -> Result<u32, PlanError> {
        if row.summary == 0 {
            return Ok(0);
        }
        self.rows.intern(row).map_err(|it| exhausted(maps::ROWS, it))
    }
}
