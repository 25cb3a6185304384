//! `vnetpeer permission`: whether somebody may do something, and why.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};

use super::{Exit, Global, output, role::read};
use crate::{
    agent::{access::permission_of, api::PermissionQuery},
    topology::model::Permissions,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say whether a principal may do an action on a resource, and what each of its assignments has to
    /// say; ends with exit code 3 if it may not
    #[command(after_help = "Example:\n  vnetpeer permission check --principal alice \\\n    \
                            --action Microsoft.Network/virtualNetworks/peer/action \\\n    --scope \
                            /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/net")]
    Check(Check),
}

#[derive(Args, Debug)]
pub(super) struct Check {
    /// The principal's name or object id; whoever asks unless given
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The action, such as Microsoft.Network/virtualNetworks/write
    #[arg(long)]
    action: String,
    /// ARM id of the resource, or of a scope above it
    #[arg(long, value_name = "ID")]
    scope: String,
    /// Read this document instead of what is in force; needs --principal
    #[arg(short, long, value_name = "FILE", requires = "principal")]
    file: Option<PathBuf>,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let Command::Check(arguments) = command;
    let query = PermissionQuery {
        principal: arguments.principal.clone(),
        action: arguments.action.clone(),
        scope: arguments.scope.clone(),
    };
    let reply = match &arguments.file {
        Some(file) => {
            let permissions: Permissions = read(file)?.permissions;
            permission_of(&permissions, &query)?
        }
        None => global.target.first()?.permission(&query).await?,
    };
    output::show(global, &reply, |reply| {
        let assignments = output::table(
            ["principal", "role", "scope", "allows", "because"],
            reply.assignments.iter().map(|it| {
                let allows = if it.allows { "yes" } else { "no" };
                let (principal, role) = (it.principal.clone(), it.role.clone());
                [principal, role, it.scope.clone(), allows.to_owned(), it.because.clone()]
            }),
        );
        let mut text = String::new();
        let word = if reply.allowed { "allowed" } else { "denied" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{word}: {} on {}", reply.action, reply.scope);
        if let (Some(code), Some(message)) = (&reply.code, &reply.message) {
            let _ = writeln!(text, "({code}) {message}");
        }
        let _ = write!(text, "\n{assignments}");
        text
    })?;
    Ok(if reply.allowed { Exit::Done } else { Exit::Denied })
}
