//! The same cases through the loaded programs: action, bytes, counters and events as on the host.

use vnetpeer_tests::{
    case::{Case, Hooks, Place},
    cases,
    counters::Counters,
    frame::{Hook, Skb},
    kernel::{self, Action, Kernel, Program},
    packet::diff,
    run::HostRun,
    tables::HostTables,
};

/// Runs all cases of a topic at both hooks.
fn check_topic(cases: &[Case]) {
    if !kernel::available() {
        return;
    }
    let mut kernel = Kernel::load();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.host_only.is_none()) {
        let image = case.world().image();
        kernel.fill(&image);
        for hook in [Hook::Xdp, Hook::Tc(Skb::default())] {
            let hook = match (hook, case.hooks) {
                (Hook::Xdp, Hooks::Both | Hooks::Xdp) | (Hook::Tc(_), Hooks::Both) => hook,
                (Hook::Tc(_), Hooks::Tc(skb)) => Hook::Tc(skb),
                _ => continue,
            };
            let host = case.run_on(&HostTables::new(image.clone()), hook);
            if let Err(text) = compare(&mut kernel, case, hook, &host) {
                failures.push(format!("{} at {hook:?}:\n{text}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Runs the case's frame through the program for this hook; `Err` says how it differs from the host's
/// run, which has been judged by the case itself.
fn compare(kernel: &mut Kernel, case: &Case, hook: Hook, host: &HostRun) -> Result<(), String> {
    let gso_size = if let Hook::Tc(skb) = hook { skb.gso_size } else { 0 };
    kernel.forget_flows();
    for (place, frame) in &case.before {
        let program = stand(kernel, *place, hook);
        kernel.run(program, frame, 0).map_err(|error| error.to_string())?;
    }
    let program = stand(kernel, case.place, hook);
    kernel.take_events();
    let before = kernel.counters();
    let outcome = kernel.run(program, &case.input, gso_size).map_err(|error| error.to_string())?;
    let counters: Counters = kernel.counters().since(&before);
    let events = kernel.take_events();
    let action = Action::of(program, host.verdict);
    if outcome.action != action {
        return Err(format!("{:?}, not {action:?}", outcome.action));
    }
    if let Some(difference) = diff(&host.bytes, &outcome.bytes) {
        return Err(difference);
    }
    if counters != host.counters {
        return Err(format!("counted {counters}, not {}", host.counters));
    }
    if events != host.events {
        return Err(format!("reported {events:?}, not {:?}", host.events));
    }
    Ok(())
}

/// Lets the next frame come in at a place, and says which program looks at it.
fn stand(kernel: &mut Kernel, place: Place, hook: Hook) -> Program {
    kernel.stand_on(match place {
        Place::Workload(ifindex) => Some(ifindex),
        Place::Underlay => None,
    });
    match (place, hook) {
        (Place::Workload(_), Hook::Xdp) => Program::XdpOut,
        (Place::Underlay, Hook::Xdp) => Program::XdpIn,
        (Place::Workload(_), Hook::Tc(_)) => Program::TcOut,
        (Place::Underlay, Hook::Tc(_)) => Program::TcIn,
    }
}

/// One test per topic, whose path names its area.
macro_rules! topics {
    ($($topic:ident)*) => {
        $(mod $topic {
            #[test]
            fn cases() {
                super::check_topic(&super::cases::$topic::cases());
            }
        })*
    };
}

topics! {
    arp balancers decap encap flows fragments gateways groups malformed metering mtu neighbor peering policies routes
    service_chain shape spoof tunnel_security
}

/// Behind XDP, a frame without a note is the host's own on the underlay and nobody's on a workload's
/// interface.
#[test]
fn deliver_without_a_note() {
    if !kernel::available() {
        return;
    }
    let mut kernel = Kernel::load();
    let case = &cases::peering::cases()[0];
    kernel.fill(&case.world().image());
    let Place::Workload(ifindex) = case.place else { panic!("a case of a workload") };
    for (place, action) in [(Some(ifindex), Action::Drop), (None, Action::Pass)] {
        kernel.stand_on(place);
        let outcome = kernel.run(Program::TcDeliver, &case.input, 0).unwrap();
        assert_eq!((outcome.action, outcome.bytes), (action, case.input.clone()));
    }
}

/// An event for one drop of so many, as the mask says.
#[test]
fn events_are_sampled() {
    if !kernel::available() {
        return;
    }
    let mut kernel = Kernel::load();
    let case = cases::spoof::cases().into_iter().find(|case| case.name == "spoof: IPv4 source");
    let case = case.expect("a case of that name");
    let mut world = case.world();
    world.config.event_mask = 3;
    kernel.fill(&world.image());
    let Place::Workload(ifindex) = case.place else { panic!("a case of a workload") };
    kernel.stand_on(Some(ifindex));
    let reported: Vec<usize> = (0..9)
        .map(|_| {
            kernel.run(Program::XdpOut, &case.input, 0).unwrap();
            kernel.take_events().len()
        })
        .collect();
    // Counters are per CPU, and so is the sampling: with the test on one CPU, every fourth.
    let total: usize = reported.iter().sum();
    assert!((3..=4).contains(&total), "{reported:?}");
}
