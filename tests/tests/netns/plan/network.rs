//! A network of four VNets that changes at random; its NICs stay.

mod document;

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_tests::random::Random;

/// VNets and their subnets; prefixes follow from the places.
const VNETS: [(&str, &[&str]); 4] = [
    ("hub", &["nva", "work"]),
    ("red", &["front", "back"]),
    ("green", &["work"]),
    ("blue", &["work"]),
];
/// Name, VNet, subnet, last part of the addresses, host.
const NICS: [(&str, usize, usize, u8, usize); 9] = [
    ("nva1", 0, 0, 4, 0),
    ("nva2", 0, 0, 5, 1),
    ("hub1", 0, 1, 4, 2),
    ("red1", 1, 0, 4, 0),
    ("red2", 1, 0, 5, 1),
    ("red3", 1, 1, 4, 2),
    ("green1", 2, 0, 4, 1),
    ("green2", 2, 0, 5, 2),
    ("blue1", 3, 0, 4, 0),
];
/// What rules name; the lab tries these ports, and one that no rule names.
const SERVICES: [(&str, u16); 3] = [("Tcp", 22), ("Tcp", 443), ("Udp", 53)];

/// One side of a peering.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "these are properties of a peering")]
struct Peering {
    access: bool,
    forwarded: bool,
    only_ipv6: bool,
    /// Whether some subnets are peered, by both sides' lists.
    subnets: bool,
}

/// A security rule.
#[derive(Clone, Debug)]
struct Rule {
    direction: &'static str,
    allows: bool,
    protocol: &'static str,
    remote: String,
    ports: String,
}

/// What can change.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// By owner and remote VNet.
    peerings: BTreeMap<(usize, usize), Peering>,
    /// By VNet and subnet: prefix → next hop.
    routes: BTreeMap<(usize, usize), BTreeMap<String, String>>,
    /// By what they are attached to: a NIC's name, or `VNet/subnet`.
    groups: BTreeMap<String, Vec<Rule>>,
    /// Deny, by VNet: protocol and port.
    admin: BTreeMap<usize, (&'static str, &'static str, u16)>,
    /// VNets with a second prefix.
    wide: BTreeSet<usize>,
    /// Appliances that may forward.
    forwarding: [bool; 2],
}

impl Network {
    /// Spokes around a hub, the first of them through its appliances.
    pub(super) fn new() -> Self {
        let mut network = Self {
            peerings: BTreeMap::new(),
            routes: BTreeMap::new(),
            groups: BTreeMap::new(),
            admin: BTreeMap::new(),
            wide: BTreeSet::new(),
            forwarding: [true; 2],
        };
        for spoke in 1..VNETS.len() {
            for (from, to) in [(0, spoke), (spoke, 0)] {
                let peering =
                    Peering { access: true, forwarded: true, only_ipv6: false, subnets: false };
                network.peerings.insert((from, to), peering);
            }
        }
        for (from, to) in [((1, 0), 2), ((2, 0), 1)] {
            let routes = network.routes.entry(from).or_default();
            routes.insert(space(to, true), appliance(0, true));
            routes.insert(space(to, false), appliance(0, false));
        }
        network
    }

    /// Changes one thing, or a few.
    pub(super) fn change(&mut self, random: &mut Random) {
        loop {
            match random.below(10) {
                0 | 1 => self.change_peering(random),
                2 => self.change_flag(random),
                3 | 4 => self.change_route(random),
                5 | 6 => self.change_group(random),
                7 => self.change_admin(random),
                8 => {
                    let vnet = random.below(VNETS.len());
                    if !self.wide.remove(&vnet) {
                        self.wide.insert(vnet);
                    }
                }
                _ => {
                    let forwards = &mut self.forwarding[random.below(2)];
                    *forwards = !*forwards;
                }
            }
            if random.one_in(2) {
                return;
            }
        }
    }

    /// Adds or removes both sides, or one.
    fn change_peering(&mut self, random: &mut Random) {
        let (a, b) = two(random);
        let sides: &[(usize, usize)] = if random.one_in(3) { &[(a, b)] } else { &[(a, b), (b, a)] };
        let there = self.peerings.contains_key(&(a, b));
        for side in sides {
            if there {
                self.peerings.remove(side);
            } else {
                let peering = Peering {
                    access: !random.one_in(6),
                    forwarded: random.one_in(2),
                    only_ipv6: false,
                    subnets: false,
                };
                self.peerings.insert(*side, peering);
            }
        }
    }

    /// Flips a flag; what is peered changes on both sides.
    fn change_flag(&mut self, random: &mut Random) {
        let sides: Vec<(usize, usize)> = self.peerings.keys().copied().collect();
        if sides.is_empty() {
            return;
        }
        let (a, b) = *random.pick(&sides);
        let what = random.below(6);
        let both: &[(usize, usize)] = if what > 3 { &[(a, b), (b, a)] } else { &[(a, b)] };
        for side in both {
            let Some(peering) = self.peerings.get_mut(side) else { continue };
            match what {
                0 | 1 => peering.access = !peering.access,
                2 | 3 => peering.forwarded = !peering.forwarded,
                4 => peering.subnets = !peering.subnets,
                _ => peering.only_ipv6 = !peering.only_ipv6 && peering.subnets,
            }
        }
    }

    fn change_route(&mut self, random: &mut Random) {
        let subnet = subnet(random);
        let is_v4 = random.one_in(2);
        let prefix = match random.below(4) {
            0 if is_v4 => "10.0.0.0/8".to_owned(),
            0 => "fd00::/16".to_owned(),
            1 => {
                let (_, vnet, subnet, last, _) = *random.pick(&NICS);
                let address = address(vnet, subnet, last, is_v4);
                if is_v4 { format!("{address}/32") } else { format!("{address}/128") }
            }
            _ => space(random.below(VNETS.len()), is_v4),
        };
        let routes = self.routes.entry(subnet).or_default();
        if routes.remove(&prefix).is_some() && random.one_in(2) {
            return;
        }
        let next_hop = match random.below(8) {
            0 => "nextHopType: None".to_owned(),
            1 => "nextHopType: VnetLocal".to_owned(),
            2 => "nextHopType: Internet".to_owned(),
            3 => {
                let both = [0, 1].map(|nva| format!("\"{}\"", address(0, 0, 4 + nva, is_v4)));
                format!(
                    "nextHopType: VirtualApplianceEcmp, nextHop: {{nextHopIpAddresses: [{}]}}",
                    both.join(", ")
                )
            }
            number => appliance(number % 2, is_v4),
        };
        routes.insert(prefix, next_hop);
    }

    fn change_group(&mut self, random: &mut Random) {
        let place = if random.one_in(2) {
            // No rules for appliances: which of them a flow takes is not for the probes to say.
            NICS[2 + random.below(NICS.len() - 2)].0.to_owned()
        } else {
            let (vnet, subnet) = subnet(random);
            if (vnet, subnet) == (0, 0) {
                return;
            }
            format!("{}/{}", VNETS[vnet].0, VNETS[vnet].1[subnet])
        };
        if random.one_in(4) {
            self.groups.remove(&place);
            return;
        }
        let rules = self.groups.entry(place).or_default();
        if !rules.is_empty() && random.one_in(3) {
            rules.remove(random.below(rules.len()));
            return;
        }
        let (protocol, port) = *random.pick(&SERVICES);
        let is_v4 = random.one_in(2);
        let remote = match random.below(4) {
            0 => "*".to_owned(),
            1 => "VirtualNetwork".to_owned(),
            2 => {
                let (_, vnet, subnet, last, _) = *random.pick(&NICS);
                address(vnet, subnet, last, is_v4)
            }
            _ => space(random.below(VNETS.len()), is_v4),
        };
        let rule = Rule {
            direction: if random.one_in(2) { "Inbound" } else { "Outbound" },
            allows: random.one_in(3),
            protocol: match random.below(5) {
                0 => "*",
                1 => "Icmp",
                _ => protocol,
            },
            remote,
            ports: match random.below(4) {
                0 => "*".to_owned(),
                1 => format!("{port}-{}", port + 400),
                _ => port.to_string(),
            },
        };
        let at = random.below(rules.len() + 1);
        rules.insert(at, rule);
    }

    fn change_admin(&mut self, random: &mut Random) {
        let vnet = 1 + random.below(VNETS.len() - 1);
        if self.admin.remove(&vnet).is_none() {
            let (protocol, port) = *random.pick(&SERVICES);
            let direction = if random.one_in(2) { "Inbound" } else { "Outbound" };
            self.admin.insert(vnet, (direction, protocol, port));
        }
    }

    /// Whether a flow may get through or not by which of the appliances it takes. Probes cannot tell.
    pub(super) fn is_ambiguous(&self) -> bool {
        let [first, second] = self.forwarding;
        let mut hops = self.routes.values().flat_map(BTreeMap::values);
        first != second && hops.any(|hop| hop.contains("VirtualApplianceEcmp"))
    }
}

fn two(random: &mut Random) -> (usize, usize) {
    let a = random.below(VNETS.len());
    (a, (a + 1 + random.below(VNETS.len() - 1)) % VNETS.len())
}

fn subnet(random: &mut Random) -> (usize, usize) {
    let vnet = random.below(VNETS.len());
    (vnet, random.below(VNETS[vnet].1.len()))
}

fn space(vnet: usize, is_v4: bool) -> String {
    if is_v4 { format!("10.{vnet}.0.0/16") } else { format!("fd00:{vnet}::/48") }
}

fn address(vnet: usize, subnet: usize, last: u8, is_v4: bool) -> String {
    let subnet = subnet + 1;
    if is_v4 {
        format!("10.{vnet}.{subnet}.{last}")
    } else {
        format!("fd00:{vnet}:0:{subnet}::{last}")
    }
}

/// A next hop: one of the appliances.
fn appliance(number: usize, is_v4: bool) -> String {
    let last = if number == 0 { 4 } else { 5 };
    format!("nextHopType: VirtualAppliance, nextHopIpAddress: \"{}\"", address(0, 0, last, is_v4))
}
