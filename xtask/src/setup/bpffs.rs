//! The BPF file system, where maps and links are pinned.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::shell;

const MOUNT_POINT: &str = "/sys/fs/bpf";

/// Mounts the BPF file system unless it is mounted; returns where.
pub(super) fn ensure() -> Result<&'static str> {
    let mounts = fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
    if is_mounted(&mounts) {
        return Ok(MOUNT_POINT);
    }
    let mut mount = Command::new("mount");
    mount.args(["-t", "bpf", "bpf", MOUNT_POINT]);
    if !shell::is_root() {
        bail!("{MOUNT_POINT} is not mounted; run as root: {}", shell::line(&mount));
    }
    shell::run(&mut mount)?;
    Ok(MOUNT_POINT)
}

fn is_mounted(mounts: &str) -> bool {
    mounts.lines().any(|mount| {
        let mut fields = mount.split(' ').skip(1);
        fields.next() == Some(MOUNT_POINT) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::is_mounted;

    #[test]
    fn only_a_bpf_mount_at_the_place_counts() {
        assert!(is_mounted("sysfs /sys sysfs rw 0 0\nnone /sys/fs/bpf bpf rw,relatime 0 0\n"));
        assert!(!is_mounted("tmpfs /sys/fs/bpf tmpfs rw 0 0\nbpf /run/bpf bpf rw 0 0\n"));
    }
}
