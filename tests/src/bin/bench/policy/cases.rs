//! What is measured.

use super::{
    flows::{self, Choice},
    rules::{self, Match},
};
use crate::{
    harness::At,
    worlds::{LOCAL, REMOTE, Spoke},
};

/// Flows that are used in turn.
pub(crate) const COUNTS: [u32; 4] = [1, 1_000, 10_000, 100_000];
/// How long a hit with so many flows may take, to a NIC of this host and of another.
const HITS: [[f64; 2]; 4] = [[38.0, 58.0], [48.0, 68.0], [150.0, 160.0], [270.0, 290.0]];
/// How much longer than the sketch it may take.
const SKETCH_RATIO: f64 = 1.25;
/// How long a first packet may take, to a NIC of this host and of another.
const FIRST: [f64; 2] = [600.0, 400.0];
/// As many as fit in the smaller cache of IPv6.
pub(crate) const COUNTS_V6: [u32; 4] = [1, 1_000, 10_000, 50_000];
/// New flows of one measurement.
pub(crate) const NEW: u32 = 10_000;

/// Which program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The product.
    Product,
    /// A program of `vnetpeer-bench`, without the hook in its name.
    Beside(&'static str),
}

/// What is done before each pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing.
    Nothing,
    /// All flows are sent twice.
    Warm,
    /// The NICs have groups that deny the flows.
    Deny,
    /// The epoch of the sender's NIC is raised, so that no cached action holds.
    NewEpoch,
    /// The flows are removed, and the NICs have so many groups of so many rules each.
    Forget { groups: usize, size: u32 },
    /// The sketch gets the flows.
    Cache,
    /// The hash loses the flows.
    Empty,
}

/// A list of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
    Local,
    Encap,
    LocalV6,
    AnyEncap,
    Decap,
    New,
}

impl List {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Local, Self::Encap, Self::LocalV6, Self::AnyEncap, Self::Decap, Self::New];

    /// Its flows.
    pub(crate) fn flows(self, sets: [u32; 2]) -> Vec<u32> {
        match self {
            Self::Local => flows::list(&LOCAL, false, 100_000, sets[0], Choice::Fitting),
            Self::Encap => flows::list(&REMOTE, false, 100_000, sets[0], Choice::Fitting),
            Self::LocalV6 => flows::list(&LOCAL, true, 50_000, sets[1], Choice::Fitting),
            Self::AnyEncap => flows::list(&REMOTE, false, 100_000, sets[0], Choice::Any),
            Self::Decap => flows::arriving(&REMOTE, 100_000, sets[0]),
            Self::New => flows::sources(NEW),
        }
    }
}

/// One thing to measure.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) subject: Subject,
    pub(crate) at: At,
    pub(crate) v6: bool,
    pub(crate) before: Before,
    /// Whether the packets go to another host.
    pub(crate) remote: bool,
    pub(crate) list: List,
    /// Flows in turn.
    pub(crate) count: u32,
    /// Destination port, unless the list has it.
    pub(crate) port: u16,
    /// Whether one run per flow is a pass.
    pub(crate) once: bool,
    /// The last action that is right.
    pub(crate) action: u32,
    /// The benchmark that this one is compared with.
    pub(crate) beside: Option<String>,
    pub(crate) target: Option<f64>,
    /// How much longer than that one it may take.
    pub(crate) ratio: Option<f64>,
}

const XDP_DROP: u32 = 1;
const REDIRECT: u32 = 4;
const TC_REDIRECT: u32 = 7;

impl Case {
    fn new(name: String, subject: Subject, before: Before, remote: bool, count: u32) -> Self {
        Self {
            name,
            subject,
            at: At::Xdp,
            v6: false,
            before,
            remote,
            list: if remote { List::Encap } else { List::Local },
            count,
            port: 0,
            once: false,
            action: REDIRECT,
            beside: None,
            target: None,
            ratio: None,
        }
    }

    /// Whether the packets come from another host.
    pub(crate) fn is_inbound(&self) -> bool {
        self.list == List::Decap
    }

    /// Where the packets go.
    pub(crate) const fn spoke(&self) -> &'static Spoke {
        if self.remote { &REMOTE } else { &LOCAL }
    }
}

/// Everything, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = hits();
    cases.extend(known());
    cases.extend(first());
    cases.push(denied());
    cases.extend(steps());
    cases
}

const fn effect(remote: bool) -> &'static str {
    if remote { "encap" } else { "local" }
}

fn hits() -> Vec<Case> {
    let mut cases = Vec::new();
    for remote in [false, true] {
        let effect = effect(remote);
        for (count, wanted) in COUNTS.into_iter().zip(HITS) {
            let sketch = format!("policy/sketch/{effect}/{count}-flows");
            let program = if remote { "sketch_encap" } else { "sketch_local" };
            let subject = Subject::Beside(program);
            cases.push(Case::new(sketch.clone(), subject, Before::Cache, remote, count));
            let name = format!("policy/hit/{effect}/{count}-flows");
            let hit = Case::new(name, Subject::Product, Before::Warm, remote, count);
            let target = Some(wanted[usize::from(remote)]);
            cases.push(Case { beside: Some(sketch), target, ratio: Some(SKETCH_RATIO), ..hit });
        }
    }
    for (count, target) in COUNTS.into_iter().zip([Some(55.0), Some(65.0), None, None]) {
        let name = format!("datapath/hit/decap/{count}-flows");
        let hit = Case::new(name, Subject::Product, Before::Warm, true, count);
        cases.push(Case { list: List::Decap, target, ..hit });
    }
    let any = Case::new(
        "policy/hit/encap/100000-any".to_owned(),
        Subject::Product,
        Before::Warm,
        true,
        100_000,
    );
    cases.push(Case { list: List::AnyEncap, ..any });
    for count in COUNTS {
        let name = format!("policy/hit/local/{count}-flows-tc");
        let hit = Case::new(name, Subject::Product, Before::Warm, false, count);
        cases.push(Case { at: At::Tc, action: TC_REDIRECT, ..hit });
    }
    for count in COUNTS_V6 {
        let name = format!("policy/hit/local/{count}-flows-v6");
        let hit = Case::new(name, Subject::Product, Before::Warm, false, count);
        cases.push(Case { v6: true, list: List::LocalV6, ..hit });
    }
    cases
}

fn known() -> Vec<Case> {
    let mut cases = Vec::new();
    for remote in [false, true] {
        for count in &COUNTS[1..] {
            let name = format!("policy/known/{}/{count}-flows", effect(remote));
            let case = Case::new(name, Subject::Product, Before::NewEpoch, remote, *count);
            cases.push(Case { once: true, ..case });
        }
    }
    cases
}

fn first() -> Vec<Case> {
    let sketch = "policy/sketch/first/encap".to_owned();
    let subject = Subject::Beside("sketch_first");
    let case = Case::new(sketch.clone(), subject, Before::Empty, true, NEW);
    let mut cases = vec![Case { list: List::New, port: Match::First.port(), once: true, ..case }];
    for remote in [true, false] {
        let mut add = |path: String, groups, size, matching: Match, target| {
            let name = format!("policy/first/{}/{path}", effect(remote));
            let before = Before::Forget { groups, size };
            let case = Case::new(name, Subject::Product, before, remote, NEW);
            let denied = groups > 0 && matching == Match::None;
            cases.push(Case {
                list: List::New,
                port: matching.port(),
                once: true,
                action: if denied { XDP_DROP } else { REDIRECT },
                beside: (remote && !denied).then(|| sketch.clone()),
                target,
                ..case
            });
        };
        add("no-group".to_owned(), 0, 10, Match::First, None);
        for groups in [1, 2] {
            for size in rules::SIZES {
                for matching in Match::ALL {
                    let path = format!("{groups}-groups/{size}-rules/{}", matching.name());
                    let wanted = FIRST[usize::from(remote)];
                    let target = (groups == 2 && size == 1_000).then_some(wanted);
                    add(path, groups, size, matching, target);
                }
            }
        }
    }
    cases
}

/// A packet that two groups of 1,000 rules deny.
fn denied() -> Case {
    let name = "datapath/drop/policy".to_owned();
    let case = Case::new(name, Subject::Product, Before::Deny, true, 1);
    Case { list: List::New, port: Match::None.port(), action: XDP_DROP, ..case }
}

fn steps() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, program, before, count| {
        let name = format!("policy/step/{name}");
        let case = Case::new(name, Subject::Beside(program), before, false, count);
        cases.push(Case { action: XDP_DROP, ..case });
    };
    add("redirect", "redirect", Before::Nothing, 1);
    for count in COUNTS {
        add(&format!("lookup/{count}-flows"), "lookup", Before::Nothing, count);
    }
    add("insert", "insert", Before::Empty, NEW);
    add("insert-delete", "insert_delete", Before::Nothing, NEW);
    for (size, program) in rules::SIZES.into_iter().zip(["scan_10", "scan_100", "scan_1000"]) {
        add(&format!("scan/{size}-rules"), program, Before::Nothing, 1);
    }
    for case in &mut cases {
        case.action = if case.name.ends_with("redirect") { REDIRECT } else { XDP_DROP };
        if case.name.contains("insert") {
            (case.list, case.port) = (List::New, Match::First.port());
            case.once = case.before == Before::Empty;
        }
    }
    cases
}
