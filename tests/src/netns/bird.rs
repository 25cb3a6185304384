//! The routing daemon BIRD in a namespace of a test.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vnetpeer_userspace::lab::netns;

/// How long BIRD may take to end.
const END: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A running BIRD with its own configuration and control socket. It ends with this.
#[derive(Debug)]
pub struct Bird {
    child: Child,
    folder: TempDir,
}

impl Bird {
    /// Starts it in a namespace.
    pub fn start(namespace: &str, configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("bird.conf");
        fs::write(&file, configuration).expect("write the configuration");
        let mut command = Command::new("bird");
        command
            .arg("-f")
            .arg("-c")
            .arg(&file)
            .arg("-s")
            .arg(folder.path().join("control"))
            .arg("-P")
            .arg(folder.path().join("pid"))
            .stdin(Stdio::null());
        let child = netns::within(namespace, || command.spawn()).expect("enter");
        let child = child.expect("start bird; `cargo xtask setup` installs it");
        Self { child, folder }
    }

    /// Gives it another configuration.
    pub fn configure(&self, configuration: &str) {
        fs::write(self.folder.path().join("bird.conf"), configuration)
            .expect("write the configuration");
        self.ask("configure");
    }

    /// What it answers to a command of its control socket.
    pub fn ask(&self, command: &str) -> String {
        let mut birdc = Command::new("birdc");
        birdc.arg("-s").arg(self.folder.path().join("control")).args(command.split(' '));
        let output = birdc.output().expect("run birdc");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Bird {
    /// Its routes go with it, as when the daemon is stopped.
    fn drop(&mut self) {
        let _ = self.ask("down");
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
