//! `vnetpeer nic diagnostic`: every rule that judges a packet, as Azure's network configuration diagnostic
//! answers it.

use clap::Args;
use serde::Serialize;

use super::{
    super::{Exit, Global, output, target::Source},
    Asked, packet,
};
use crate::topology::{
    effective_security::effective_name,
    flow_verify::{Evaluated, RuleEvaluation, evaluate, verify},
    model::{Access, ResourceId},
};

#[derive(Args, Debug)]
#[command(after_help = "Exits with 3 if the packet is denied.\n\nExample:\n  \
                        vnetpeer nic diagnostic web-vm --direction inbound --protocol tcp --local :443 \
                        --remote 10.1.0.4:50000")]
pub(in crate::cli) struct Diagnostic {
    #[command(flatten)]
    asked: Asked,
}

/// `networkSecurityGroupResult` of Azure's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DiagnosticResult {
    security_rule_access_result: &'static str,
    evaluated_network_security_groups: Vec<EvaluatedGroup>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EvaluatedGroup {
    network_security_group_id: ResourceId,
    applied_to: ResourceId,
    /// Null if none of the security admin rules is about the packet.
    matched_rule: Option<MatchedRule>,
    rules_evaluation_result: Vec<RuleEvaluation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchedRule {
    rule_name: String,
    action: Access,
}

impl From<Evaluated> for EvaluatedGroup {
    fn from(evaluated: Evaluated) -> Self {
        let Evaluated { stage, mut rules } = evaluated;
        for rule in &mut rules {
            rule.name = effective_name(&rule.name).to_owned();
        }
        let name = stage.rule_name.as_deref();
        let name = name.map(|name| effective_name(name).to_owned());
        Self {
            network_security_group_id: stage.applied_by,
            applied_to: stage.applied_to,
            matched_rule: name.map(|rule_name| MatchedRule { rule_name, action: stage.access }),
            rules_evaluation_result: rules,
        }
    }
}

pub(in crate::cli) async fn diagnostic(
    arguments: &Diagnostic,
    global: &Global,
) -> anyhow::Result<Exit> {
    let asked = &arguments.asked;
    let source = Source::open(asked.file.as_deref(), &global.target).await?;
    let (nic, network) = (source.nic(&asked.nic)?, source.network()?);
    let packet = packet(nic, asked)?;
    let allows = verify(&network, nic, &packet)?.allows();
    let evaluated = evaluate(&network, nic, &packet)?;
    let result = DiagnosticResult {
        security_rule_access_result: if allows { "Allow" } else { "Deny" },
        evaluated_network_security_groups: evaluated.into_iter().map(Into::into).collect(),
    };
    output::show(global, &result, render)?;
    Ok(if allows { Exit::Done } else { Exit::Denied })
}

fn render(result: &DiagnosticResult) -> String {
    let rows = result.evaluated_network_security_groups.iter().flat_map(|group| {
        let matched = group.matched_rule.as_ref().map(|it| it.rule_name.as_str());
        group.rules_evaluation_result.iter().map(move |rule| {
            let is = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
            let mark = if matched == Some(rule.name.as_str()) { "decides" } else { "" };
            [
                group.network_security_group_id.name().to_owned(),
                group.applied_to.name().to_owned(),
                rule.name.clone(),
                format!("{:?}", rule.access),
                is(rule.protocol_matched),
                is(rule.source_matched),
                is(rule.source_port_matched),
                is(rule.destination_matched),
                is(rule.destination_port_matched),
                mark.to_owned(),
            ]
        })
    });
    let header = [
        "group",
        "applied to",
        "rule",
        "access",
        "protocol",
        "source",
        "port",
        "destination",
        "port",
        "",
    ];
    format!("{}\n\n{}", result.security_rule_access_result, output::table(header, rows))
}
