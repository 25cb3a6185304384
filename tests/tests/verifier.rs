//! Every program loads, and costs what it may.

use vnetpeer_tests::{
    kernel, object, stack,
    verifier::{self, BUDGETS},
};

#[test]
fn programs_load_within_their_budgets() {
    if !kernel::available() {
        return;
    }
    let loaded = verifier::load_all(&object::programs()).unwrap();
    let names: Vec<&str> = loaded.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<&str> = BUDGETS.iter().map(|budget| budget.name).collect();
    assert_eq!(names, expected);
    for (name, cost) in loaded {
        let cost = cost.unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{cost:?}");
        assert_eq!(cost.excess(), Vec::<String>::new(), "{cost:?}");
        assert!(cost.verified.is_some_and(|verified| verified > 0), "{cost:?}");
        assert!(cost.jited > 0, "the kernel interprets {name}");
    }
}

#[test]
fn stack_is_below_the_kernels_limit() {
    for (name, bytes) in stack::of_programs(&object::programs()).unwrap() {
        assert!(bytes <= stack::STACK_MAX, "{name}: {bytes}");
    }
}

#[test]
fn wrappers_of_the_benchmarks_load() {
    if !kernel::available() {
        return;
    }
    for (name, cost) in verifier::load_all(&object::bench_programs()).unwrap() {
        cost.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
