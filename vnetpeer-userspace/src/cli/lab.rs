//! `vnetpeer lab`.

mod captures;

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;

use super::{
    Exit, Global, explain,
    listing::Listing,
    meter, output, routes,
    target::{Source, Target},
};
use crate::lab::{self, Lab, LabError, Options, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build the deployment of a document, and return when every agent is ready
    Up {
        /// The topology document, YAML or JSON
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Name of the lab; the deployment's unless given
        #[arg(long)]
        name: Option<String>,
    },
    /// Take a lab down; nothing of it remains
    Down {
        /// Name of the lab; the only one that is up unless given
        name: Option<String>,
    },
    /// List labs
    List {
        #[command(flatten)]
        listing: Listing,
    },
    /// Run a command in the namespace of a NIC
    Exec {
        /// The NIC's name or ARM id
        nic: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Try by real sockets who reaches whom, and compare with who should
    #[command(visible_alias = "test")]
    Matrix {
        /// Also write a `JUnit` report to this file
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Send what differs once more, and write each of the first ten as pcapng into this folder
        #[arg(long, value_name = "FOLDER")]
        captures: Option<PathBuf>,
    },
    /// Build a lab, prove connectivity, show routes and meters, and take it down on Ctrl-C
    Run {
        /// The topology document, YAML or JSON
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Name of the lab; the deployment's unless given
        #[arg(long)]
        name: Option<String>,
        /// Take it down at once
        #[arg(long)]
        once: bool,
    },
}

pub(super) async fn run(command: Command, global: &Global) -> anyhow::Result<Exit> {
    let result = match command {
        Command::Up { file, name } => up(file, name).await,
        Command::Down { name } => down(name.as_deref(), global).await,
        Command::List { listing } => return list(&listing, global),
        Command::Exec { nic, command } => return exec(&nic, &command, global),
        Command::Matrix { junit, captures } => {
            return matrix(junit.as_deref(), captures.as_deref(), global).await;
        }
        Command::Run { file, name, once } => return run_lab(file, name, once).await,
    };
    exit(result)
}

/// A document's mistakes are drawn, not printed as one line.
fn exit(result: Result<Exit, LabError>) -> anyhow::Result<Exit> {
    match result {
        Err(LabError::Document(problems)) => {
            explain::tell(&problems);
            Ok(Exit::Failed)
        }
        result => Ok(result?),
    }
}

async fn run_lab(file: PathBuf, name: Option<String>, once: bool) -> anyhow::Result<Exit> {
    let show = async |lab: &Lab| show(lab.record().name.clone()).await;
    match lab::run::<anyhow::Error>(&options(file, name), once, show).await {
        Ok(Outcome::AsExpected) => Ok(Exit::Done),
        Ok(Outcome::Differs) => Ok(Exit::Unreachable),
        Ok(Outcome::Interrupted) => Ok(Exit::Failed),
        Err(error) => match error.downcast::<LabError>() {
            Ok(error) => exit(Err(error)),
            Err(error) => Err(error),
        },
    }
}

fn options(file: PathBuf, name: Option<String>) -> Options {
    Options { file, name, ..Options::default() }
}

async fn up(file: PathBuf, name: Option<String>) -> Result<Exit, LabError> {
    let lab = lab::up(&options(file, name)).await?;
    println!(
        "lab {} is up: {} hosts, {} NICs",
        lab.record().name,
        lab.record().hosts.len(),
        lab.record().nics.len()
    );
    println!("try: vnetpeer lab matrix; vnetpeer lab exec NIC -- COMMAND; vnetpeer lab down");
    Ok(Exit::Done)
}

async fn down(name: Option<&str>, global: &Global) -> Result<Exit, LabError> {
    let name = lab::down(name.or(global.target.lab.as_deref())).await?;
    println!("lab {name} is down");
    Ok(Exit::Done)
}

fn list(listing: &Listing, global: &Global) -> anyhow::Result<Exit> {
    listing.print(global, lab::list()?, |labs| {
        output::rows(
            ["name", "hosts", "nics", "document"],
            labs.iter().map(|lab| {
                [
                    lab.name.clone(),
                    lab.hosts.len().to_string(),
                    lab.nics.len().to_string(),
                    lab.file.display().to_string(),
                ]
            }),
        )
    })?;
    Ok(Exit::Done)
}

/// Ends with the command's own exit code; one that a signal ended counts as failed.
fn exec(nic: &str, command: &[String], global: &Global) -> anyhow::Result<Exit> {
    let lab = lab::open(global.target.lab.as_deref())?;
    let status = lab.exec(nic, command)?;
    match status.code() {
        Some(0) => Ok(Exit::Done),
        Some(code) => std::process::exit(code),
        None => {
            let signal = status.signal().unwrap_or_default();
            anyhow::bail!("{} was ended by signal {signal}", command.join(" "))
        }
    }
}

async fn matrix(
    junit: Option<&Path>,
    captures: Option<&Path>,
    global: &Global,
) -> anyhow::Result<Exit> {
    let lab = lab::open(global.target.lab.as_deref())?;
    let mut matrix = lab.matrix().await?;
    if let Some(folder) = captures {
        captures::write(&lab, &mut matrix, folder, global).await?;
    }
    if let Some(file) = junit {
        let report = matrix.junit().context("write the report")?;
        fs::write(file, report).with_context(|| format!("cannot write {}", file.display()))?;
    }
    output::show(global, &matrix, lab::Matrix::render)?;
    Ok(if matrix.all_equal() { Exit::Done } else { Exit::Unreachable })
}

/// What `lab run` shows of a lab: the effective routes of its first NIC and the meters of all links.
async fn show(name: String) -> anyhow::Result<String> {
    let target = Target { lab: Some(name), socket: Vec::new() };
    let source = Source::open(None, &target).await?;
    let mut parts = Vec::new();
    if let Some(nic) = source.topology.nics.first() {
        let table = routes::render(&routes::of_nic(&source, nic.id.name())?);
        parts.push(format!("effective routes of {}\n\n{table}\n", nic.id.name()));
    }
    let mut hosts = Vec::new();
    for client in target.clients()? {
        hosts.push(client.meters().await?);
    }
    parts.push(format!("meters of every link\n\n{}\n", meter::rows(&meter::sum(hosts))));
    Ok(parts.join("\n"))
}
