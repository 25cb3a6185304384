//! Network namespaces by name, as `ip netns` keeps them.

use std::{fs::File, path::PathBuf, thread};

use nix::sched::{CloneFlags, setns};

use super::error::LabError;

/// Where `ip netns add` leaves a namespace.
const FOLDER: &str = "/run/netns";

/// The file that holds a namespace.
pub fn path(namespace: &str) -> PathBuf {
    PathBuf::from(FOLDER).join(namespace)
}

/// Runs `action` on a thread that is in the namespace. Sockets that it opens and processes that it
/// starts stay there; `/proc/sys/net` is the namespace's own.
pub fn within<T: Send>(namespace: &str, action: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    let path = path(namespace);
    let file = File::open(&path).map_err(LabError::io("open", &path))?;
    let entered = thread::scope(|scope| {
        let thread = scope.spawn(move || setns(file, CloneFlags::CLONE_NEWNET).map(|()| action()));
        // A panic of the action is the caller's own.
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    entered
        .map_err(|errno| LabError::Enter { namespace: namespace.to_owned(), source: errno.into() })
}
