//! Load balancers: the sender's host chooses the backend of a flow, the backend's host translates.
//!
//! A flow keeps its backend for as long as that NIC is there, whatever the rule's slots say by then. A new
//! flow takes what the slots say, and so does a SYN, unless its flow was active in the last two seconds: then
//! the flow cache may still know the old backend. Slots are dealt out evenly by rendezvous hashing.
//!
//! A connection takes the next slot in turn, because the ports that a system chooses are too random for
//! anything computed from them to be even. What could not be told twice in the same way takes the slot of its
//! hash: datagrams, which may come back after their flow was forgotten, and what is routed to a frontend, where
//! both directions have to meet the same backend.

use super::{FlowQuery, LiveFlow, query_flags};
use crate::{
    abi::{Balancer, FrontendKey, Nic, balancer_flags, distribution, nic_flags},
    datapath::{
        Address, Tables,
        resolve::{mix, symmetric_hash},
    },
    reason::DropReason,
    types::{BalancerId, NicId, VnetId},
    wire::protocol,
};

/// Set in the number of a target NIC that is handed a packet as a backend of the frontend that has the
/// packet's destination address. The number travels to the backend's host as it is.
const AS_BACKEND: u32 = 1 << 31;

/// From one turn to the next: odd, and about 256 divided by the golden ratio.
const STRIDE: u32 = 157;

/// The NIC of a target's number.
#[inline(always)]
pub(in crate::datapath) const fn nic_of(target: NicId) -> NicId {
    NicId(target.0 & !AS_BACKEND)
}

/// [`query_flags::BALANCED`] if the target is handed the packet as a backend, else 0.
#[inline(always)]
pub(in crate::datapath) const fn balanced(target: NicId) -> u32 {
    target.0 / AS_BACKEND * query_flags::BALANCED
}

/// A number in the lower half, or 0 there and the number of a [`DropReason`] in the upper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Found(pub u64);

impl Found {
    /// Not found, and why.
    #[inline(always)]
    pub const fn refuse(reason: DropReason) -> Self {
        Self((reason.number() as u64) << 32)
    }

    #[inline(always)]
    fn pack(found: Result<u32, DropReason>) -> Self {
        match found {
            Ok(number) => Self(u64::from(number)),
            Err(reason) => Self::refuse(reason),
        }
    }

    #[inline(always)]
    fn get(self) -> Result<u32, DropReason> {
        let (number, reason) = ((self.0 & 0xffff_ffff) as u32, (self.0 >> 32) as u32);
        if number != 0 {
            return Ok(number);
        }
        Err(DropReason::from_number(reason).unwrap_or(DropReason::Unconfigured))
    }
}

/// The number of the NIC to which a packet goes that a NIC sends to `query.target`: that, or a backend's if
/// that is a frontend. `known` is the packet's flow, unless the packet opens a connection.
#[inline(always)]
pub(super) fn target<T: Tables, A: Address>(
    tables: &T,
    query: &FlowQuery<A>,
    known: Option<&LiveFlow>,
) -> Result<NicId, DropReason> {
    const FRONTEND: u32 = nic_flags::PRESENT | nic_flags::FRONTEND;
    let nic = tables.nic(query.target).ok_or(DropReason::Unconfigured)?;
    if nic.flags & FRONTEND != FRONTEND {
        return Ok(query.target);
    }
    let kept = known.map_or(NicId::NONE, LiveFlow::backend);
    A::choose(tables, query, kept).get().map(NicId)
}

/// The number of the backend to which a packet goes that a NIC sends to the frontend `query.target`; `kept` is
/// the one that has the packet's flow, if there is one.
#[inline(always)]
pub fn choose<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>, kept: NicId) -> Found {
    Found::pack(try_choose(tables, query, kept))
}

#[inline(always)]
fn try_choose<T: Tables, A: Address>(
    tables: &T,
    query: &FlowQuery<A>,
    kept: NicId,
) -> Result<u32, DropReason> {
    let frontend = tables.nic(query.target).ok_or(DropReason::Unconfigured)?;
    if query.has(query_flags::GLOBAL) && frontend.flags & nic_flags::BASIC != 0 {
        return Err(DropReason::LoadBalancerNotGlobal);
    }
    // Or the frontend is the next hop of a route, and backends get what is for others unchanged.
    let addressed = query.remote == A::primary(frontend);
    let whole = query.flags & (query_flags::FRAGMENT | query_flags::RELATED) == 0;
    if !matches!(query.protocol(), protocol::TCP | protocol::UDP) || (addressed && !whole) {
        return Err(DropReason::LoadBalancerProtocol);
    }
    let (id, rule) = rule(tables, query, query.target, query.ports)?;
    let mut backend = kept;
    if !can_take(tables, backend, frontend.vnet) {
        let takes_turn =
            addressed && query.has(query_flags::NEW) && rule.distribution == distribution::DEFAULT;
        let number =
            if takes_turn { turn_number(tables, id) } else { number(rule.distribution, query) };
        backend = slot(tables, rule, number).ok_or(DropReason::LoadBalancerNoBackend)?;
        if !can_take(tables, backend, frontend.vnet) {
            return Err(DropReason::LoadBalancerNoBackend);
        }
    }
    if backend == query.nic() {
        return Err(DropReason::LoadBalancerLoop);
    }
    Ok(if addressed { backend.0 | AS_BACKEND } else { backend.0 })
}

/// Whether a NIC can be a backend of a frontend of this VNet.
#[inline(always)]
fn can_take<T: Tables>(tables: &T, id: NicId, vnet: VnetId) -> bool {
    let present = |nic: &Nic| nic.flags & nic_flags::PRESENT != 0 && nic.vnet == vnet;
    id.is_some() && tables.nic(id).is_some_and(present)
}

/// What the slots of a rule say about a number.
#[inline(always)]
fn slot<T: Tables>(tables: &T, rule: &Balancer, number: u32) -> Option<NicId> {
    let slots = tables.node4(rule.slots)?;
    slots.children.get((number & 0xff) as usize)?.as_leaf().map(NicId)
}

/// The slot that a rule's next connection takes on a host. All slots have had their turn before one has its
/// next, and those that follow each other are far apart. Hosts begin at different ones, so that a few
/// connections from each of many hosts do not all meet the same backend.
#[inline(always)]
pub const fn slot_of_turn(turn: u64, host: u32) -> u32 {
    ((turn & 0xffff_ffff) as u32).wrapping_mul(STRIDE).wrapping_add(host) & 0xff
}

/// The next number of a rule.
#[inline(always)]
fn turn_number<T: Tables>(tables: &T, id: BalancerId) -> u32 {
    let host = tables.config().map_or(0, |config| {
        let [v4, v6] = config.vtep.map(|vtep| u32::from_be_bytes(vtep.low_octets()));
        v4 ^ v6
    });
    slot_of_turn(tables.take_turn(id), host)
}

/// The number of a packet by its addresses and, if they count, ports: the same for both directions. Where only
/// addresses count, 256 neighbours have each number once.
#[inline(always)]
fn number<A: Address>(kind: u32, query: &FlowQuery<A>) -> u32 {
    let protocol = match kind {
        distribution::SOURCE_IP => 0,
        _ => query.protocol(),
    };
    if kind == distribution::DEFAULT {
        return symmetric_hash(query.local, query.remote, query.ports, protocol);
    }
    let sum = u64::from(query.local.hash()) + u64::from(query.remote.hash());
    mix(sum >> 8, u64::from(protocol)).wrapping_add((sum & 0xffff_ffff) as u32)
}

/// The rule of a frontend for packets to a port, the lower half of `ports`.
#[inline(always)]
fn rule<'a, T: Tables, A: Address>(
    tables: &'a T,
    query: &FlowQuery<A>,
    frontend: NicId,
    ports: u32,
) -> Result<(BalancerId, &'a Balancer), DropReason> {
    let of_port = FrontendKey::of_port(frontend, query.protocol(), (ports & 0xffff) as u16);
    let id = match tables.frontend(of_port) {
        Some(id) => id,
        None => tables
            .frontend(FrontendKey::of_all_ports(frontend))
            .ok_or(DropReason::LoadBalancerNoRule)?,
    };
    Ok((id, present(tables, id)?))
}

/// A rule that is still there.
#[inline(always)]
fn present<T: Tables>(tables: &T, id: BalancerId) -> Result<&Balancer, DropReason> {
    tables
        .balancer(id)
        .filter(|rule| rule.flags & balancer_flags::PRESENT != 0)
        .ok_or(DropReason::LoadBalancerNoRule)
}

/// Whether a NIC takes a packet that arrives, and by which rule if it takes it as a backend. From here on the
/// query is about the address and port that the backend's guest sees.
#[inline(always)]
pub(super) fn taken_by<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
) -> Result<BalancerId, DropReason> {
    if query.has(query_flags::BALANCED) {
        return A::arrive(tables, query).get().map(BalancerId);
    }
    let takes = query.flags & (query_flags::OWN | query_flags::FORWARDS) != 0;
    if takes { Ok(BalancerId::NONE) } else { Err(DropReason::ForwardingDisabled) }
}

/// The rule by which a backend takes a packet that arrives.
#[inline(always)]
pub fn arrive<T: Tables, A: Address>(tables: &T, query: &mut FlowQuery<A>) -> Found {
    Found::pack(try_arrive(tables, query))
}

#[inline(always)]
fn try_arrive<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
) -> Result<u32, DropReason> {
    let vnet = tables.vnet(query.vnet).ok_or(DropReason::Unconfigured)?;
    let frontend = NicId(query.local.lookup(tables, &vnet.endpoints).unwrap_or(0));
    let (id, rule) = rule(tables, query, frontend, query.ports >> 16)?;
    if rule.flags & balancer_flags::FLOATING == 0 {
        let nic = tables.nic(query.nic()).ok_or(DropReason::Unconfigured)?;
        query.local = A::primary(nic);
        if rule.backend_port != 0 {
            query.ports = u32::from(rule.backend_port) << 16 | query.ports & 0xffff;
        }
        query.flags |= query_flags::TRANSLATED;
    }
    query.flags |= query_flags::OWN;
    Ok(id.0)
}

/// The rule by which a packet that a backend sends gets the address and port of the frontend; none if it is
/// no answer to a balanced flow, `known`.
#[inline(always)]
pub(super) fn answer<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    known: &LiveFlow,
) -> Result<BalancerId, DropReason> {
    let id = known.balancer();
    if !id.is_some() || !known.is_inbound() {
        return Ok(BalancerId::NONE);
    }
    if present(tables, id)?.flags & balancer_flags::FLOATING == 0 {
        // What it quotes would have to be translated too.
        if query.has(query_flags::RELATED) {
            return Err(DropReason::LoadBalancerProtocol);
        }
        query.flags |= query_flags::TRANSLATED;
    }
    Ok(id)
}

/// 1 if the NIC answers from the address of a frontend with floating IP in a flow that came to it by that
/// rule, else 0.
#[inline(always)]
pub fn floats<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>) -> u32 {
    const FLOATING: u32 = balancer_flags::PRESENT | balancer_flags::FLOATING;
    let (Some(filter), Some(config)) = (tables.filter(query.slot), tables.config()) else {
        return 0;
    };
    let Some(flow) = A::flow(tables, query.key()) else { return 0 };
    let ended = flow.has_ended(tables.jiffies(), filter.idle_timeout, config.tick_rate);
    let Some(rule) = tables.balancer(flow.balancer()) else { return 0 };
    let floating = rule.flags & FLOATING == FLOATING;
    if ended || !floating || !flow.is_inbound() || !flow.balancer().is_some() {
        return 0;
    }
    let Some(frontend) = tables.nic(rule.frontend) else { return 0 };
    u32::from(query.local == A::primary(frontend))
}

/// Turns a query about a packet that a NIC sends to the other side: the local NIC `id` receives it, as from the
/// frontend if it is an answer that is `translated_by` a rule. `None` if something is missing.
#[inline(always)]
pub fn turn<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    id: NicId,
    flags: u32,
    translated_by: BalancerId,
) -> Option<()> {
    let nic = tables.nic(id)?;
    if translated_by.is_some() {
        let rule = tables.balancer(translated_by)?;
        query.come_from(A::primary(tables.nic(rule.frontend)?), rule.frontend_port);
    }
    query.turn();
    query.stand_at(id, nic, flags);
    Some(())
}
