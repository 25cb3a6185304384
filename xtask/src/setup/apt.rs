//! Debian packages.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Installs packages; fetches the package lists at most once.
#[derive(Default)]
pub(super) struct Apt {
    lists_are_fresh: bool,
}

impl Apt {
    /// Installs those of `packages` that are missing.
    pub(super) fn install(&mut self, packages: &[&str]) -> Result<()> {
        let missing: Vec<&str> =
            packages.iter().copied().filter(|package| !is_installed(package)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let by_hand = format!("apt-get update && apt-get install -y {}", missing.join(" "));
        if !shell::is_root() {
            bail!("packages are missing and only root may install them; run as root: {by_hand}");
        }
        println!("installing Debian packages: {}", missing.join(" "));
        self.fetch_lists()
            .and_then(|()| shell::run(apt_get().args(["install", "-y"]).args(&missing)))
            .with_context(|| format!("install packages; see why with: {by_hand}"))
    }

    fn fetch_lists(&mut self) -> Result<()> {
        if !self.lists_are_fresh {
            shell::run(apt_get().arg("update"))?;
            self.lists_are_fresh = true;
        }
        Ok(())
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // A machine that has just booted may still hold the lock for its own updates.
    command.args(["-q", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", package]);
    shell::capture(&mut query).is_ok_and(|status| status == "installed")
}
