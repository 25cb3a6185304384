//! Runs `ip` and `ethtool`, and says exactly which line failed.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{error::LabError, netns, process::MARK};

/// Runs programs for one lab. They carry its id, as its agents do: what a killed command left running
/// is ended before its lab is removed, and does not go on building.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runner<'a> {
    /// The lab's id.
    pub(super) id: &'a str,
}

impl Runner<'_> {
    /// Runs a program to its end; a failure shows its command line and what it wrote.
    pub(super) async fn run(self, program: &str, arguments: &[&str]) -> Result<(), LabError> {
        self.feed(program, arguments, &[]).await
    }

    /// Runs lines of `ip` in a namespace, all in one process.
    pub(super) async fn ip(self, namespace: &str, lines: &[String]) -> Result<(), LabError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.feed("ip", &["-n", namespace, "-batch", "-"], lines).await
    }

    /// Sets features of an interface in a namespace.
    pub(super) async fn ethtool(
        self,
        namespace: &str,
        interface: &str,
        features: &[&str],
    ) -> Result<(), LabError> {
        let enter = format!("--net={}", netns::path(namespace).display());
        let mut arguments = vec![enter.as_str(), "ethtool", "-K", interface];
        arguments.extend(features);
        self.run("nsenter", &arguments).await
    }

    async fn feed(
        self,
        program: &str,
        arguments: &[&str],
        lines: &[String],
    ) -> Result<(), LabError> {
        let line = || format!("{program} {}", arguments.join(" "));
        let failed = |source| LabError::Spawn { command: line(), source };
        let mut child = Command::new(program)
            .args(arguments)
            .env(MARK, self.id)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            // A program that fails early does not read its input; its status tells.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        let command = match failed_line(&stderr, lines) {
            Some(input) => format!("{}` with `{input}", line()),
            None => line(),
        };
        Err(LabError::Command { command, stderr })
    }
}

/// The line that `ip -batch` stopped at, from its `Command failed -:3`.
fn failed_line<'a>(stderr: &str, lines: &'a [String]) -> Option<&'a str> {
    let (_, rest) = stderr.split_once("Command failed -:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let number: usize = digits.parse().ok()?;
    lines.get(number.checked_sub(1)?).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_line_of_a_batch_is_named() {
        let lines = ["link add a".to_owned(), "link add b".to_owned()];
        let stderr = "RTNETLINK answers: File exists; Command failed -:2";
        assert_eq!(failed_line(stderr, &lines), Some("link add b"));
        assert_eq!(failed_line("something else", &lines), None);
    }
}
