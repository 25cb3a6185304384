//! Connectivity by real sockets: a server on every address of every NIC, and clients that try all
//! of them at once by TCP, UDP and ICMP echo.
//!
//! Every request carries its number and every server answers with its NIC, so that an answer from a
//! NIC that merely has the same address is told from the right one, and a request that arrived
//! where it must not is seen even if no answer came back. A socket stays in the namespace that it
//! was opened in, so one process serves all of them.

mod icmp;
pub mod latency;
mod sockets;
mod tasks;

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::JoinSet;

use super::{command::Runner, error::LabError};
use crate::topology::model::NicIndex;

/// Port of the servers, TCP and UDP. Others are served where a probe asks for them.
pub const PORT: u16 = 7_007;

/// Probes that are tried at the same time. All namespaces of a machine share one table of 1,024
/// neighbours for each family, and every pair of NICs in one subnet needs two of them.
const AT_ONCE: usize = 900;

/// How long nobody must answer to count as unreachable, if all others have answered.
const QUIET: Duration = Duration::from_secs(1);
/// How long is waited for answers that should come: two retransmissions of a TCP SYN.
const PATIENCE: Duration = Duration::from_secs(4);
/// After this, datagrams without an answer are sent again.
const RESEND: Duration = Duration::from_millis(400);
const POLL: Duration = Duration::from_millis(20);

/// Identifier of the first NIC's echoes in the next run, the others' follow. Echoes both ways with one
/// identifier are one flow, and would be let through by each other.
static IDENTIFIER: AtomicU16 = AtomicU16::new(0x7007);

/// How a NIC is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// A connection that carries bytes both ways.
    Tcp,
    /// A datagram and its answer.
    Udp,
    /// An echo.
    Icmp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Icmp];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
        })
    }
}

/// A NIC that takes part.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) nic: NicIndex,
    pub(super) namespace: String,
    pub(super) addresses: Vec<IpAddr>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) from: NicIndex,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: Protocol,
    /// 0 for ICMP.
    pub(super) port: u16,
    /// Whether to be patient about it.
    pub(super) should_answer: bool,
}

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) received_by: BTreeSet<NicIndex>,
    pub(super) answered_by: Option<NicIndex>,
    /// An echo came back; who sent it follows from who received the request.
    is_echoed: bool,
}

/// Where servers and clients note what they see, by number of the probe.
#[derive(Clone, Debug)]
struct Board(Arc<Mutex<Vec<Seen>>>);

impl Board {
    fn new(probes: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![Seen::default(); probes])))
    }

    fn change(&self, probe: u32, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A number out of range is somebody else's datagram.
        if let Some(seen) = usize::try_from(probe).ok().and_then(|probe| seen.get_mut(probe)) {
            change(seen);
        }
    }

    fn received(&self, probe: u32, nic: NicIndex) {
        self.change(probe, |seen| _ = seen.received_by.insert(nic));
    }

    fn answered(&self, probe: u32, nic: NicIndex) {
        self.change(probe, |seen| seen.answered_by = Some(nic));
    }

    fn echoed(&self, probe: u32) {
        self.change(probe, |seen| seen.is_echoed = true);
    }

    fn is_answered(&self, probe: u32) -> bool {
        let mut answered = false;
        self.change(probe, |seen| answered = seen.is_echoed || seen.answered_by.is_some());
        answered
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends all probes; the result has what was seen of each, in their order.
pub(super) async fn run(
    guests: &[Guest],
    probes: &[Probe],
    runner: Runner<'_>,
) -> Result<Vec<Seen>, LabError> {
    sockets::allow_many();
    let board = Board::new(probes.len());
    let mut servers = JoinSet::new();
    let services: BTreeSet<_> = probes.iter().map(|probe| (probe.protocol, probe.port)).collect();
    for guest in guests {
        sockets::serve(guest, &services, &board, &mut servers)?;
    }
    let count = u16::try_from(guests.len()).unwrap_or(u16::MAX);
    let identifiers = IDENTIFIER.fetch_add(count, Ordering::Relaxed);
    let numbered: Vec<(u32, Probe)> = (0..).zip(probes.iter().copied()).collect();
    for (turn, some) in numbered.chunks(AT_ONCE).enumerate() {
        if turn > 0 {
            forget_neighbours(guests, runner).await?;
        }
        let mut clients = JoinSet::new();
        for (index, guest) in (0..).zip(guests) {
            let own = some.iter().filter(|(_, probe)| probe.from == guest.nic);
            let own: Vec<_> = own.copied().collect();
            let identifier = identifiers.wrapping_add(index);
            sockets::ask(guest, &own, identifier, &board, &mut clients)?;
        }
        settle(some, &board).await;
        // Ends what is still being tried.
        clients.shutdown().await;
    }
    // Whoever probes again needs the servers' ports.
    servers.shutdown().await;
    let mut seen = board.take();
    for it in seen.iter_mut().filter(|it| it.is_echoed) {
        it.answered_by = it.received_by.first().copied();
    }
    Ok(seen)
}

/// Makes room in the kernel's table for the next turn.
async fn forget_neighbours(guests: &[Guest], runner: Runner<'_>) -> Result<(), LabError> {
    for guest in guests {
        runner.ip(&guest.namespace, &["neighbour flush dev eth0".to_owned()]).await?;
    }
    Ok(())
}

/// Waits until all that should answer did and the others had time to, or until it is enough.
async fn settle(probes: &[(u32, Probe)], board: &Board) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut expected = probes.iter().filter(|(_, probe)| probe.should_answer);
        if start.elapsed() >= QUIET && expected.all(|(number, _)| board.is_answered(*number)) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}
