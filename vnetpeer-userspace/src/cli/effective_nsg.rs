//! `vnetpeer nic effective-nsg`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{
    Exit, Global, exit_of,
    nsg::ends,
    output::{self, join},
    target::Source,
};
use crate::agent::api::NicQuery;
use crate::topology::effective_security::{EffectiveGroup, effective_security};

/// Tags with more prefixes are only counted in a table.
const PREFIXES_SHOWN: usize = 12;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer nic effective-nsg spoke1-vm1\n  \
                        vnetpeer nic effective-nsg spoke1-vm1 -f network.yaml -o json")]
pub(super) struct Arguments {
    /// The NIC's name or ARM id
    pub(super) nic: String,
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// Azure's answer to `effectiveNetworkSecurityGroups`.
#[derive(Serialize)]
struct EffectiveGroups {
    value: Vec<EffectiveGroup>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let source = match Source::open(arguments.file.as_deref(), &global.target).await {
        Err(error) if exit_of(&error) == Exit::Denied => {
            let query = NicQuery { network_interface: arguments.nic.clone() };
            let groups = global.target.first()?.effective_groups(&query).await?;
            output::show_whole(global, &groups)?;
            return Ok(Exit::Done);
        }
        source => source?,
    };
    let nic = source.nic(&arguments.nic)?;
    let value = effective_security(&source.network()?, nic);
    output::show(global, &EffectiveGroups { value }, |it| render(&it.value))?;
    Ok(Exit::Done)
}

fn render(groups: &[EffectiveGroup]) -> String {
    if groups.is_empty() {
        return "no network security group: everything is allowed".to_owned();
    }
    let mut text = String::new();
    for group in groups {
        let rules = output::table(
            ["direction", "priority", "name", "access", "protocol", "source", "destination"],
            group.effective_security_rules.iter().map(|it| {
                [
                    format!("{:?}", it.direction),
                    it.priority.to_string(),
                    it.name.clone(),
                    format!("{:?}", it.access),
                    it.protocol.to_owned(),
                    ends(&it.source_address_prefixes, &it.source_port_ranges),
                    ends(&it.destination_address_prefixes, &it.destination_port_ranges),
                ]
            }),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n\n{rules}\n", title(group));
        for (tag, prefixes) in &group.tag_map {
            let _ = match prefixes.len() {
                0..=PREFIXES_SHOWN => writeln!(text, "{tag}: {}", join(prefixes)),
                count => writeln!(text, "{tag}: {count} prefixes, see -o json"),
            };
        }
        text.push('\n');
    }
    text
}

/// Which group it is and what it is attached to.
fn title(group: &EffectiveGroup) -> String {
    let association = &group.association;
    let levels = [
        ("security admin rules of", &association.network_manager),
        ("subnet", &association.subnet),
        ("network interface", &association.network_interface),
    ];
    let attached = levels.iter().find_map(|(word, it)| Some((word, it.as_ref()?)));
    let attached =
        attached.map_or_else(String::new, |(word, it)| format!("{word} {}", it.id.name()));
    match &group.network_security_group {
        Some(it) => format!("{} on {attached}", it.id.name()),
        None => attached,
    }
}
