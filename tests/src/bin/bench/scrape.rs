//! `metering/…`: what a scrape by Prometheus and a reading into the ledger take with 10,000 links.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};
use vnetpeer_userspace::{
    agent::{
        meter::Meters,
        server::{Context, serve_metrics},
    },
    dataplane::Dataplane,
    document,
    topology::state::{State, advance},
};

use crate::report::Row;

/// Rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// A mesh of so many VNets has 10,100 links.
const VNETS: usize = 101;
const SCRAPE: &str = "metering/scrape/10000-links";
const PAGE: &str = "metering/page/10000-links";
const READ: &str = "metering/read/10000-links";
/// Milliseconds that are wanted.
const SCRAPE_TARGET: f64 = 100.0;
const KEEP_DAYS: u32 = 90;

pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    if ![SCRAPE, PAGE, READ].iter().any(|name| name.contains(filter)) {
        return Ok(Vec::new());
    }
    let pins = format!("/sys/fs/bpf/vnetpeer-bench-{}", std::process::id());
    let pins = Path::new(&pins);
    let dataplane = Dataplane::open(pins)?;
    let measured = measure(&dataplane, pins, rounds);
    drop(dataplane);
    Dataplane::remove(pins).context("remove the pins")?;
    let mut rows = measured?;
    rows.retain(|row| row.name.contains(filter));
    Ok(rows)
}

fn measure(dataplane: &Dataplane, pins: &Path, rounds: usize) -> Result<Vec<Row>> {
    let loaded = document::load("mesh.yaml", &mesh());
    let topology =
        loaded.map_err(|problems| anyhow!("the document has problems: {problems}"))?.topology;
    let state = advance(&State::default(), &topology)?;
    let folder = tempfile::tempdir()?;
    let meters = Arc::new(Meters::open("host-a", folder.path(), pins, KEEP_DAYS, dataplane)?);
    meters.name(&topology, &state);
    meters.in_force(topology.peerings.iter().filter_map(|it| state.link(&it.id)));
    meters.sample()?;
    let runtime = Runtime::new()?;
    let address = serve(&runtime, &meters)?;
    let (mut scrapes, mut pages, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..rounds {
        let start = Instant::now();
        bytes = scrape(address)?;
        scrapes.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let page = meters.metrics(None)?.len();
        pages.push(start.elapsed().as_secs_f64() * 1e3);
        // The answer's head apart.
        ensure!(bytes > page && bytes < page + 1_000, "{bytes} bytes came, not {page}");
        let start = Instant::now();
        meters.sample()?;
        reads.push(start.elapsed().as_secs_f64() * 1e3);
    }
    eprintln!("{} links, a page of {bytes} bytes", topology.peerings.len());
    let row = |name: &str, rounds, target| Row::new(name, "ms", rounds).at_most(target);
    Ok(vec![
        row(SCRAPE, scrapes, Some(SCRAPE_TARGET)),
        row(PAGE, pages, None),
        row(READ, reads, None),
    ])
}

/// Answers scrapes as an agent does, but that no task says how it is.
fn serve(runtime: &Runtime, meters: &Arc<Meters>) -> Result<SocketAddr> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let (commands, _) = mpsc::channel(1);
    runtime
        .spawn(serve_metrics(listener, Context::new(commands, Arc::clone(meters), PathBuf::new())));
    Ok(address)
}

/// Asks as Prometheus does, and reads the answer to its end: so many bytes.
fn scrape(address: SocketAddr) -> Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "no page came");
    Ok(answer.len())
}

/// Every VNet is peered with every other; one NIC makes the host need all of them.
fn mesh() -> String {
    let mut text = "deployment: {name: mesh}\nvirtualNetworks:\n".to_owned();
    for vnet in 0..VNETS {
        let _ = writeln!(
            text,
            "  - {{name: v{vnet}, properties: {{addressSpace: {{addressPrefixes: [10.{vnet}.0.0/16]}}, \
             subnets: [{{name: s, properties: {{addressPrefix: 10.{vnet}.1.0/24}}}}]}}}}"
        );
    }
    text.push_str("virtualNetworkPeerings:\n");
    for (from, to) in (0..VNETS).flat_map(|from| (0..VNETS).map(move |to| (from, to))) {
        if from != to {
            let _ = writeln!(
                text,
                "  - {{name: v{from}/to-v{to}, properties: {{remoteVirtualNetwork: {{id: v{to}}}}}}}"
            );
        }
    }
    text.push_str(
        "networkInterfaces:\n  - name: vm\n    properties: {ipConfigurations: [{name: v4, properties: \
         {subnet: {id: v0/s}, privateIPAddress: 10.0.1.4}}]}\nhosts:\n  - name: host-a\n    underlay: \
         {interface: eth0, addresses: [192.0.2.1]}\n    networkInterfaces: [{name: vm}]\n",
    );
    text
}
