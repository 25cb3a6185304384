//! What the generator says it has sent.

use std::{fmt, ops::Add};

use anyhow::{Context, Result};

/// What a thread has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sent {
    packets: u64,
    /// Packets that the interface did not take.
    errors: u64,
    packets_per_second: u64,
    bits_per_second: u64,
}

impl Add for Sent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            errors: self.errors + other.errors,
            packets_per_second: self.packets_per_second + other.packets_per_second,
            bits_per_second: self.bits_per_second + other.bits_per_second,
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millionths = |value: u64| format!("{}.{:03}", value / 1_000_000, value / 1_000 % 1_000);
        write!(
            out,
            "{} packets, {} Mpps, {} Mbit/s, {} not taken",
            self.packets,
            millionths(self.packets_per_second),
            self.bits_per_second / 1_000_000,
            self.errors
        )
    }
}

/// Reads a device's file after a run: `Result: OK: 5000(c4990+d10) usec, 1000 (60byte,0frags)` and below it
/// `  200000pps 96Mb/sec (96000000bps) errors: 0`.
pub(super) fn read(text: &str) -> Result<Sent> {
    let result = text.split_once("Result: OK:").context("nothing was sent")?.1;
    let words: Vec<&str> = result.split_whitespace().collect();
    let before =
        |suffix: &str| words.iter().find_map(|word| word.strip_suffix(suffix)?.parse().ok());
    let after = |wanted: &str| {
        let at = words.iter().position(|word| *word == wanted)?;
        words.get(at + 1)?.parse().ok()
    };
    let bits =
        words.iter().find_map(|word| word.strip_prefix('(')?.strip_suffix("bps)")?.parse().ok());
    Ok(Sent {
        packets: after("usec,").context("no number of packets")?,
        errors: after("errors:").context("no number of errors")?,
        packets_per_second: before("pps").context("no packets per second")?,
        bits_per_second: bits.context("no bits per second")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Params: count 1000  min_pkt_size: 60  max_pkt_size: 60\nCurrent:\n     pkts-sofar: 1000  \
        errors: 3\nResult: OK: 5000(c4990+d10) usec, 1000 (60byte,0frags)\n  200000pps 96Mb/sec (96000000bps) \
        errors: 3\n";

    #[test]
    fn a_result_is_read() {
        let sent = read(TEXT).unwrap();
        let wanted = Sent {
            packets: 1_000,
            errors: 3,
            packets_per_second: 200_000,
            bits_per_second: 96_000_000,
        };
        assert_eq!(sent, wanted);
        assert_eq!((sent + sent).to_string(), "2000 packets, 0.400 Mpps, 192 Mbit/s, 6 not taken");
    }

    #[test]
    fn a_run_that_did_not_happen_is_an_error() {
        assert!(read("Params: count 1000\nResult: Idle\n").is_err());
    }
}
