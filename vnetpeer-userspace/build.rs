//! Embeds the BPF object that `cargo xtask build` leaves in the target directory.

use std::{env, fs, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let default = root.join("../target/bpf/vnetpeer.o");
    println!("cargo::rerun-if-env-changed=VNETPEER_BPF_OBJECT");
    let object = env::var_os("VNETPEER_BPF_OBJECT").map_or(default, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("vnetpeer.o");
    match fs::copy(&object, &out) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}: {error}; run `cargo xtask build` first", object.display());
            ExitCode::FAILURE
        }
    }
}
