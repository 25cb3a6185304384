//! `cargo xtask setup`: finds or installs what building and testing need.
//!
//! Each part looks first and acts only on what is missing, so a second run changes nothing and
//! takes no time. What may not be installed here is an error that holds the command to type.

mod apt;
mod bpffs;
mod focus;
mod linker;
mod toolchain;
mod tools;

use std::path::PathBuf;

use anyhow::Result;

use self::apt::Apt;
pub(crate) use self::toolchain::Toolchain;

/// What the BPF object is built with.
pub(crate) struct BpfTools {
    /// The cargo and rustc that can build `core` for the BPF target.
    pub(crate) toolchain: Toolchain,
    /// `bpf-linker`.
    pub(crate) linker: PathBuf,
}

/// Makes everything ready that any command needs, and says so.
pub(crate) fn run() -> Result<()> {
    let mut apt = Apt::default();
    let toolchain = toolchain::ensure(&mut apt)?;
    ready("eBPF toolchain", &toolchain.description);
    ready("clippy for it", &toolchain::ensure_clippy(&toolchain, &mut apt)?.display());
    let linker = linker::ensure(&mut apt)?;
    ready("bpf-linker", &format_args!("{} ({})", linker::VERSION, linker.display()));
    ready("tools", &tools::ensure(&mut apt)?);
    ready("BPF file system", &bpffs::ensure()?);
    match for_focus()? {
        Some(validator) => ready("focus-validator", &validator.display()),
        None => println!("SKIPPED  focus-validator: it needs Python 3.12, which is not here"),
    }
    Ok(())
}

/// Makes ready what builds the BPF object.
pub(crate) fn for_build() -> Result<BpfTools> {
    let mut apt = Apt::default();
    let toolchain = toolchain::ensure(&mut apt)?;
    let linker = linker::ensure(&mut apt)?;
    Ok(BpfTools { toolchain, linker })
}

/// Makes ready what checks the BPF object's source, and returns the path of its `cargo-clippy`.
pub(crate) fn for_clippy(toolchain: &Toolchain) -> Result<PathBuf> {
    toolchain::ensure_clippy(toolchain, &mut Apt::default())
}

/// Makes ready what loads programs and builds network namespaces.
pub(crate) fn for_kernel() -> Result<()> {
    tools::ensure(&mut Apt::default())?;
    bpffs::ensure()?;
    Ok(())
}

/// Makes ready what emulates machines.
pub(crate) fn for_vm() -> Result<()> {
    Apt::default().install(&["qemu-system-x86", "xz-utils"])
}

/// Makes ready what judges exports of costs, and returns where it is; none without its Python.
pub(crate) fn for_focus() -> Result<Option<PathBuf>> {
    focus::ensure()
}

fn ready(what: &str, detail: &dyn std::fmt::Display) {
    println!("ready  {what:<16} {detail}");
}
