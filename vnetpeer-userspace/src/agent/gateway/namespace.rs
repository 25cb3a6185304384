//! Netlink in the network namespace of a gateway.

use std::{fs, fs::File, io, os::unix::fs::MetadataExt as _, path::Path, thread};

use futures_util::{Stream, StreamExt as _};
use nix::sched::{CloneFlags, setns};
use rtnetlink::{Handle, MulticastGroup, new_connection, new_multicast_connection};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Everything that can change what a gateway has learned or how it reaches the VNet.
const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// Two sockets in a namespace: one for requests, one that tells of changes. What the kernel sends about
/// a change carries the number of the request that made it, so one socket could not tell them apart.
#[derive(Debug)]
pub(super) struct Channel {
    /// For requests.
    pub(super) handle: Handle,
    changes: mpsc::Receiver<()>,
    identity: (u64, u64),
    tasks: [JoinHandle<()>; 3],
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Channel {
    /// Opens the namespace that a file stands for.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let runtime = runtime::Handle::current();
        let (sender, receiver) = oneshot::channel();
        // A thread cannot be trusted to find its way back, so this one ends here.
        thread::Builder::new().name("namespace".to_owned()).spawn(move || {
            let _context = runtime.enter();
            let opened = setns(file, CloneFlags::CLONE_NEWNET)
                .map_err(io::Error::from)
                .and_then(|()| Ok((new_connection()?, new_multicast_connection(&GROUPS)?)));
            let _ = sender.send(opened);
        })?;
        let opened = receiver.await.map_err(io::Error::other)?;
        let ((requests, handle, _), (events, _, messages)) = opened?;
        let (sender, changes) = mpsc::channel(1);
        let tasks =
            [tokio::spawn(requests), tokio::spawn(events), tokio::spawn(signal(messages, sender))];
        Ok(Self { handle, changes, identity: (metadata.dev(), metadata.ino()), tasks })
    }

    /// Whether the file still stands for this namespace.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == self.identity)
    }

    /// Waits for a change; `None` if no more can be heard of.
    pub(super) async fn changed(&mut self) -> Option<()> {
        self.changes.recv().await
    }

    /// Forgets changes that were not waited for.
    pub(super) fn forget_changes(&mut self) {
        while self.changes.try_recv().is_ok() {}
    }
}

/// A signal for every message; also the kernel's word that messages were lost is one.
async fn signal<T>(mut messages: impl Stream<Item = T> + Unpin, sender: mpsc::Sender<()>) {
    while messages.next().await.is_some() {
        // One signal waiting is as good as many.
        if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
            return;
        }
    }
}
