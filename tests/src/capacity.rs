//! Capacities of the maps in tests, the same on the host and in the kernel: large enough for the
//! fixed network and for 1,000 routes, small enough to be read and cleared often.

use vnetpeer_common::abi::{CACHE_TAGGED_SETS, DROP_REASONS_MAX, maps};

/// Highest interface index plus one.
pub const INTERFACES: u32 = 1_024;
/// Highest NIC id plus one.
pub const NICS: u32 = 4_096;
/// Highest VNet id plus one.
pub const VNETS: u32 = 8_192;
/// Highest table id plus one.
pub const ROUTES: u32 = 64;
/// IPv4 nodes.
pub const TRIE_V4: u32 = 4_096;
/// IPv6 nodes.
pub const TRIE_V6: u32 = 4_096;
/// Next hops.
pub const NEXT_HOPS: u32 = 4_096;
/// Highest link id plus one.
pub const LINKS: u32 = 16;
/// Highest VTEP id plus one.
pub const VTEPS: u32 = 16;
/// Load balancing rules.
pub const BALANCERS: u32 = 64;
/// Rows of drop counters.
pub const DROP_SLOTS: u32 = 16;

/// Highest policy id plus one.
pub const POLICIES: u32 = 64;
/// Classifiers.
pub const CLASSIFIERS: u32 = 64;
/// Bit vectors.
pub const ROWS: u32 = 8_192;
/// Highest rule id plus one.
pub const RULES: u32 = 8_192;
/// Flows of each family.
pub const FLOWS: u32 = 4_096;
/// Sets of the flow cache, per CPU.
pub const CACHE_SETS: u32 = 16;
/// CPUs that have a part of the flow cache.
pub const CPUS: u32 = 256;

/// The capacity of each map whose default is not used.
pub const ALL: [(&str, u32); 26] = [
    (maps::IFACES, INTERFACES),
    (maps::NICS, NICS),
    (maps::VNETS, VNETS),
    (maps::ROUTES, ROUTES),
    (maps::TRIE_V4, TRIE_V4),
    (maps::TRIE_V6, TRIE_V6),
    (maps::NEXT_HOPS, NEXT_HOPS),
    (maps::LINKS, LINKS),
    (maps::METERS, LINKS),
    (maps::VTEPS, VTEPS),
    (maps::BALANCERS, BALANCERS),
    (maps::TURNS, BALANCERS),
    (maps::FRONTENDS, BALANCERS),
    (maps::DROPS, DROP_SLOTS * DROP_REASONS_MAX),
    (maps::FILTERS, DROP_SLOTS),
    (maps::POLICIES, POLICIES),
    (maps::CLASSIFIERS, CLASSIFIERS),
    (maps::ROWS, ROWS),
    (maps::RULE_HITS, RULES),
    (maps::FLOWS_V4, FLOWS),
    (maps::FLOWS_V6, FLOWS),
    (maps::CACHE_V4, CPUS * CACHE_SETS * 2),
    (maps::CACHE_V6, CPUS * CACHE_SETS * 2),
    (maps::CACHE_TAGS_V4, CPUS * CACHE_SETS / CACHE_TAGGED_SETS),
    (maps::CACHE_TAGS_V6, CPUS * CACHE_SETS / CACHE_TAGGED_SETS),
    (maps::FRAGMENTS, 1_024),
];
