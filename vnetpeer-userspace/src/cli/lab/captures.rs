//! Captures of probes of a matrix that differ from what was expected: they are sent once more, all at once, each
//! before a capture of its own.

use std::{
    fs::{File, create_dir_all},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::super::{
    Global, capture,
    target::Target,
    watching::{Bounds, watch as watch_packets},
};
use crate::{
    agent::api::{PacketStage, WatchRequest},
    lab::{Lab, Matrix, matrix::Cell, probe::Protocol},
};

/// Captures of one matrix; what is behind so many differences, most of the others have too.
const CAPTURES_MAX: usize = 10;

/// Captures the first differences and notes in their cells where.
pub(super) async fn write(
    lab: &Lab,
    matrix: &mut Matrix,
    folder: &Path,
    global: &Global,
) -> anyhow::Result<()> {
    let different = matrix.cells.iter_mut().filter(|cell| !cell.is_equal());
    let mut cells: Vec<&mut Cell> = different.take(CAPTURES_MAX).collect();
    if cells.is_empty() {
        return Ok(());
    }
    create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let target = Target { lab: Some(lab.record().name.clone()), socket: Vec::new() };
    let global = Global { target, ..global.clone() };
    let (ready, mut all_ready) = mpsc::channel(CAPTURES_MAX);
    let (stop, stopped) = watch::channel(());
    let mut captures = JoinSet::new();
    for (number, cell) in (1..).zip(&mut cells) {
        let path = folder.join(name(number, cell));
        captures.spawn(take(
            path.clone(),
            request(cell),
            global.clone(),
            ready.clone(),
            stopped.clone(),
        ));
        cell.capture = Some(path);
    }
    drop(ready);
    for _ in 0..captures.len() {
        // A capture that failed says so at its end.
        all_ready.recv().await;
    }
    let again: Vec<Cell> = cells.iter().map(|cell| (**cell).clone()).collect();
    lab.try_again(&again).await?;
    stop.send_replace(());
    while let Some(capture) = captures.join_next().await {
        capture??;
    }
    Ok(())
}

/// Writes what fits a request until it is stopped.
async fn take(
    path: PathBuf,
    request: WatchRequest,
    global: Global,
    ready: mpsc::Sender<()>,
    mut stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut writer = capture::Writer::new(BufWriter::new(file))?;
    let bounds = Bounds { count: None, duration: None };
    // There is room for all of them.
    let tell = move || _ = ready.try_send(());
    let see = |packet: &_| capture::write(&mut writer, packet);
    tokio::select! {
        seen = watch_packets(&request, &bounds, &global, tell, see) => { seen?; }
        _ = stopped.changed() => {}
    }
    writer.finish()
}

/// Both ways of a probe at every stage.
fn request(cell: &Cell) -> WatchRequest {
    let protocol = match (cell.protocol, cell.address.is_ipv4()) {
        (Protocol::Tcp, _) => libc::IPPROTO_TCP,
        (Protocol::Udp, _) => libc::IPPROTO_UDP,
        (Protocol::Icmp, true) => libc::IPPROTO_ICMP,
        (Protocol::Icmp, false) => libc::IPPROTO_ICMPV6,
    };
    WatchRequest {
        address: Some(cell.address.into()),
        port: (cell.port != 0).then_some(cell.port),
        protocol: u8::try_from(protocol).ok(),
        stages: PacketStage::ALL.to_vec(),
        snap: capture::SNAP,
        ..WatchRequest::default()
    }
}

/// Names of NICs may be ARM ids.
fn name(number: usize, cell: &Cell) -> String {
    let plain = |name: &str| super::super::output::short(name).to_owned();
    let family = if cell.address.is_ipv4() { "v4" } else { "v6" };
    let protocol = cell.protocol.to_string().to_lowercase();
    format!("{number:02}-{}-{}-{protocol}-{family}.pcapng", plain(&cell.from), plain(&cell.to))
}
