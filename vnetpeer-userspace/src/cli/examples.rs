//! Examples for the help of commands that share their arguments with others, or are too short for a help of
//! their own. The others have theirs beside their arguments. A test sees that every command has one, and that
//! all can be parsed.

use clap::Command;

const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "validate",
        &["vnetpeer validate -f network.yaml", "vnetpeer validate -f network.yaml -o json"],
    ),
    (
        "plan",
        &["vnetpeer plan -f network.yaml", "vnetpeer plan -f network.yaml --fail-if-lost -o json"],
    ),
    ("run", &["vnetpeer run -f network.yaml --host host-a"]),
    ("apply", &["vnetpeer apply -f network.yaml"]),
    ("status", &["vnetpeer status", "vnetpeer status -o json --query \"[].host\""]),
    (
        "lab up",
        &[
            "vnetpeer lab up -f examples/quickstart.yaml",
            "vnetpeer lab up -f network.yaml --name trial",
        ],
    ),
    ("lab down", &["vnetpeer lab down", "vnetpeer lab down trial"]),
    ("lab list", &["vnetpeer lab list", "vnetpeer lab list --filter name=quick* -o json"]),
    ("lab exec", &["vnetpeer lab exec hub-vm1 -- ping -c 3 10.1.1.5"]),
    ("lab matrix", &["vnetpeer lab matrix", "vnetpeer lab matrix --junit report.xml"]),
    ("lab run", &["vnetpeer lab run -f examples/quickstart.yaml --once"]),
    (
        "vnet list",
        &["vnetpeer vnet list", "vnetpeer vnet list --filter location=westeurope --sort -name"],
    ),
    ("vnet show", &["vnetpeer vnet show hub", "vnetpeer vnet show hub -f network.yaml -o json"]),
    ("vnet update", &["vnetpeer vnet update hub --address-prefixes 10.0.0.0/16 10.9.0.0/16"]),
    ("subnet list", &["vnetpeer subnet list --filter name=hub/*"]),
    ("subnet show", &["vnetpeer subnet show hub/workloads"]),
    ("nic list", &["vnetpeer nic list --filter host=host-a --top 20"]),
    ("nic show", &["vnetpeer nic show hub-vm1"]),
    ("nic effective-routes", &["vnetpeer nic effective-routes spoke1-vm1 -o json"]),
    (
        "nic diagnostic",
        &["vnetpeer nic diagnostic spoke2-vm --direction inbound --protocol tcp --local :443 \
             --remote 10.1.1.4:*"],
    ),
    (
        "nic drops",
        &[
            "vnetpeer nic drops --sort -packets --top 5",
            "vnetpeer nic drops --filter reason=NoRoute",
        ],
    ),
    ("peering list", &["vnetpeer peering list --filter peeringState=Initiated"]),
    ("peering show", &["vnetpeer peering show hub/hub-to-spoke1"]),
    (
        "peering create",
        &[
            "vnetpeer peering create spoke1/to-hub --remote-vnet hub --allow-forwarded-traffic",
            "vnetpeer peering create spoke1/to-hub --remote-vnet hub --both",
        ],
    ),
    ("peering update", &["vnetpeer peering update spoke1/to-hub --use-remote-gateways"]),
    ("peering delete", &["vnetpeer peering delete spoke1/to-hub --both"]),
    ("peering sync", &["vnetpeer peering sync spoke1/to-hub"]),
    ("network-manager list", &["vnetpeer network-manager list -f examples/network-manager.yaml"]),
    ("network-manager show", &["vnetpeer network-manager show central"]),
    (
        "network-manager commit",
        &[
            "vnetpeer network-manager commit central --commit-type Connectivity --target-locations \
             westeurope --configuration-ids star",
            "vnetpeer network-manager commit central --commit-type Connectivity --target-locations \
             westeurope --none",
        ],
    ),
    ("network-manager deployment-status", &["vnetpeer network-manager deployment-status"]),
    (
        "network-manager list-active-connectivity",
        &["vnetpeer network-manager list-active-connectivity"],
    ),
    (
        "network-manager list-effective-connectivity",
        &["vnetpeer network-manager list-effective-connectivity hub"],
    ),
    ("route-table list", &["vnetpeer route-table list -f examples/service-chain.yaml"]),
    ("route-table show", &["vnetpeer route-table show to-nva -o json"]),
    ("gateway list", &["vnetpeer gateway list -f examples/hub-gateway.yaml"]),
    ("gateway show", &["vnetpeer gateway show hub-gateway"]),
    ("load-balancer list", &["vnetpeer load-balancer list -f examples/load-balancer.yaml"]),
    ("load-balancer show", &["vnetpeer load-balancer show web"]),
    (
        "load-balancer health",
        &["vnetpeer load-balancer health", "vnetpeer load-balancer health web"],
    ),
    ("nsg list", &["vnetpeer nsg list -f examples/security-groups.yaml"]),
    (
        "trace",
        &[
            "vnetpeer trace spoke1-vm 10.2.1.4 --protocol tcp --port 443",
            "vnetpeer trace spoke1-vm spoke2-vm -f examples/service-chain.yaml -o json",
            "vnetpeer trace spoke1-vm spoke2-vm --cost examples/prices.yaml",
            "vnetpeer trace spoke1-vm spoke2-vm --live",
        ],
    ),
    (
        "connectivity-check",
        &[
            "vnetpeer connectivity-check spoke1-vm 10.2.1.4 --port 443",
            "vnetpeer connectivity-check spoke1-vm spoke2-vm -f examples/service-chain.yaml -o json",
        ],
    ),
    (
        "meter show",
        &["vnetpeer meter show --sort -egressBytes --top 5", "vnetpeer meter show --balance"],
    ),
    ("role list", &["vnetpeer role list --filter type=CustomRole"]),
    ("role show", &["vnetpeer role show \"Network Contributor\""]),
    ("role assignment list", &["vnetpeer role assignment list --filter principalName=shop"]),
    ("audit list", &["vnetpeer audit list --denied --last 20"]),
    ("audit verify", &["vnetpeer audit verify"]),
    (
        "completions",
        &[
            "vnetpeer completions bash > /etc/bash_completion.d/vnetpeer",
            "vnetpeer completions zsh > ~/.zfunc/_vnetpeer",
        ],
    ),
    (
        "man",
        &["vnetpeer man peering create | man -l -", "vnetpeer man --out /usr/local/share/man/man1"],
    ),
];

/// A command with its examples, and those of all below it; `path` is its name without the program's.
pub(super) fn add(command: Command, path: &str) -> Command {
    let mut command = command;
    if let Some((_, examples)) = EXAMPLES.iter().find(|(it, _)| *it == path) {
        let before = command.get_after_help().map(|it| format!("{it}\n\n")).unwrap_or_default();
        let word = if examples.len() == 1 { "Example" } else { "Examples" };
        let text = format!("{before}{word}:\n  {}", examples.join("\n  "));
        command = command.after_help(text);
    }
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in names {
        let below = format!("{path} {name}");
        command = command.mut_subcommand(&name, |it| add(it, below.trim_start()));
    }
    command
}
