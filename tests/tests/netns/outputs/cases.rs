//! Which commands are shown, and why others are not.

/// A command whose output is kept.
pub(super) struct Case {
    /// Without the program's name and the format.
    pub(super) command: &'static str,
    /// Whether numbers in it are different every time.
    pub(super) varies: bool,
    /// Whether the command fails. Any other is kept only with an answer.
    pub(super) fails: bool,
}

impl Case {
    /// The snapshot's name: the command up to its first option.
    pub(super) fn name(&self) -> String {
        let words = self.command.split_whitespace();
        let words = words.take_while(|it| !it.starts_with('-'));
        words.collect::<Vec<_>>().join("-").replace('/', "_")
    }
}

const fn same(command: &'static str) -> Case {
    Case { command, varies: false, fails: false }
}

const fn varies(command: &'static str) -> Case {
    Case { command, varies: true, fails: false }
}

const fn fails(command: &'static str) -> Case {
    Case { command, varies: false, fails: true }
}

/// Every one is shown in each format.
pub(super) const CASES: &[Case] = &[
    same("validate -f examples/quickstart.yaml"),
    same("plan -f examples/service-chain.yaml --against examples/quickstart.yaml"),
    varies("status"),
    varies("doctor"),
    varies("lab list --filter name=t-outputs*"),
    same("vnet list"),
    same("vnet show hub"),
    same("subnet list"),
    same("subnet show hub/workload"),
    same("nic list"),
    same("nic show hub-vm1"),
    same("nic effective-routes spoke1-vm1"),
    same("nic effective-nsg web1 -f examples/security-groups.yaml"),
    same(
        "nic diagnostic web1 --direction inbound --protocol tcp --local :443 --remote 10.40.2.4:* \
         -f examples/security-groups.yaml",
    ),
    varies("nic drops --filter reason=RouteNone"),
    same("peering list"),
    same("peering show hub/hub-to-spoke1"),
    same("network-manager list -f examples/network-manager.yaml"),
    same("network-manager show central -f examples/network-manager.yaml"),
    same("network-manager deployment-status"),
    same("network-manager list-active-connectivity -f examples/network-manager.yaml"),
    same("network-manager list-effective-connectivity hub -f examples/network-manager.yaml"),
    same("route-table list -f examples/service-chain.yaml"),
    same("route-table show spoke1-to-spoke2 -f examples/service-chain.yaml"),
    same("gateway list -f examples/hub-gateway.yaml"),
    same("gateway show hub-gateway -f examples/hub-gateway.yaml"),
    same("load-balancer list -f examples/load-balancer.yaml"),
    same("load-balancer show web -f examples/load-balancer.yaml"),
    same("load-balancer health"),
    same("nsg list -f examples/security-groups.yaml"),
    same("nsg show web-subnet -f examples/security-groups.yaml"),
    same("next-hop spoke1-vm1 10.0.1.4"),
    same(
        "ip-flow-verify web1 --direction inbound --protocol tcp --local :443 --remote 10.40.2.4:50000 \
         -f examples/security-groups.yaml",
    ),
    same("trace spoke1-vm spoke2-vm -f examples/service-chain.yaml"),
    same("trace spoke1-vm1 spoke2-vm1"),
    same("trace spoke1-vm1 hub-vm2 --live"),
    same("trace foreign-vm1 hub-vm2 --live"),
    same("connectivity-check spoke1-vm spoke2-vm -f examples/service-chain.yaml"),
    varies("flows hub-vm1 --protocol icmp --remote 10.1.1.4"),
    same("explain NoRoute"),
    fails("explain NoRoutes"),
    same("explain --list --filter kind=outcome"),
    varies("meter show --filter virtualNetwork=hub"),
    same(
        "meter cost --records examples/usage.jsonl --prices examples/prices.yaml --month 2026-11 \
         --as-of 2026-11-30T12:00:00Z",
    ),
    same(
        "meter invoice --records examples/usage.jsonl --prices examples/prices.yaml --month 2026-11 \
         --as-of 2026-12-01T12:00:00Z",
    ),
    varies("meter reconcile"),
    varies("top --once --interval 0.2"),
    same("role list"),
    same("role show Reader"),
    same("role assignment list -f examples/permissions.yaml"),
    same(
        "permission check --principal ann --action Microsoft.Network/virtualNetworks/read --scope / \
         -f examples/permissions.yaml",
    ),
    varies("audit list --sort host --top 1"),
    varies("audit verify"),
    // The last one: its packets would be in the others.
    same("lab matrix"),
];

/// Commands without a snapshot of their output, and why.
pub(super) const WITHOUT: &[(&str, &str)] = &[
    ("run", "it is the agent, and prints a log"),
    ("apply", "it writes; `plan` shows what"),
    ("lab up", "it builds a lab"),
    ("lab down", "it takes a lab down"),
    ("lab exec", "what the command prints that it runs"),
    ("lab run", "a report of a whole run, for people only"),
    ("vnet update", "it writes; `vnet show` has the same shape"),
    ("peering create", "it writes; `peering show` has the same shape"),
    ("peering update", "it writes; `peering show` has the same shape"),
    ("peering delete", "it writes"),
    ("peering sync", "it writes; `peering show` has the same shape"),
    ("network-manager commit", "it writes"),
    ("observe", "it goes on until it is stopped; `watch.rs` reads it"),
    ("capture", "it writes a file; `watch.rs` reads it"),
    ("graph", "pictures of its own formats; `src/graph` has tests of them"),
    ("meter export", "it writes files; `metering` reads them"),
    ("completions", "a script; `completions.rs` uses it"),
    ("man", "manual pages; they have the texts of the help"),
];
