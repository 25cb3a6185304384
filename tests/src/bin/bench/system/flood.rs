//! `observe/flood/…`: an observer to whom all drops are told, while one CPU makes more of them than can be.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::{runtime::Runtime, time::timeout};
use vnetpeer_tests::netns::Deployment;
use vnetpeer_userspace::agent::{
    api::{LostPackets, PacketStage, WatchLine, WatchRequest},
    client::Lines,
};

use super::{ours, runtime, way::Way};
use crate::{
    harness::At,
    report::{Against, Row},
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 3;
const HOST: &str = "host-1";
/// Whoever hears nothing for this long after the last packet has heard all.
const SILENCE: Duration = Duration::from_secs(2);
/// What is measured, in millions per second but for the last, which are packets.
const COLUMNS: [&str; 4] = ["dropped", "seen", "lost", "unaccounted"];

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (at, hook) in [(At::Xdp, "xdp"), (At::Tc, "tc")] {
        let names = COLUMNS.map(|column| format!("observe/flood/{hook}/{column}"));
        if names.iter().all(|name| !name.contains(filter)) {
            continue;
        }
        let runtime = runtime()?;
        let lab = runtime.block_on(ours::up(at, false));
        let way = ours::way(&lab, at, ours::LOCAL)?;
        let mut values = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            let measured = flood(&runtime, &lab, &way)?;
            for (values, value) in values.iter_mut().zip(measured) {
                values.push(value);
            }
        }
        for ((name, column), values) in names.into_iter().zip(COLUMNS).zip(values) {
            let row = match column {
                "dropped" => Row::new(name, "Mpps", values).wanted(Against::Nothing, true, 1.0),
                "unaccounted" => Row::new(name, "packets", values).at_most(Some(0.0)),
                _ => Row::new(name, "Mpps", values),
            };
            rows.push(row);
        }
    }
    rows.retain(|row| row.name.contains(filter));
    Ok(rows)
}

/// One flood: what was dropped, seen and lost, and how far the last two are from the first.
fn flood(runtime: &Runtime, lab: &Deployment, way: &Way) -> Result<[f64; 4]> {
    let dropped = || runtime.block_on(async { lab.drops(HOST).await.values().sum::<u64>() });
    let request = WatchRequest { stages: vec![PacketStage::Dropped], ..WatchRequest::default() };
    let mut lines = runtime.block_on(lab.agent(HOST).watch(&request)).context("watch")?;
    let before = dropped();
    let observer = runtime.spawn(async move { told(&mut lines).await });
    let (sent, seconds) = way.spoof()?;
    let (seen, lost) = runtime.block_on(observer).context("the observer")??;
    let dropped = dropped() - before;
    ensure!(dropped >= sent, "{sent} packets were sent and {dropped} dropped");
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let [dropped, seen, lost] = [dropped, seen, lost.all()].map(|count| count as f64);
    let rate = |count: f64| count / seconds / 1e6;
    Ok([rate(dropped), rate(seen), rate(lost), (dropped - seen - lost).abs()])
}

/// Packets that were told, and how many were not, until nothing more comes.
async fn told(lines: &mut Lines) -> Result<(u64, LostPackets)> {
    let (mut seen, mut lost) = (0, LostPackets::default());
    while let Ok(line) = timeout(SILENCE, lines.next()).await {
        match line.context("a line")?.context("the agent ended the answer")? {
            WatchLine::Packet(_) => seen += 1,
            WatchLine::Lost(now) => lost = now,
            WatchLine::Ready(_) => {}
        }
    }
    Ok((seen, lost))
}
