//! `cargo xtask verify`: whether the BPF object is what the kernel may be given.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind, read::elf::ElfFile64};

use crate::{
    build::{self, Host},
    setup, shell, workspace,
};

/// Functions outside of the programs that may be in the object: those that the linker adds for
/// copying and comparing memory. Our own that the verifier checks on their own begin with
/// [`OWN_FUNCTION`].
///
/// Any other is code that was not inlined, and most often a panic: those link without a
/// message and are refused by the verifier only when the program is loaded.
const ALLOWED_FUNCTIONS: [&str; 5] = ["bcmp", "memcmp", "memcpy", "memmove", "memset"];

/// How the names of our functions begin (`vnetpeer-ebpf/src/functions.rs`).
const OWN_FUNCTION: &str = "vnp_";

/// Builds, checks the symbols, then loads every program and compares it with its budget.
pub(crate) fn run() -> Result<()> {
    setup::for_kernel()?;
    build::all(Host::Debug)?;
    let path = workspace::object();
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    check_symbols(&bytes).with_context(|| format!("check {}", path.display()))?;
    shell::run(Command::new(workspace::binary("debug", "verify")?).arg(&path))
}

fn check_symbols(bytes: &[u8]) -> Result<()> {
    let file: ElfFile64 = ElfFile64::parse(bytes).context("read the object")?;
    let mut foreign = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
        let Some(index) = symbol.section_index() else { continue };
        let section = file.section_by_index(index).context("find a symbol's section")?;
        let name = symbol.name().context("read a symbol's name")?;
        if is_foreign(section.name().context("read a section's name")?, name) {
            foreign.push(name);
        }
    }
    if !foreign.is_empty() {
        bail!("functions were not inlined, or code can panic: {}", foreign.join(", "));
    }
    println!("symbols: programs, their functions and memory functions only");
    Ok(())
}

/// Programs have sections named after their hook. The rest of the code is in `.text`, panics in
/// `.text.unlikely.`.
fn is_foreign(section: &str, function: &str) -> bool {
    let own = section == ".text" && function.starts_with(OWN_FUNCTION);
    section.starts_with(".text") && !own && !ALLOWED_FUNCTIONS.contains(&function)
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn programs_and_memory_functions_belong() {
        assert!(!is_foreign("xdp", "underlay"));
        assert!(!is_foreign(".text", "memcpy"));
        assert!(!is_foreign(".text", "vnp_classify_v4"));
        assert!(is_foreign(".text.unlikely.", "vnp_classify_v4"));
    }

    #[test]
    fn panics_and_functions_that_were_not_inlined_do_not() {
        let panic = "_RNvNtCsjIh9oKZNYWz_4core9panicking18panic_bounds_check";
        assert!(is_foreign(".text.unlikely.", panic));
        assert!(is_foreign(".text", "route"));
    }
}
