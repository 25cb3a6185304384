//! The `vnetpeer` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vnetpeer_userspace::cli::main()
}
