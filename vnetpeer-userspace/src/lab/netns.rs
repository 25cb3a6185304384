//! Network namespaces by name, as `ip netns` keeps them.
//!
//! They are created without the help of `ip`: a program that outlives a killed `lab up` for a moment
//! would create one more namespace behind the back of `lab down`.

use std::{fs, fs::File, io, path::PathBuf, thread};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
};

use super::error::LabError;

/// Where `ip netns add` leaves a namespace.
const FOLDER: &str = "/run/netns";

/// The file that holds a namespace.
pub fn path(namespace: &str) -> PathBuf {
    PathBuf::from(FOLDER).join(namespace)
}

/// Creates a namespace that nobody has yet.
pub(super) fn create(namespace: &str) -> Result<(), LabError> {
    let path = path(namespace);
    share_folder().map_err(LabError::io("prepare", FOLDER))?;
    File::create_new(&path).map_err(LabError::io("create", &path))?;
    // The thread ends and its namespace stays, because the file holds it.
    let held = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let own = Some("/proc/thread-self/ns/net");
            mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    held.map_err(|errno| LabError::io("create", &path)(errno.into()))
}

/// Makes the folder a mount point whose mounts are seen in all mount namespaces, as `ip netns add`
/// does, and under the same lock.
fn share_folder() -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    let folder = File::open(FOLDER)?;
    folder.lock()?;
    let none = None::<&str>;
    let share = || mount(none, FOLDER, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    match share() {
        Err(Errno::EINVAL) => {
            mount(Some(FOLDER), FOLDER, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
            share()?;
        }
        result => result?,
    }
    Ok(())
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
