//! `cargo xtask pktgen`: the kernel's packet generator on an interface of this host.
//!
//! It needs the module `pktgen`, and sends real packets: to a port of the bench, never to one that others
//! use. What it writes is decided in [`script`], without touching anything.

mod result;
mod script;

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use self::script::{Line, Script};
use crate::shell;

const FOLDER: &str = "/proc/net/pktgen";

/// Arguments of the command.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// The interface that sends: a physical port, or the guest's end of a veth.
    interface: String,
    /// The MAC address that frames go to: the virtual router's for a guest.
    #[arg(long, default_value = "12:34:56:78:9a:bc")]
    mac: String,
    /// The address that packets come from: the NIC's own, or they are dropped as spoofed.
    #[arg(long)]
    from: IpAddr,
    /// The address that packets go to.
    #[arg(long)]
    to: IpAddr,
    /// Threads, one for each of the first CPUs.
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Packets of each thread.
    #[arg(long, default_value_t = 10_000_000)]
    packets: u64,
    /// Bytes of a frame on the wire with its checksum, or `imix`: 7 of 64, 4 of 576 and 1 of 1,500 bytes.
    #[arg(long, default_value = "64", value_parser = Size::parse)]
    size: Size,
    /// Flows of each thread, told apart by their source ports.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50_000))]
    flows: u16,
    /// What the interface is: a veth takes no packet twice.
    #[arg(long, value_enum, default_value_t = Kind::Port)]
    kind: Kind,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    print: bool,
}

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A network card.
    Port,
    /// One end of a veth pair.
    Veth,
}

/// How large frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Bytes(u16),
    Imix,
}

impl Size {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "imix" {
            return Ok(Self::Imix);
        }
        match text.parse() {
            Ok(bytes @ 64..=9_216) => Ok(Self::Bytes(bytes)),
            _ => Err("`imix`, or a number from 64 to 9216".to_owned()),
        }
    }
}

/// Sends, and says how much was sent.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.from.is_ipv4() == args.to.is_ipv4(), "--from and --to are of different families");
    let script = Script::new(args);
    if args.print {
        for line in script.lines() {
            println!("echo '{}' > {FOLDER}/{}", line.text, line.file);
        }
        return Ok(());
    }
    check(args, Path::new(FOLDER))?;
    let stop = Stop;
    for line in &script.before {
        write(line)?;
    }
    // Returns when the last thread has sent its packets.
    write(&script.start)?;
    drop(stop);
    let mut total = result::Sent::default();
    for (thread, file) in script.devices.iter().enumerate() {
        let path = PathBuf::from(FOLDER).join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let sent = result::read(&text).with_context(|| format!("read the result of {file}"))?;
        println!("thread {thread}: {sent}");
        total = total + sent;
    }
    println!("all: {total}");
    Ok(())
}

/// Whether the generator is there, and has as many threads.
fn check(args: &Args, folder: &Path) -> Result<()> {
    if !shell::is_root() {
        bail!("only root may use the packet generator; run as root: cargo xtask pktgen …");
    }
    if !folder.join("pgctrl").exists() {
        bail!(
            "this kernel has no packet generator running: run `modprobe pktgen`; a kernel without the \
             module needs CONFIG_NET_PKTGEN. `cargo xtask bench system/pps` measures without it"
        );
    }
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let threads = usize::try_from(args.threads).unwrap_or(usize::MAX);
    ensure!(threads > 0 && threads <= cpus, "--threads must be from 1 to {cpus}, one for a CPU");
    Ok(())
}

fn write(line: &Line) -> Result<()> {
    let path = PathBuf::from(FOLDER).join(&line.file);
    // The generator takes the last byte off, whatever it is.
    fs::write(&path, format!("{}\n", line.text))
        .with_context(|| format!("write `{}` to {}", line.text, path.display()))
}

/// Takes the interface away from the generator on every way out.
struct Stop;

impl Drop for Stop {
    fn drop(&mut self) {
        let _nothing_runs = fs::write(Path::new(FOLDER).join("pgctrl"), "stop\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_generator_says_what_to_do() {
        if !shell::is_root() {
            return;
        }
        let args = script::tests::args();
        let error = check(&args, Path::new("/proc/net/no-such-folder")).unwrap_err();
        assert!(error.to_string().contains("modprobe pktgen"), "{error}");
    }

    #[test]
    fn sizes_are_those_of_frames() {
        assert_eq!(Size::parse("imix"), Ok(Size::Imix));
        assert_eq!(Size::parse("1518"), Ok(Size::Bytes(1_518)));
        for wrong in ["63", "9217", "", "many"] {
            assert!(Size::parse(wrong).is_err(), "{wrong}");
        }
    }
}
