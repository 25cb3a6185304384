//! The queues that limit NICs: one is named only while frames come back from it.

use super::*;
use crate::topology::facts::ShaperFacts;

const FIRST: ShaperFacts = ShaperFacts { enters: 61_000, leaves: 61_001, in_use: true };
const SECOND: ShaperFacts = ShaperFacts { enters: 61_002, leaves: 61_003, in_use: true };
const DRAINING: ShaperFacts = ShaperFacts { in_use: false, ..SECOND };

fn check(image: &Image, web1: NicId) {
    let shaper = image.nics.get(&web1).map_or(0, |nic| nic.shaper);
    for queue in [FIRST, SECOND] {
        let back = image.ifaces.get(&queue.leaves);
        assert!(shaper != queue.enters || back == Some(&web1), "{shaper} leads nowhere");
    }
    for (id, nic) in &image.nics {
        assert!(*id == web1 || nic.shaper == 0, "a neighbour waits too");
    }
}

#[test]
fn a_queue_is_named_only_while_frames_come_back_from_it() {
    let topology = hub_and_spokes();
    let mut agent = Agent::default();
    let steps = [None, Some(FIRST), Some(SECOND), Some(DRAINING), None, Some(FIRST)];
    for shaper in steps {
        let mut facts = facts(&topology, 0);
        facts.interfaces.get_mut("tap-web1").unwrap().shaper = shaper;
        let desired = agent.compile(&topology, 0, &facts).unwrap();
        let web1 = agent.state.nic(&topology.nics[1].id).unwrap();
        agent.execute(desired, |image, _| check(image, web1));
        agent.image.check(&agent.desired);
        let nic = agent.image.nics[&web1];
        assert_eq!(nic.shaper, shaper.filter(|it| it.in_use).map_or(0, |it| it.enters));
        let back = |queue: ShaperFacts| agent.image.ifaces.get(&queue.leaves) == Some(&web1);
        let there = |queue: ShaperFacts| shaper.is_some_and(|it| it.leaves == queue.leaves);
        assert_eq!([FIRST, SECOND].map(back), [FIRST, SECOND].map(there));
        assert_eq!(agent.image.ifaces[&nic.ifindex], web1);
        let adopted = Observed::adopt(agent.image.raw(), PoolCapacities::default());
        assert_eq!(plan(&agent.desired, &adopted).unwrap().ops, vec![]);
    }
}

#[test]
fn a_new_rate_is_no_matter_of_the_maps() {
    let mut topology = hub_and_spokes();
    let mut agent = Agent::default();
    let mut with_limit = |limit| {
        topology.nics[1].outbound_bits_per_second = Some(limit);
        let mut facts = facts(&topology, 0);
        facts.interfaces.get_mut("tap-web1").unwrap().shaper = Some(FIRST);
        let desired = agent.compile(&topology, 0, &facts).unwrap();
        let ops = plan(&desired, &agent.observed).unwrap().ops.len();
        agent.execute(desired, |_, _| ());
        ops
    };
    assert_ne!(with_limit(1_000_000_000), 0);
    assert_eq!(with_limit(2_000_000_000), 0);
}
