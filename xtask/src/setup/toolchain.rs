//! The Rust toolchain that builds `core` for the BPF target.
//!
//! No prebuilt `core` exists for that target, so the toolchain needs the library's sources and
//! unstable options of cargo. Two are looked for: a rustup nightly with `rust-src`, and the
//! pair of compiler and sources that Debian packages.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{apt::Apt, linker};
use crate::shell;

const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];
const DEBIAN_CLIPPY: &str = "rust-web-clippy";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A toolchain that can build the BPF object.
pub(crate) struct Toolchain {
    /// One line for people: where it is from and which versions.
    pub(super) description: String,
    folder: PathBuf,
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    Nightly,
    Debian,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nightly => "rustup nightly",
            Self::Debian => "Debian",
        })
    }
}

impl Toolchain {
    /// The path of one of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Finds a usable toolchain or makes one; rustup is asked before Debian.
pub(super) fn ensure(apt: &mut Apt) -> Result<Toolchain> {
    if let Some(toolchain) = find() {
        return Ok(toolchain);
    }
    add_sources_to_nightly();
    if let Some(toolchain) = find() {
        return Ok(toolchain);
    }
    apt.install(&DEBIAN_PACKAGES)?;
    inspect(Origin::Debian, Path::new(DEBIAN_RUSTC)).context("use Debian's Rust for the BPF target")
}

/// Finds the toolchain's `cargo-clippy` or installs it.
pub(super) fn ensure_clippy(toolchain: &Toolchain, apt: &mut Apt) -> Result<PathBuf> {
    let clippy = toolchain.program("cargo-clippy");
    if !clippy.exists() {
        match toolchain.origin {
            Origin::Nightly => shell::run(&mut rustup_add("clippy"))?,
            Origin::Debian => apt.install(&[DEBIAN_CLIPPY])?,
        }
    }
    ensure!(clippy.exists(), "{} is missing although it was installed", clippy.display());
    Ok(clippy)
}

fn find() -> Option<Toolchain> {
    let nightly = nightly_rustc().and_then(|rustc| inspect(Origin::Nightly, &rustc).ok());
    nightly.or_else(|| inspect(Origin::Debian, Path::new(DEBIAN_RUSTC)).ok())
}

fn nightly_rustc() -> Option<PathBuf> {
    let mut which = Command::new("rustup");
    which.args(["which", "rustc", "--toolchain", "nightly"]);
    // To ask where a toolchain is must not download one.
    which.env("RUSTUP_AUTO_INSTALL", "0");
    shell::capture(&mut which).ok().map(PathBuf::from)
}

/// Asks rustup for the library sources. It may have none to give: where it cannot reach its
/// server it fails at once, and Debian's packages are next.
fn add_sources_to_nightly() {
    let Some(rustc) = nightly_rustc() else {
        return println!("rustup has no nightly toolchain: using Debian's");
    };
    if let Err(error) = Versions::of(&rustc).and_then(|versions| versions.check()) {
        return println!("rustup's nightly cannot be used ({error}): using Debian's");
    }
    println!("adding the library sources to rustup's nightly");
    if let Err(error) = shell::run(&mut rustup_add("rust-src")) {
        println!("rustup has no sources to give ({error}): using Debian's");
    }
}

fn rustup_add(component: &str) -> Command {
    let mut add = Command::new("rustup");
    add.args(["component", "add", component, "--toolchain", "nightly"]);
    add
}

/// Checks everything that the build relies on, and says what is missing.
fn inspect(origin: Origin, rustc: &Path) -> Result<Toolchain> {
    let versions = Versions::of(rustc)?;
    versions.check()?;
    let sysroot = shell::capture(rustc_command(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    ensure!(sources.exists(), "{} does not exist", sources.display());
    let folder = rustc.parent().context("find the folder of rustc")?.to_owned();
    ensure!(folder.join("cargo").exists(), "{} has no cargo", folder.display());
    let Versions { release, llvm } = versions;
    let description = format!("{origin}, rustc {release}, LLVM {llvm} ({})", folder.display());
    Ok(Toolchain { description, folder, origin })
}

/// The compiler itself, free of what a calling cargo set for its own compiler's libraries.
fn rustc_command(rustc: &Path) -> Command {
    let mut command = Command::new(rustc);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// What `rustc -vV` says of itself.
#[derive(Debug)]
struct Versions {
    release: String,
    llvm: String,
}

impl Versions {
    fn of(rustc: &Path) -> Result<Self> {
        Self::parse(&shell::capture(rustc_command(rustc).arg("-vV"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::to_owned).with_context(|| format!("`rustc -vV` has no line `{name}`"))
        };
        Ok(Self { release: field("release: ")?, llvm: field("LLVM version: ")? })
    }

    fn check(&self) -> Result<()> {
        let oldest = env!("CARGO_PKG_RUST_VERSION");
        if numbers(&self.release) < numbers(oldest) {
            bail!("rustc {} is older than {oldest}", self.release);
        }
        if numbers(&self.llvm).first() > Some(&linker::LLVM_MAJOR) {
            bail!("its LLVM {} is newer than the linker's {}", self.llvm, linker::LLVM_MAJOR);
        }
        Ok(())
    }
}

/// The numbers of a version, without what follows a dash.
fn numbers(version: &str) -> Vec<u32> {
    let release = version.split('-').next().unwrap_or_default();
    release.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(release: &str, llvm: &str) -> Result<()> {
        let text = format!("rustc {release}\nrelease: {release}\nLLVM version: {llvm}\n");
        Versions::parse(&text)?.check()
    }

    #[test]
    fn versions_that_can_build_the_object() {
        check("1.95.0", "22.1.2").unwrap();
        check("1.97.0-nightly", "22.1.4").unwrap();
        check("1.100.0", "21.0.0").unwrap();
    }

    #[test]
    fn an_old_compiler_is_refused() {
        let error = check("1.85.1", "19.1.7").unwrap_err();
        assert_eq!(error.to_string(), "rustc 1.85.1 is older than 1.95");
    }

    #[test]
    fn a_compiler_on_a_newer_llvm_than_the_linker_is_refused() {
        let error = check("1.99.0-nightly", "23.0.0").unwrap_err();
        assert_eq!(error.to_string(), "its LLVM 23.0.0 is newer than the linker's 22");
    }

    #[test]
    fn a_compiler_without_llvm_is_refused() {
        assert!(Versions::parse("release: 1.96.0\n").is_err());
    }
}
