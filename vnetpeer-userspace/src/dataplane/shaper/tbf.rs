//! The kernel's token bucket (`tc-tbf(8)`): how it is set for a limit, and how it is told and asked.
//!
//! It counts Ethernet frames, every segment of a super-frame with its own headers. A limit counts IP
//! packets. So the bucket's rate is the limit and, for each packet of the largest size, one Ethernet
//! header more. Smaller packets have more headers: they get less than the limit, never more.

use rtnetlink::packet_core::{DefaultNla, Emitable as _, NlasIterator, Parseable as _};
use rtnetlink::packet_route::tc::{TcAttribute, TcMessage, TcOption};
use vnetpeer_common::wire::ETHERNET_LEN;

/// The name of the discipline.
pub(super) const KIND: &str = "tbf";

/// `TCA_TBF_PARMS` and so on in `linux/pkt_sched.h`.
const PARAMETERS: u16 = 1;
const RATE64: u16 = 4;
const BURST: u16 = 6;
/// `struct tc_ratespec` and `struct tc_tbf_qopt`, in bytes.
const RATE_LEN: usize = 12;
const PARAMETERS_LEN: usize = 2 * RATE_LEN + 12;
/// `TC_LINKLAYER_ETHERNET`: the kernel calculates from the rate alone.
const ETHERNET_LINK: u8 = 1;

/// The bucket holds what the limit lets through in this time, as 1/n of a second: longer than the kernel
/// needs to wake up, so that nothing is lost to late timers.
const BURSTS_PER_SECOND: u64 = 100;
/// A bucket takes the largest super-frame with the headers of its segments. A larger packet is cut.
const BURST_MIN: u64 = 128 << 10;
const BURST_MAX: u64 = 64 << 20;
/// The queue holds what the limit lets through in this time, as 1/n of a second.
const QUEUES_PER_SECOND: u64 = 20;
/// More than one socket's send buffer.
const QUEUE_MIN: u64 = 512 << 10;
const QUEUE_MAX: u64 = 64 << 20;

/// How a bucket is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Bytes of Ethernet frames per second.
    pub(super) rate: u64,
    /// Bytes that may follow each other without a pause.
    pub(super) burst: u32,
    /// Bytes that may wait; what does not fit is dropped.
    pub(super) queue: u32,
}

impl Pace {
    /// As fast as a bucket can be: what waits is let out at once.
    pub(super) const OPEN: Self = Self { rate: 1 << 36, burst: 16 << 20, queue: 64 << 20 };

    /// The pace for a limit on IP packets of at most `mtu` bytes.
    pub(super) fn of(bits_per_second: u64, mtu: u16) -> Self {
        let mtu = u64::from(mtu.max(1));
        let rate = bits_per_second / 8 * (mtu + ETHERNET_LEN as u64) / mtu;
        let bytes = |value: u64, least: u64, most: u64| {
            u32::try_from(value.clamp(least, most)).unwrap_or(u32::MAX)
        };
        Self {
            rate,
            burst: bytes(rate / BURSTS_PER_SECOND, BURST_MIN, BURST_MAX),
            queue: bytes(rate / QUEUES_PER_SECOND, QUEUE_MIN, QUEUE_MAX),
        }
    }

    /// As netlink attributes.
    pub(super) fn attributes(self) -> Vec<TcAttribute> {
        let rate32 = u32::try_from(self.rate).unwrap_or(u32::MAX);
        let mut parameters = [0; PARAMETERS_LEN];
        let (rates, numbers) = parameters.split_at_mut(2 * RATE_LEN);
        put(rates, 1, &[ETHERNET_LINK]);
        put(rates, 8, &rate32.to_ne_bytes());
        put(numbers, 0, &self.queue.to_ne_bytes());
        let option = |kind, value: &[u8]| TcOption::Other(DefaultNla::new(kind, value.to_vec()));
        vec![
            TcAttribute::Kind(KIND.to_owned()),
            TcAttribute::Options(vec![
                option(PARAMETERS, &parameters),
                option(RATE64, &self.rate.to_ne_bytes()),
                option(BURST, &self.burst.to_ne_bytes()),
            ]),
        ]
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(target) = bytes.get_mut(at..at + value.len()) {
        target.copy_from_slice(value);
    }
}

/// A bucket as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Bytes of Ethernet frames per second.
    rate: u64,
    /// Bytes that may wait.
    queue: u32,
    /// Packets that wait.
    pub(super) waiting: u32,
}

impl Bucket {
    /// Reads what netlink tells; `None` if the discipline is another.
    pub(super) fn read(message: &TcMessage) -> Option<Self> {
        let mut is_tbf = false;
        let mut bucket = Self { rate: 0, queue: 0, waiting: 0 };
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => is_tbf = kind == KIND,
                TcAttribute::Options(options) => options.iter().for_each(|it| bucket.add(it)),
                TcAttribute::Stats(stats) => bucket.waiting = stats.qlen,
                _ => {}
            }
        }
        is_tbf.then_some(bucket)
    }

    /// Whether it keeps a pace. The kernel tells the burst in units of its own, and what sets it sets the
    /// rate too.
    pub(super) fn keeps(&self, pace: &Pace) -> bool {
        (self.rate, self.queue) == (pace.rate, pace.queue)
    }

    fn add(&mut self, options: &TcOption) {
        let mut bytes = vec![0; options.buffer_len()];
        options.emit(&mut bytes);
        // The options of a discipline that the library does not know come as one attribute.
        let Some(nested) = bytes.get(4..) else { return };
        for option in NlasIterator::new(nested).flatten() {
            let Ok(parsed) = DefaultNla::parse(&option) else { continue };
            let value = option.value();
            match rtnetlink::packet_core::Nla::kind(&parsed) {
                PARAMETERS => {
                    self.rate = self.rate.max(number(value, 8).unwrap_or(0).into());
                    self.queue = number(value, 2 * RATE_LEN).unwrap_or(0);
                }
                RATE64 => {
                    let rate = value.first_chunk().copied().map(u64::from_ne_bytes);
                    self.rate = rate.unwrap_or(self.rate);
                }
                _ => {}
            }
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_the_largest_size_get_the_whole_limit_and_others_never_more() {
        for (megabits, mtu) in [(1, 1_500), (1_000, 1_500), (400_000, 1_500), (1_000, 9_000)] {
            let limit = megabits * 1_000_000 / 8;
            let pace = Pace::of(limit * 8, mtu);
            for len in [64, 576, mtu / 2, mtu] {
                let (len, header) = (u64::from(len), ETHERNET_LEN as u64);
                let ip = pace.rate * len / (len + header);
                assert!(ip <= limit, "{megabits} Mbit/s, {len} bytes");
                assert!(len < u64::from(mtu) || ip + 2 >= limit, "{megabits} Mbit/s, {len} bytes");
            }
        }
    }

    #[test]
    fn a_bucket_takes_a_super_frame_and_is_never_empty_for_long() {
        // 64 KiB in the smallest segments that TCP makes of Ethernet's packets.
        let largest = (64 << 10) + 48 * (14 + 60);
        for bits in [1_000_000, 1_000_000_000, 400_000_000_000] {
            let pace = Pace::of(bits, 1_500);
            assert!(pace.burst >= largest && pace.queue >= 4 * largest, "{pace:?}");
        }
    }

    #[test]
    fn the_kernel_is_told_the_rate_twice_where_32_bits_are_too_few() {
        for bits in [1_000_000, 400_000_000_000] {
            let pace = Pace::of(bits, 1_500);
            let mut message = TcMessage::default();
            // What is written nested is read as one attribute.
            let options = pace.attributes();
            let TcAttribute::Options(written) = &options[1] else { panic!("no options") };
            let mut bytes = vec![0; written.as_slice().buffer_len()];
            written.as_slice().emit(&mut bytes);
            let read = vec![TcOption::Other(DefaultNla::new(2, bytes))];
            message.attributes = vec![options[0].clone(), TcAttribute::Options(read)];
            let bucket = Bucket::read(&message).unwrap();
            assert!(bucket.keeps(&pace), "{bucket:?}, {pace:?}");
            assert!(!bucket.keeps(&Pace::OPEN));
        }
    }
}
