use vnetpeer_common::abi::{self, CLOSING_SECONDS, HALF_OPEN_SECONDS, ICMP_SECONDS};

use super::*;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const RATE: u32 = 250;
const OWNER: Owner = Owner { slot: 1, idle_timeout: 240 };

/// A flow that was seen last at jiffy 1,000.
fn flow(protocol: u8, replied: bool) -> Flow {
    let replied = u8::from(replied);
    Flow { last_seen: 1_000, opened: 500, protocol, replied, ..Flow::default() }
}

/// Whether it has ended so many seconds after its last packet.
fn ended_after(flow: &Flow, seconds: u32) -> bool {
    let now = 1_000 + u64::from(seconds) * u64::from(RATE);
    Time { now, tick_rate: RATE }.has_ended(flow, Some(&OWNER))
}

fn lasts(flow: &Flow, seconds: u32) {
    assert!(!ended_after(flow, seconds), "{flow:?} ended within {seconds} seconds");
    // Packets are noted a second late at most.
    assert!(!ended_after(flow, seconds + 1), "{flow:?} ended within {seconds} seconds and one");
    assert!(ended_after(flow, seconds + 2), "{flow:?} did not end after {seconds} seconds");
}

#[test]
fn each_phase_has_its_own_timeout() {
    lasts(&flow(TCP, false), HALF_OPEN_SECONDS);
    lasts(&flow(UDP, false), HALF_OPEN_SECONDS);
    lasts(&flow(TCP, true), OWNER.idle_timeout);
    lasts(&flow(UDP, true), OWNER.idle_timeout);
    lasts(&flow(ICMP, true), ICMP_SECONDS);
    lasts(&Flow { reset: 1, ..flow(TCP, true) }, CLOSING_SECONDS);
    let closed = Flow { closed_by_opener: 1, closed_by_other: 1, ..flow(TCP, true) };
    lasts(&closed, CLOSING_SECONDS);
    let half_closed = Flow { closed_by_other: 1, ..flow(TCP, true) };
    lasts(&half_closed, OWNER.idle_timeout);
}

#[test]
fn a_flow_that_was_seen_after_the_sweep_began_goes_on() {
    let time = Time { now: 900, tick_rate: RATE };
    assert!(!time.has_ended(&flow(TCP, true), Some(&OWNER)));
    assert_eq!(time.seconds_since(1_000), 0);
}

#[test]
fn a_flow_of_a_nic_that_is_gone_ends_at_once() {
    let time = Time { now: 1_000, tick_rate: RATE };
    assert!(time.has_ended(&flow(TCP, true), None));
}

#[test]
fn without_the_length_of_a_second_nothing_is_idle() {
    let time = Time { now: u64::MAX, tick_rate: 0 };
    assert!(!time.has_ended(&flow(TCP, true), Some(&OWNER)));
    assert!(time.has_ended(&flow(TCP, true), None));
}

#[test]
fn owners_are_the_local_nics() {
    let mut desired = Desired::default();
    let nic = |vtep, slot| abi::Nic { vtep: VtepId(vtep), slot, ..abi::Nic::default() };
    desired.nics.insert(NicId(1), nic(0, 5));
    desired.nics.insert(NicId(2), nic(7, 0));
    desired.nics.insert(NicId(3), nic(0, 6));
    let filter = abi::Filter { idle_timeout: 600, ..abi::Filter::default() };
    desired.filters.insert(5, filter);
    let expected = Owners::from([
        (NicId(1), Owner { slot: 5, idle_timeout: 600 }),
        (NicId(3), Owner { slot: 6, idle_timeout: IDLE_SECONDS }),
    ]);
    assert_eq!(owners(&desired), expected);
}

fn opened(opened: u64, replied: u64) -> FlowsOpened {
    FlowsOpened { opened, replied }
}

fn ended(ended: u64, half_open: u64) -> FlowsEnded {
    FlowsEnded { ended, half_open }
}

fn seen(flows: u64, half_open: u64, removed: u64, removed_half_open: u64) -> Seen {
    Seen { flows, half_open, removed, removed_half_open }
}

#[test]
fn removed_flows_are_added_to_what_has_ended() {
    let counted = opened(100, 80);
    let after = settle(ended(40, 5), counted, counted, &seen(60, 15, 10, 3));
    assert_eq!(after, ended(50, 8));
    assert_eq!(believed(counted, after), (50, 12));
}

#[test]
fn counters_that_are_right_do_not_jump_when_flows_come_meanwhile() {
    // 60 flows when the sweep began, 15 of them without a reply; 30 more came, of which the sweep saw
    // 20, and 25 replies, of which it saw 10.
    let (before, after) = (opened(100, 80), opened(130, 105));
    let settled = settle(ended(40, 5), before, after, &seen(80, 25, 0, 0));
    assert_eq!(settled, ended(40, 5));
}

#[test]
fn counters_that_a_killed_agent_left_behind_are_mended() {
    let counted = opened(100, 80);
    let settled = settle(ended(10, 0), counted, counted, &seen(60, 15, 0, 0));
    assert_eq!(settled, ended(40, 5));
}

#[test]
fn counters_that_say_too_little_are_mended() {
    // A connection that was opened again in the place of an old one is in the table once more than
    // the replies say.
    let counted = opened(100, 90);
    let settled = settle(ended(50, 8), counted, counted, &seen(60, 5, 0, 0));
    assert_eq!(settled, ended(40, 5));
}

#[test]
fn a_nic_that_is_gone_has_no_flows_left() {
    let counted = opened(100, 80);
    let settled = settle(ended(40, 5), counted, counted, &Seen::default());
    assert_eq!(believed(counted, settled), (0, 0));
}

#[test]
fn nothing_is_ever_negative() {
    let settled = settle(ended(7, 7), opened(0, 0), opened(0, 0), &seen(5, 5, 5, 5));
    assert_eq!(settled, ended(0, 0));
    let settled = settle(ended(0, 0), opened(5, 9), opened(5, 9), &seen(5, 0, 5, 0));
    assert_eq!(settled, ended(5, 0));
}

/// However flows come, are answered and go during a sweep: what the programs believe afterwards is
/// not negative, and not further off than what happened meanwhile.
#[test]
fn what_is_believed_is_near_to_what_is_true() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % (limit + 1)
    };
    for _ in 0..10_000 {
        let (answered, half_open) = (below(50), below(50));
        let before = opened(answered + half_open + below(50), 0);
        let before = FlowsOpened { replied: before.opened - half_open - below(answered), ..before };
        let counted = ended(below(200), below(100));
        let (new, replies) = (below(20), below(half_open));
        let after = opened(before.opened + new, before.replied + replies);
        let (new_seen, replies_seen) = (below(new), below(replies));
        let saw = answered + half_open + new_seen;
        let saw_half_open = half_open - replies_seen + new_seen;
        let removed_half_open = below(half_open - replies);
        let removed = removed_half_open + below(answered);
        let seen = seen(saw, saw_half_open, removed, removed_half_open);
        let (flows, half) = believed(after, settle(counted, before, after, &seen));
        let true_flows = answered + half_open + new - removed;
        let true_half = half_open + new - replies - removed_half_open;
        assert!(flows.abs_diff(true_flows) <= new, "{flows} flows, and there are {true_flows}");
        assert!(half.abs_diff(true_half) <= new + replies, "{half}, and there are {true_half}");
    }
}
