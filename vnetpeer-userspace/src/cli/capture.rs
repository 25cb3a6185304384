//! `vnetpeer capture`.

mod pcapng;

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;

pub(super) use self::pcapng::Writer;
use super::{
    Exit, Global,
    observe::about,
    watching::{Bounds, Filter, watch},
};
use crate::agent::api::{PacketStage, SeenPacket};

/// Unless asked otherwise: whole frames up to Ethernet's usual size with the tunnel's headers.
pub(super) const SNAP: u32 = 2_048;
/// Unless asked otherwise.
const COUNT: u64 = 10_000;

#[derive(Args, Debug)]
#[command(
    after_help = "Writes pcapng, which Wireshark and tshark read. Each stage of each host is an interface, and each \
                  packet's comment says what was decided. While it runs, packets of all flows of the hosts take the \
                  whole path.\n\nExamples:\n  vnetpeer capture -w drops.pcapng --stage dropped --duration 10\n  \
                  vnetpeer capture -w web.pcapng --nic spoke1-vm --port 443 --count 100\n  \
                  vnetpeer capture -w - --stage encapsulated --duration 5 | tshark -r -"
)]
pub(super) struct Arguments {
    /// The file; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    write: PathBuf,
    /// Where on its way a packet is taken (repeat it for several); everywhere unless given
    #[arg(long, value_enum)]
    stage: Vec<PacketStage>,
    /// Bytes of each frame, up to 2,048
    #[arg(long, value_name = "BYTES", default_value_t = SNAP, value_parser = clap::value_parser!(u32).range(64..=2_048))]
    snaplen: u32,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    bounds: Bounds,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let everywhere = [
        PacketStage::Sent,
        PacketStage::Routed,
        PacketStage::Encapsulated,
        PacketStage::Delivered,
        PacketStage::Dropped,
    ];
    let stages = if arguments.stage.is_empty() { &everywhere[..] } else { &arguments.stage };
    let request = arguments.filter.request(stages, arguments.snaplen, global).await?;
    let out: Box<dyn Write> = if arguments.write.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        let path = &arguments.write;
        Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
    };
    let mut writer = Writer::new(io::BufWriter::new(out))?;
    let bounds = Bounds {
        count: arguments.bounds.count.or(Some(COUNT)),
        duration: arguments.bounds.duration,
    };
    let ready = || eprintln!("capturing; Ctrl-C ends");
    let totals =
        watch(&request, &bounds, global, ready, |packet| write(&mut writer, packet)).await?;
    writer.finish()?;
    eprintln!("{} captured, {} lost", totals.seen, totals.lost);
    Ok(Exit::Done)
}

/// Writes a packet with what was decided about it as its comment.
pub(super) fn write(writer: &mut Writer<impl Write>, packet: &SeenPacket) -> anyhow::Result<()> {
    writer.packet(packet, &about(packet).join(" "))
}
