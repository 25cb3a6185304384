//! `vnetpeer role`: roles and who has them where, in ARM's shape.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Exit, Global,
    listing::Listing,
    network::text,
    output::{self, join},
};
use crate::{document, permission::arm};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the roles that are built in and those of the document
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a role with its actions
    Show {
        /// Its name or GUID
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Role assignments
    #[command(subcommand)]
    Assignment(Assignment),
}

#[derive(Debug, Subcommand)]
pub(super) enum Assignment {
    /// List who has which role where: all assignments that you may read, and your own
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
}

#[derive(Args, Debug)]
pub(super) struct From {
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::List { from, listing } => {
            listing.print(global, roles(from, global).await?, |all| {
                output::rows(
                    ["role", "type", "assignable at", "description"],
                    all.iter().map(|it| {
                        [
                            text(it, "/properties/roleName"),
                            text(it, "/properties/type"),
                            text(it, "/properties/assignableScopes"),
                            text(it, "/properties/description"),
                        ]
                    }),
                )
            })?;
        }
        Command::Show { name, from } => {
            let all = roles(from, global).await?;
            let is = |it: &&Value| {
                ["/properties/roleName", "/name"]
                    .iter()
                    .any(|pointer| text(it, pointer).eq_ignore_ascii_case(name))
            };
            let Some(found) = all.iter().find(is) else {
                let known = join(all.iter().map(|it| text(it, "/properties/roleName")));
                bail!("RoleDefinitionDoesNotExist: there is no role `{name}`; there are {known}");
            };
            output::show_whole(global, found)?;
        }
        Command::Assignment(Assignment::List { from, listing }) => {
            let all = match &from.file {
                Some(file) => arm::assignments(&read(file)?.permissions),
                None => global.target.first()?.role_assignments().await?,
            };
            listing.print(global, all, |all| {
                output::rows(
                    ["principal", "type", "role", "scope"],
                    all.iter().map(|it| {
                        [
                            text(it, "/principalName"),
                            text(it, "/properties/principalType"),
                            text(it, "/roleDefinitionName"),
                            text(it, "/properties/scope"),
                        ]
                    }),
                )
            })?;
        }
    }
    Ok(Exit::Done)
}

async fn roles(from: &From, global: &Global) -> anyhow::Result<Vec<Value>> {
    match &from.file {
        Some(file) => Ok(arm::definitions(&read(file)?.permissions)),
        None => Ok(global.target.first()?.roles().await?),
    }
}

/// The topology of a document.
pub(super) fn read(file: &std::path::Path) -> anyhow::Result<crate::topology::model::Topology> {
    let loaded = document::read(file).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    Ok(loaded.topology)
}
