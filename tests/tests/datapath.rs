//! The cases on the core in host memory, as XDP and as TC see them.

use vnetpeer_tests::{cases, run::check_all};

/// One test per topic, whose path names its area.
macro_rules! topics {
    ($($topic:ident)*) => {
        $(mod $topic {
            #[test]
            fn cases() {
                super::check_all(&super::cases::$topic::cases());
            }
        })*
    };
}

topics! {
    appliances arp balancers decap encap flows fragments gateways groups malformed metering mtu neighbor
    peering policies routes
    service_chain shape spoof tunnel_security
}

#[test]
fn names_are_unique_and_the_table_is_large() {
    let mut names: Vec<&str> = cases::all().iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 150, "{count} cases");
}
