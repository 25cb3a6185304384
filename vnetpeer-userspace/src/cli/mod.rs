//! The command line: words, exit codes, and which file answers which command.

mod apply;
mod audit;
mod candidates;
mod capture;
mod completions;
mod doctor;
mod draft;
mod effective_nsg;
mod examples;
mod explain;
mod flows;
mod gateway;
mod graph;
mod lab;
mod listing;
mod load_balancer;
mod meter;
mod named;
mod network;
mod network_manager;
mod nsg;
mod observe;
mod output;
mod peering;
mod permission;
mod plan;
mod query;
mod role;
mod routes;
mod run;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod top;
mod trace;
mod validate;
mod vnet;
mod watcher;
mod watching;

use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::CompleteEnv;

use crate::{
    agent::{client::ClientError, rollout::RolloutError},
    explanation,
};

use self::{output::Format, query::Query, target::Target};

/// What a command ends with. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Used wrongly.
    Usage = 2,
    /// Denied by policy or permission.
    Denied = 3,
    /// Unreachable.
    Unreachable = 4,
    /// Timed out.
    TimedOut = 5,
    /// What is in force differs from what was declared, or would lose by it (`plan --fail-if-lost`).
    Drift = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Azure virtual network peering on Linux hosts, with real packets.
#[derive(Debug, Parser)]
#[command(
    name = "vnetpeer",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 denied by policy or permission, \
                  4 unreachable, 5 timed out, 6 in-force state differs from declared.\n\n\
                  Example:\n  vnetpeer lab up -f examples/quickstart.yaml\n  \
                  vnetpeer lab exec hub-vm1 -- ping -c 3 10.1.1.5\n  vnetpeer meter show\n  \
                  vnetpeer lab down"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
struct Global {
    #[command(flatten)]
    target: Target,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Show only what this `JMESPath` expression chooses, such as `[].name` or `[?vni > `1`]`
    #[arg(long, global = true, value_name = "EXPRESSION", value_parser = Query::parse)]
    query: Option<Query>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a topology document: all problems at once, with places and fixes
    Validate(validate::Arguments),
    /// Show what a document would change: objects, and pairs of subnets that gain or lose reachability
    Plan(plan::Arguments),
    /// Run the agent of one host, in the foreground
    Run(run::Arguments),
    /// Give the running agents a new document; returns when it is in force everywhere
    Apply(apply::Arguments),
    /// Show agents, programs and modes per interface, generation, map fill and drift
    Status(status::Arguments),
    /// Run a whole deployment in network namespaces, one agent process per host
    #[command(subcommand)]
    Lab(lab::Command),
    /// Virtual networks
    #[command(subcommand)]
    Vnet(vnet::Command),
    /// Subnets, named VNET/SUBNET
    #[command(subcommand)]
    Subnet(network::Command),
    /// Network interfaces
    #[command(subcommand)]
    Nic(NicCommand),
    /// Peerings, named VNET/PEERING
    #[command(subcommand)]
    Peering(peering::Command),
    /// Network managers, what they deploy, and commits
    #[command(subcommand)]
    NetworkManager(network_manager::Command),
    /// Route tables with their user-defined routes
    #[command(subcommand)]
    RouteTable(network::Command),
    /// Virtual network gateways, with what they learned and what they advertise
    #[command(subcommand)]
    Gateway(network::Command),
    /// Internal load balancers, and the health of their backends
    #[command(subcommand)]
    LoadBalancer(load_balancer::Command),
    /// Network security groups
    #[command(subcommand)]
    Nsg(nsg::Command),
    /// Where a NIC's packets to an address go next
    NextHop(watcher::NextHop),
    /// Which security rule allows or denies a packet
    IpFlowVerify(watcher::IpFlowVerify),
    /// Explain what becomes of a packet and of its answer, stage by stage; nothing is sent
    Trace(trace::TraceArguments),
    /// Whether a NIC reaches an address, in Azure's shape: hops, issues, and how to mend them
    ConnectivityCheck(trace::CheckArguments),
    /// List the flows that the hosts know, the last used first
    Flows(flows::Arguments),
    /// Show drops and new flows live, with rule, route, peering and NIC
    Observe(observe::Arguments),
    /// Write packets at any stage of their way into a pcapng file
    Capture(capture::Arguments),
    /// Explain a code: what happened, why, and what helps
    Explain(explain::Arguments),
    /// Look whether hosts have what vnetpeer needs: kernel, rights, MTU, offloads, agents; each finding with its fix
    Doctor(doctor::Arguments),
    /// Show rates of links, NICs and drops, and the fill of maps, again and again
    Top(top::Arguments),
    /// Draw a picture of the network: SVG, Mermaid or Graphviz
    Graph(graph::Arguments),
    /// Bytes per peering and direction
    #[command(subcommand)]
    Meter(meter::Command),
    /// Roles, and who has them where
    #[command(subcommand)]
    Role(role::Command),
    /// Whether somebody may do something, and why
    #[command(subcommand)]
    Permission(permission::Command),
    /// Who did what: the hosts' audit logs
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print a manual page, or write those of all commands
    Man(completions::Manual),
}

#[derive(Debug, Subcommand)]
enum NicCommand {
    #[command(flatten)]
    Show(network::Command),
    /// Effective routes in Azure's shape, losing routes included
    EffectiveRoutes(routes::Arguments),
    /// Effective security rules in Azure's shape, default rules included and tags expanded
    EffectiveNsg(effective_nsg::Arguments),
    /// Every security rule that judges a packet, and how it stands to it, in the shape of Azure's network
    /// configuration diagnostic
    Diagnostic(watcher::Diagnostic),
    /// Packets dropped at each NIC, by reason
    Drops {
        #[command(flatten)]
        listing: listing::Listing,
    },
}

/// The commands with all their help.
pub fn commands() -> clap::Command {
    candidates::add(examples::add(Cli::command(), ""), "")
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Ends the process if a shell asks.
    CompleteEnv::with_factory(commands).var(completions::VARIABLE).complete();
    let cli = Cli::from_arg_matches(&commands().get_matches()).unwrap_or_else(|error| error.exit());
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let message = format!("{error:#}");
            eprintln!("error: {message}");
            if let Some(code) = code_of(&error).or_else(|| explanation::named_in(&message)) {
                eprintln!("{}", explain::hint(code));
            }
            exit_of(&error).into()
        }
    }
}

/// What a command ends with that failed.
fn exit_of(error: &anyhow::Error) -> Exit {
    let is_denied = error.chain().any(|cause| match cause.downcast_ref() {
        Some(RolloutError::Denied(_)) => true,
        Some(RolloutError::Unknown(error)) => error.is_denied(),
        _ => cause.downcast_ref::<ClientError>().is_some_and(ClientError::is_denied),
    });
    if is_denied { Exit::Denied } else { Exit::Failed }
}

/// The code that an agent refused something with, if there is more to say about it.
fn code_of(error: &anyhow::Error) -> Option<&'static str> {
    let refused = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(ClientError::Refused(reply)) => Some(reply),
        _ => None,
    })?;
    explanation::find(&refused.code).map(|it| it.code)
}

/// Commands that only compute run without a runtime.
fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let global = cli.global;
    match cli.command {
        Command::Validate(arguments) => validate::run(&arguments, global.output),
        Command::Explain(arguments) => explain::run(&arguments, &global),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => completions::manual(&arguments),
        command => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(dispatch_async(command, &global))
        }
    }
}

async fn dispatch_async(command: Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::Plan(arguments) => plan::run(&arguments, global).await,
        Command::Run(arguments) => run::run(arguments, global).await,
        Command::Apply(arguments) => apply::run(&arguments, global).await,
        Command::Status(arguments) => status::run(&arguments, global).await,
        Command::Lab(command) => lab::run(command, global).await,
        Command::Vnet(command) => vnet::run(&command, global).await,
        Command::Subnet(command) => network::run(network::Kind::Subnet, &command, global).await,
        Command::Peering(command) => peering::run(&command, global).await,
        Command::RouteTable(command) => {
            network::run(network::Kind::RouteTable, &command, global).await
        }
        Command::Nic(NicCommand::Show(command)) => {
            network::run(network::Kind::Nic, &command, global).await
        }
        Command::Nic(NicCommand::EffectiveRoutes(arguments)) => {
            routes::run(&arguments, global).await
        }
        Command::Nic(NicCommand::EffectiveNsg(arguments)) => {
            effective_nsg::run(&arguments, global).await
        }
        Command::Nic(NicCommand::Diagnostic(arguments)) => {
            watcher::diagnostic(&arguments, global).await
        }
        Command::Nic(NicCommand::Drops { listing }) => meter::drops(&listing, global).await,
        Command::NetworkManager(command) => network_manager::run(&command, global).await,
        Command::Gateway(command) => gateway::run(&command, global).await,
        Command::LoadBalancer(command) => load_balancer::run(&command, global).await,
        Command::Nsg(command) => nsg::run(&command, global).await,
        Command::NextHop(arguments) => watcher::next_hop(&arguments, global).await,
        Command::IpFlowVerify(arguments) => watcher::ip_flow_verify(&arguments, global).await,
        Command::Trace(arguments) => trace::run(&arguments, global).await,
        Command::ConnectivityCheck(arguments) => {
            trace::connectivity_check(&arguments, global).await
        }
        Command::Flows(arguments) => flows::run(&arguments, global).await,
        Command::Observe(arguments) => observe::run(&arguments, global).await,
        Command::Capture(arguments) => capture::run(&arguments, global).await,
        Command::Doctor(arguments) => doctor::run(&arguments, global).await,
        Command::Top(arguments) => top::run(&arguments, global).await,
        Command::Graph(arguments) => graph::run(&arguments, global).await,
        Command::Meter(command) => meter::run(&command, global).await,
        Command::Role(command) => role::run(&command, global).await,
        Command::Permission(command) => permission::run(&command, global).await,
        Command::Audit(command) => audit::run(&command, global).await,
        Command::Validate(_) | Command::Explain(_) | Command::Completions(_) | Command::Man(_) => {
            Ok(Exit::Done)
        }
    }
}
