//! What security rules and security admin rules have in common: names, priorities, ports.

use std::collections::HashMap;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        problem::{Finding, Findings},
        scalar::Ports,
        source::Span,
    },
    PartNames,
};
use crate::topology::model::{Direction, PortRange, RuleProtocol};

/// What the rules of one group have taken.
#[derive(Default)]
pub(super) struct Taken {
    names: PartNames,
    priorities: HashMap<(Direction, u16), (Span, String)>,
}

impl Taken {
    /// Judges a rule's name.
    pub(super) fn name(&mut self, name: &Spanned<String>, findings: &mut Findings) {
        self.names.add("rule", name, findings);
    }

    /// Reports a priority that another rule of the direction has.
    pub(super) fn priority(
        &mut self,
        name: &str,
        direction: Direction,
        priority: u16,
        span: Span,
        findings: &mut Findings,
    ) {
        let before = self.priorities.insert((direction, priority), (span, name.to_owned()));
        if let Some((first, other)) = before {
            let message = format!(
                "rules `{other}` and `{name}` both have priority {priority} in direction \
                 {direction:?}"
            );
            findings.push(
                Finding::error(Code::SecurityRuleConflict, span, message)
                    .help("give one of them another priority: the lowest is evaluated first")
                    .note(first, "first here"),
            );
        }
    }
}

/// The ports of one end of a rule, as written.
pub(super) struct WrittenPorts<'d> {
    /// `source` or `destination`.
    pub(super) side: &'static str,
    /// `sourcePortRange`.
    pub(super) single: Option<&'d Spanned<Ports>>,
    /// `sourcePortRanges`.
    pub(super) list: Option<&'d List<Spanned<Ports>>>,
    /// Whether a list may be `*` alone, because there is no other way to say it.
    pub(super) list_takes_any: bool,
}

impl WrittenPorts<'_> {
    /// The ranges. Without any, all ports: decoding has reported it where ports are needed.
    pub(super) fn read(
        &self,
        protocol: RuleProtocol,
        protocol_span: Span,
        findings: &mut Findings,
    ) -> Vec<PortRange> {
        let list = self.list.filter(|list| !super::is_empty(list));
        let side = self.side;
        if let (Some(single), Some(list)) = (self.single, list) {
            let message = format!("a rule has `{side}PortRange` or `{side}PortRanges`, not both");
            findings.push(
                Finding::error(Code::ConflictingProperties, single.span, message)
                    .help(format!("move the ports into {side}PortRanges"))
                    .note(list.span, "the other one"),
            );
        } else if let Some(empty) = self.list.filter(|_| self.single.is_none() && list.is_none()) {
            let message = format!("`{side}PortRanges` has no ports");
            findings.push(
                Finding::error(Code::MissingProperty, empty.span, message)
                    .help("add a port or a range of ports; remove the rule if it is for none"),
            );
        }
        let written: Vec<&Spanned<Ports>> =
            self.single.into_iter().chain(list.into_iter().flatten()).collect();
        if self.single.is_none() {
            self.check_list(&written, findings);
        }
        if matches!(protocol, RuleProtocol::Icmp | RuleProtocol::Esp | RuleProtocol::Ah) {
            let some = |ports: &&&Spanned<Ports>| ports.value.range() != Ports::ALL;
            if let Some(ports) = written.iter().find(some) {
                let message = format!("protocol {protocol:?} has no ports");
                findings.push(
                    Finding::error(Code::ConflictingProperties, ports.span, message)
                        .help(format!("write \"*\", or leave out the {side} ports"))
                        .note(protocol_span, "the protocol"),
                );
            }
        }
        let ranges: Vec<PortRange> = written.iter().map(|ports| ports.value.range()).collect();
        if ranges.is_empty() { vec![Ports::ALL] } else { ranges }
    }

    /// `*` is no element of a list.
    fn check_list(&self, written: &[&Spanned<Ports>], findings: &mut Findings) {
        let alone = self.list_takes_any && written.len() == 1;
        let any = written.iter().find(|ports| ports.value == Ports::Any).filter(|_| !alone);
        let Some(any) = any else { return };
        let side = self.side;
        let help = if self.list_takes_any {
            "write it alone, or remove it".to_owned()
        } else {
            format!("write `{side}PortRange: \"*\"` instead of the list, or remove it")
        };
        let message = format!("\"*\" cannot be one of the `{side}PortRanges`");
        let code = Code::SecurityRuleParameterContainsInvalidPortRanges;
        findings.push(Finding::error(code, any.span, message).help(help));
    }
}
