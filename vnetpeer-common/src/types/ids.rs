//! Small numbers that index BPF arrays. Zero is never assigned: it means "none".
//!
//! Ids are given out once per resource (by its `resourceGuid`) and stay the same across restarts and
//! on every host of a deployment.

use bytemuck::{Pod, Zeroable};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The value that means "none".
            pub const NONE: Self = Self(0);

            /// Whether this names something.
            #[inline(always)]
            pub const fn is_some(self) -> bool {
                self.0 != 0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A virtual network. It is also its VNI (RFC 7348), so it fits in 24 bits.
    VnetId
);
id!(
    /// A network interface. Overlay MAC addresses carry it ([`super::Mac::overlay`]).
    NicId
);
id!(
    /// A link: one directed peering object, A→B. Meters are indexed by it.
    LinkId
);
id!(
    /// The effective routes that some subnets share.
    TableId
);
id!(
    /// A remote host's tunnel endpoint.
    VtepId
);
id!(
    /// A policy: the security rules of one group, or of one VNet's administrators, in one direction.
    PolicyId
);
id!(
    /// A security rule. It fits in 30 bits.
    RuleId
);
id!(
    /// A load balancing rule. It fits in 16 bits.
    BalancerId
);
id!(
    /// An entry of the next-hop array.
    NextHopId
);
