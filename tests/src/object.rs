//! Where the BPF objects are, for every test and benchmark.

use std::{env, fs, path::PathBuf};

/// The programs under test: `VNETPEER_BPF_OBJECT`, else where `cargo xtask build` leaves them.
pub fn programs() -> Vec<u8> {
    read("VNETPEER_BPF_OBJECT", "target/bpf/vnetpeer.o")
}

/// The programs that surround those under test in a benchmark: `VNETPEER_BENCH_OBJECT`, else where
/// `cargo xtask build` leaves them.
pub fn bench_programs() -> Vec<u8> {
    read("VNETPEER_BENCH_OBJECT", "target/bpf/bpfel-unknown-none/release/vnetpeer-bench")
}

/// The ends of whole deployments in a benchmark: `VNETPEER_SYSTEM_OBJECT`, else where
/// `cargo xtask build` leaves them.
pub fn system_programs() -> Vec<u8> {
    read("VNETPEER_SYSTEM_OBJECT", "target/bpf/bpfel-unknown-none/release/vnetpeer-system")
}

/// Lookups of routes in a benchmark: `VNETPEER_ROUTES_OBJECT`, else where `cargo xtask build` leaves them.
pub fn route_programs() -> Vec<u8> {
    read("VNETPEER_ROUTES_OBJECT", "target/bpf/bpfel-unknown-none/release/vnetpeer-routes")
}

fn read(variable: &str, default: &str) -> Vec<u8> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = env::var_os(variable).map_or_else(|| workspace.join(default), PathBuf::from);
    fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask build`, or set {variable}", path.display())
    })
}
