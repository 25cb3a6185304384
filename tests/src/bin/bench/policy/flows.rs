//! Flows in a random order.
//!
//! A list has one number per flow: source port in the lower half, destination port in the upper.

use std::net::IpAddr;

use vnetpeer_common::{
    abi::{CACHE_WAYS, FlowKey4, nic_protocol},
    datapath::Address,
    types::{V4, V6},
};

use crate::worlds::{Field, GUEST, Load, Spoke};

/// First source port and how many there are: none that the platform keeps.
const SOURCE_PORTS: (u32, u32) = (10_000, 50_000);
/// First destination port.
const DESTINATION_PORT: u32 = 2_000;
/// IP protocol of all flows.
const UDP: u8 = 17;

/// Which flows a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// At most as many in each set of the flow cache as fit there.
    Fitting,
    /// Those that come first.
    Any,
}

/// Numbers without structure (xorshift, Marsaglia 2003), the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap_or(0) % bound
    }
}

/// So many flows of the guest to the first machine of a spoke, for a cache of `sets` sets.
pub(crate) fn list(spoke: &Spoke, v6: bool, count: usize, sets: u32, choice: Choice) -> Vec<u32> {
    choose(count, sets, choice, |flow| hash(spoke, v6, flow.rotate_left(16)))
}

/// So many flows from the first machine of a spoke to the guest.
pub(crate) fn arriving(spoke: &Spoke, count: usize, sets: u32) -> Vec<u32> {
    choose(count, sets, Choice::Fitting, |flow| {
        V4::key_hash(&arrived(spoke, flow)) ^ spoke.nic(0).0
    })
}

/// So many flows, of which `hash` tells the set.
fn choose(count: usize, sets: u32, choice: Choice, hash: impl Fn(u32) -> u32) -> Vec<u32> {
    let mut ways = vec![0_u32; usize::try_from(sets).unwrap_or(1)];
    let mut flows = Vec::with_capacity(count);
    for number in 0_u32.. {
        if flows.len() == count {
            break;
        }
        let source = SOURCE_PORTS.0 + number % SOURCE_PORTS.1;
        let destination = DESTINATION_PORT + number / SOURCE_PORTS.1;
        let flow = destination << 16 | source;
        let used: &mut u32 = &mut ways[usize::try_from(hash(flow) & (sets - 1)).unwrap_or(0)];
        if choice == Choice::Any || *used < CACHE_WAYS {
            *used += 1;
            flows.push(flow);
        }
    }
    shuffle(&mut flows);
    flows
}

/// So many source ports in a random order; the destination port is the load's own.
pub(crate) fn sources(count: u32) -> Vec<u32> {
    let mut flows: Vec<u32> = (SOURCE_PORTS.0..SOURCE_PORTS.0 + count).collect();
    shuffle(&mut flows);
    flows
}

fn shuffle(flows: &mut [u32]) {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for last in (1..flows.len()).rev() {
        flows.swap(last, random.below(last + 1));
    }
}

fn hash(spoke: &Spoke, v6: bool, ports: u32) -> u32 {
    let nic_protocol = nic_protocol(GUEST.nic, UDP);
    if v6 {
        let key =
            V6::key(V6::new(GUEST.v6.octets()), V6::new(spoke.v6(0).octets()), ports, nic_protocol);
        V6::key_hash(&key)
    } else {
        V4::key_hash(&key_of(GUEST.v4.into(), spoke.v4(0).into(), ports, nic_protocol))
    }
}

fn key_of(local: IpAddr, remote: IpAddr, ports: u32, nic_protocol: u32) -> FlowKey4 {
    let v4 = |address| match address {
        IpAddr::V4(address) => V4::new(address.octets()),
        IpAddr::V6(_) => V4::UNSPECIFIED,
    };
    V4::key(v4(local), v4(remote), ports, nic_protocol)
}

/// The flow of a number in a list, as the sender's NIC sees it.
pub(crate) fn sent(spoke: &Spoke, flow: u32) -> FlowKey4 {
    let ports = flow.rotate_left(16);
    key_of(GUEST.v4.into(), spoke.v4(0).into(), ports, nic_protocol(GUEST.nic, UDP))
}

/// The same as the receiver's NIC sees it.
pub(crate) fn received(spoke: &Spoke, flow: u32) -> FlowKey4 {
    let nic_protocol = nic_protocol(spoke.nic(0), UDP);
    key_of(spoke.v4(0).into(), GUEST.v4.into(), flow, nic_protocol)
}

/// The flow of a number in a list that comes from the spoke, as the guest's NIC sees it.
pub(crate) fn arrived(spoke: &Spoke, flow: u32) -> FlowKey4 {
    key_of(GUEST.v4.into(), spoke.v4(0).into(), flow, nic_protocol(GUEST.nic, UDP))
}

/// Packets of the first machine of a spoke to the guest, whose ports come from a list.
pub(crate) fn load_from(spoke: &Spoke, first: u32, count: u32) -> Load {
    const PORTS: u16 = 84;
    let fields = [PORTS, PORTS + 2].map(|at| Field { at, base: 0, shift: 0 });
    Load { fields, count, list: Some(first), ..spoke.from(false, 1) }
}

/// Packets of the guest to the first machine of a spoke, whose ports come from a list.
pub(crate) fn load(spoke: &Spoke, v6: bool, first: u32, count: u32, destination: u16) -> Load {
    let ports: u16 = if v6 { 54 } else { 34 };
    let fields = [
        Field { at: ports, base: 0, shift: 0 },
        Field { at: ports + 2, base: destination, shift: 0 },
    ];
    Load { fields, count, list: Some(first), ..spoke.to(v6, 1) }
}
