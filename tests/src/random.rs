//! Frames from a seed: valid ones, changed in structure or in bytes, and noise.

use std::env;

use vnetpeer_common::types::{Mac, NicId};

use crate::{
    case::{Case, Place},
    cases::{self, HOST1, HOST1_OVER_V6, HOST2, HOST3, tunneled},
    packet::Packet,
    world::{self, Vm},
};

/// A small generator (`SplitMix64`), the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("smaller than a usize")
    }

    /// Whether one of so many came up.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A byte.
    pub const fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The seed of this run: `TEST_SEED`, else one from the clock. It is printed, so that a failure can be
/// repeated.
pub fn seed() -> u64 {
    let chosen = env::var("TEST_SEED").ok().map(|text| text.parse().expect("TEST_SEED: a number"));
    let seed = chosen.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("a clock after 1970").as_secs()
    });
    println!("TEST_SEED={seed}");
    seed
}

/// Local machines and their interfaces, and one interface that belongs to nobody.
const SENDERS: [Vm; 7] = [
    world::TENANT_A_VM1,
    world::TENANT_A_VM2,
    world::TENANT_B_VM1,
    world::HUB_NVA,
    world::HUB_VM1,
    world::FOREIGN_VM1,
    world::A_UPLINK,
];

/// Machines that packets are addressed to.
const TARGETS: [Vm; 14] = [
    world::TENANT_A_VM1,
    world::TENANT_A_VM2,
    world::TENANT_A_VM3,
    world::TENANT_A_VM4,
    world::TENANT_B_VM1,
    world::TENANT_B_VM2,
    world::TENANT_B_VM3,
    world::HUB_NVA,
    world::HUB_NVA2,
    world::HUB_VM1,
    world::FOREIGN_VM1,
    world::FOREIGN_VM2,
    world::OFFSHORE_VM1,
    world::A_UPLINK,
];

/// Values that decide something somewhere.
const TELLING_BYTES: [u8; 26] = [
    0x00, 0x01, 0x02, 0x04, 0x06, 0x08, 0x11, 0x20, 0x2b, 0x2c, 0x32, 0x33, 0x3a, 0x3b, 0x3c, 0x40,
    0x43, 0x44, 0x45, 0x46, 0x4f, 0x60, 0x7f, 0x80, 0xfe, 0xff,
];

/// Frames and where they come in.
pub struct Frames {
    random: Random,
    cases: Vec<Case>,
}

impl Frames {
    /// All frames that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), cases: cases::all() }
    }

    /// A number source for further choices.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next frame; at most `len_max` bytes.
    pub fn next(&mut self, len_max: usize) -> (Place, Vec<u8>) {
        let (place, mut bytes) = match self.random.below(16) {
            0 => self.noise(),
            1..=6 => self.of_a_case(),
            7..=11 => self.sent(),
            _ => self.tunneled(),
        };
        for _ in 0..self.random.below(4) {
            self.mutate(&mut bytes);
        }
        bytes.truncate(len_max);
        (place, bytes)
    }

    fn noise(&mut self) -> (Place, Vec<u8>) {
        let len = 14 + self.random.below(300);
        let mut bytes: Vec<u8> = (0..len).map(|_| self.random.byte()).collect();
        let place = self.place();
        if let (Place::Workload(ifindex), true) = (place, self.random.one_in(2))
            && let Some(vm) = SENDERS.iter().find(|vm| vm.ifindex() == ifindex)
        {
            bytes[..6].copy_from_slice(&Mac::ROUTER.0);
            bytes[6..12].copy_from_slice(&vm.mac.0);
        }
        (place, bytes)
    }

    fn place(&mut self) -> Place {
        if self.random.one_in(3) {
            return Place::Underlay;
        }
        let nobodys = self.random.one_in(40);
        Place::Workload(if nobodys { 998 } else { self.random.pick(&SENDERS).ifindex() })
    }

    fn of_a_case(&mut self) -> (Place, Vec<u8>) {
        let case = self.random.pick(&self.cases);
        (case.place, case.input.clone())
    }

    /// A packet between two machines, with whatever a packet may have.
    fn packet(&mut self, from: &Vm, to: &Vm) -> Packet {
        let random = &mut self.random;
        let v6 = random.one_in(2);
        let packet = if v6 { Packet::v6(from.v6, to.v6) } else { Packet::v4(from.v4, to.v4) };
        let len = match random.below(8) {
            0 => 0,
            1 => 1_380 + random.below(130),
            2 => random.below(3_000),
            _ => random.below(200),
        };
        let ports = *random.pick(&[(40_000, 53), (67, 68), (547, 546), (443, 40_000)]);
        let packet = match random.below(4) {
            0 => packet.ping(len),
            1 => packet.tcp(ports.0, ports.1, len),
            _ => packet.udp(ports.0, ports.1, len),
        };
        if v6 {
            let count = [0, 0, 0, 1, 2, 6, 7][random.below(7)];
            packet.ip6(|ip| {
                for _ in 0..count {
                    match random.below(4) {
                        0 => ip.fragment(u16::from(random.byte())),
                        1 => ip.authentication(8 + 8 * random.below(4)),
                        _ => ip.options(*random.pick(&[0, 43, 60]), 8 + 8 * random.below(20)),
                    }
                }
            })
        } else {
            packet.ip4(|ip| {
                ip.options = vec![1; 4 * [0, 0, 0, 1, 5, 10][random.below(6)]];
                ip.fragment = *random.pick(&[0x4000, 0x4000, 0, 0x2000, 0x2001, 0x0010]);
            })
        }
    }

    fn sent(&mut self) -> (Place, Vec<u8>) {
        let (sender, target) = (*self.random.pick(&SENDERS), *self.random.pick(&TARGETS));
        let source = if self.random.one_in(6) { *self.random.pick(&TARGETS) } else { sender };
        let packet = self.packet(&source, &target).between(sender.mac, Mac::ROUTER);
        (Place::Workload(sender.ifindex()), packet.bytes())
    }

    fn tunneled(&mut self) -> (Place, Vec<u8>) {
        let (mut from, mut to) = (*self.random.pick(&TARGETS), *self.random.pick(&SENDERS));
        let packet = self.packet(&from, &to);
        if self.random.one_in(8) {
            let others = [NicId(0), NicId(99), NicId(u32::MAX), self.random.pick(&TARGETS).nic];
            *(if self.random.one_in(2) { &mut from.nic } else { &mut to.nic }) =
                *self.random.pick(&others);
        }
        if self.random.one_in(12) {
            to.vnet = self.random.pick(&TARGETS).vnet;
        }
        let ways = [(HOST2, HOST1), (HOST3, HOST1_OVER_V6)];
        let way = if self.random.one_in(8) {
            *self.random.pick(&ways)
        } else if from.host == world::HOST3 {
            ways[1]
        } else {
            ways[0]
        };
        (Place::Underlay, tunneled(way, (&from, &to), packet).bytes())
    }

    /// Changes the frame in one way, most often where headers are.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        let reach = if random.one_in(4) { bytes.len() } else { bytes.len().min(120) };
        if reach <= 12 {
            return;
        }
        let at = if random.one_in(8) { random.below(reach) } else { 12 + random.below(reach - 12) };
        match random.below(8) {
            0..=2 => bytes[at] = *random.pick(&TELLING_BYTES),
            3 => bytes[at] ^= 1 << random.below(8),
            4 => bytes[at] = random.byte(),
            5 => bytes.truncate(14.max(at)),
            6 => {
                let len = random.below(40);
                bytes.extend((0..len).map(|_| random.byte()));
            }
            _ => {
                bytes.remove(at);
            }
        }
    }
}
