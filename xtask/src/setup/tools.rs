//! Command-line tools that the lab, the tests and the benchmarks call.

use anyhow::{Result, ensure};

use super::apt::Apt;
use crate::shell;

/// Each program with the Debian package that has it.
const TOOLS: [(&str, &str); 13] = [
    ("bird", "bird2"),
    ("bpftool", "bpftool"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("iperf3", "iperf3"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("sockperf", "sockperf"),
    ("strace", "strace"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
];

/// Installs the packages of the tools that are missing; returns the names of all.
pub(super) fn ensure(apt: &mut Apt) -> Result<String> {
    let missing: Vec<(&str, &str)> =
        TOOLS.into_iter().filter(|(program, _)| shell::find(program).is_none()).collect();
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    apt.install(&packages)?;
    for (program, package) in missing {
        let found = shell::find(program).is_some();
        ensure!(found, "package {package} is installed but `{program}` is not in PATH");
    }
    Ok(TOOLS.map(|(program, _)| program).join(" "))
}
