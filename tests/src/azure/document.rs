//! The network that cases start with: a hub and two spokes on two hosts, not peered, in both families.

mod gateway;
mod manager;
mod parts;

use serde_json::{Map, Value, json};

pub use self::parts::arm_id;
pub(super) use self::parts::udr;
use self::parts::{host, nic, vnet};

/// Name, VNet, subnet, last part of the addresses, host.
pub const NICS: [(&str, &str, &str, u8, &str); 8] = [
    ("hub1", "hub", "default", 4, "host-a"),
    ("hub2", "hub", "default", 5, "host-b"),
    ("nva", "hub", "nva", 4, "host-b"),
    ("nva2", "hub", "nva", 5, "host-a"),
    ("one1", "one", "default", 4, "host-a"),
    ("one2", "one", "other", 4, "host-b"),
    ("two1", "two", "default", 4, "host-b"),
    ("two2", "two", "other", 4, "host-a"),
];

/// The hosts.
pub const HOSTS: [&str; 2] = ["host-a", "host-b"];

/// VNets with their subnets; the place is the second part of the VNet's prefixes, and that of the subnet,
/// from 1, the third of the subnet's.
const VNETS: [(&str, [&str; 2]); 3] =
    [("hub", ["default", "nva"]), ("one", ["default", "other"]), ("two", ["default", "other"])];

/// A document under construction.
#[derive(Clone, Debug)]
pub struct Document(Map<String, Value>);

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Document {
    /// Hub and spokes without a peering. `nva` and `nva2` forward.
    pub fn new() -> Self {
        let mut document = Map::new();
        document.insert("deployment".to_owned(), json!({ "name": "azure" }));
        let vnets: Vec<Value> = (0_u8..).zip(VNETS).map(|(place, it)| vnet(place, it)).collect();
        document.insert("virtualNetworks".to_owned(), vnets.into());
        document.insert("networkInterfaces".to_owned(), NICS.map(nic).to_vec().into());
        let hosts: Vec<Value> = (1_u8..).zip(HOSTS).map(host).collect();
        document.insert("hosts".to_owned(), hosts.into());
        Self(document)
    }

    /// The hub peered with both spokes, both ways.
    pub fn hub_and_spokes() -> Self {
        Self::new().peered("hub", "one").peered("hub", "two")
    }

    /// Hub and spokes whose default subnets reach each other through `nva`, with what that needs.
    pub fn service_chain() -> Self {
        let pairs = [("one", 2), ("two", 1)];
        pairs.into_iter().fold(Self::hub_and_spokes(), |it, (own, other)| {
            it.peering(&format!("{own}/to-hub"), "allowForwardedTraffic", true)
                .through_nva(own, other)
        })
    }

    /// Routes through `nva` from the default subnet of a spoke to the VNet with this number, in the table
    /// `from-SPOKE`.
    #[must_use]
    pub fn through_nva(self, own: &str, other: u8) -> Self {
        let name = format!("from-{own}");
        let routes = json!([
            udr(&format!("10.{other}.0.0/16"), "VirtualAppliance", "10.0.2.4"),
            udr(&format!("fd00:{other}::/48"), "VirtualAppliance", "fd00:0:0:2::4"),
        ]);
        self.table(&name, routes).attach(&name, own, "default")
    }

    /// Without the routes of a table.
    #[must_use]
    pub fn without_routes(self, table: &str) -> Self {
        self.set("routeTables", table, "routes", json!([]))
    }

    /// The region of a VNet.
    #[must_use]
    pub fn located(mut self, vnet: &str, location: &str) -> Self {
        let mut vnets = self.0["virtualNetworks"].as_array_mut().expect("VNets").iter_mut();
        let vnet = vnets.find(|it| it["name"] == vnet).expect("the VNet exists");
        vnet["location"] = location.into();
        self
    }

    /// Both sides of a peering.
    #[must_use]
    pub fn peered(self, one: &str, other: &str) -> Self {
        self.side(one, other).side(other, one)
    }

    /// One side of a peering: `from/to-TO`.
    #[must_use]
    pub fn side(self, from: &str, to: &str) -> Self {
        self.named_side(&format!("{from}/to-{to}"), to)
    }

    /// One side of a peering by its own name.
    #[must_use]
    pub fn named_side(self, name: &str, to: &str) -> Self {
        let properties = json!({ "remoteVirtualNetwork": { "id": to } });
        self.add("virtualNetworkPeerings", json!({ "name": name, "properties": properties }))
    }

    /// A property of a peering.
    #[must_use]
    pub fn peering(self, name: &str, property: &str, value: impl Into<Value>) -> Self {
        self.set("virtualNetworkPeerings", name, property, value)
    }

    /// A property of both sides of a peering.
    #[must_use]
    pub fn both(self, one: &str, other: &str, property: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.peering(&format!("{one}/to-{other}"), property, value.clone()).peering(
            &format!("{other}/to-{one}"),
            property,
            value,
        )
    }

    /// Peers subnets of two VNets instead of the whole VNets.
    #[must_use]
    pub fn by_subnets(self, one: (&str, &[&str]), other: (&str, &[&str])) -> Self {
        let name = |from: &str, to: &str| format!("{from}/to-{to}");
        self.both(one.0, other.0, "peerCompleteVnets", false)
            .peering(&name(one.0, other.0), "localSubnetNames", one.1)
            .peering(&name(one.0, other.0), "remoteSubnetNames", other.1)
            .peering(&name(other.0, one.0), "localSubnetNames", other.1)
            .peering(&name(other.0, one.0), "remoteSubnetNames", one.1)
    }

    /// The address space of a VNet.
    #[must_use]
    pub fn space(self, vnet: &str, prefixes: &[&str]) -> Self {
        self.set("virtualNetworks", vnet, "addressSpace", json!({ "addressPrefixes": prefixes }))
    }

    /// One more VNet, with a subnet `default` for each family unless it has no room.
    #[must_use]
    pub fn vnet(self, name: &str, prefixes: &[&str]) -> Self {
        let properties = json!({ "addressSpace": { "addressPrefixes": prefixes } });
        self.add("virtualNetworks", json!({ "name": name, "properties": properties }))
    }

    /// One more subnet.
    #[must_use]
    pub fn subnet(mut self, vnet: &str, name: &str, prefixes: &[&str]) -> Self {
        let properties = json!({ "addressPrefixes": prefixes });
        let vnet = self.properties("virtualNetworks", vnet);
        let subnets = vnet.entry("subnets").or_insert_with(|| json!([]));
        let subnets = subnets.as_array_mut().expect("a list of subnets");
        subnets.push(json!({ "name": name, "properties": properties }));
        self
    }

    /// One more route table.
    #[must_use]
    pub fn table(self, name: &str, routes: Value) -> Self {
        let properties = Map::from_iter([("routes".to_owned(), routes)]);
        self.add("routeTables", json!({ "name": name, "properties": properties }))
    }

    /// A route table with one route of each family, on a subnet.
    #[must_use]
    pub fn route(
        self,
        (vnet, subnet): (&str, &str),
        prefixes: [&str; 2],
        kind: &str,
        hops: [&str; 2],
    ) -> Self {
        let routes = prefixes.iter().zip(hops).map(|(prefix, hop)| udr(prefix, kind, hop));
        self.table("udr", routes.collect()).attach("udr", vnet, subnet)
    }

    /// Attaches a route table to a subnet.
    #[must_use]
    pub fn attach(self, table: &str, vnet: &str, subnet: &str) -> Self {
        self.subnet_property(vnet, subnet, "routeTable", json!({ "id": table }))
    }

    /// A property of a subnet.
    #[must_use]
    pub fn subnet_property(
        mut self,
        vnet: &str,
        subnet: &str,
        property: &str,
        value: impl Into<Value>,
    ) -> Self {
        let subnets = self.properties("virtualNetworks", vnet)["subnets"].as_array_mut();
        let mut subnets = subnets.expect("a list of subnets").iter_mut();
        let subnet = subnets.find(|it| it["name"] == subnet).expect("the subnet exists");
        subnet["properties"][property] = value.into();
        self
    }

    /// A property of a NIC.
    #[must_use]
    pub fn nic(self, name: &str, property: &str, value: impl Into<Value>) -> Self {
        self.set("networkInterfaces", name, property, value)
    }

    /// A security group with these rules, on a NIC.
    #[must_use]
    pub fn group(self, nic: &str, rules: Value) -> Self {
        let name = format!("nsg-{nic}");
        let properties = Map::from_iter([("securityRules".to_owned(), rules)]);
        self.add("networkSecurityGroups", json!({ "name": name, "properties": properties })).nic(
            nic,
            "networkSecurityGroup",
            json!({ "id": name }),
        )
    }

    /// A property of a named resource.
    #[must_use]
    pub fn set(mut self, list: &str, name: &str, property: &str, value: impl Into<Value>) -> Self {
        self.properties(list, name).insert(property.to_owned(), value.into());
        self
    }

    /// A property of the deployment.
    #[must_use]
    pub fn deployment(mut self, property: &str, value: impl Into<Value>) -> Self {
        self.0["deployment"][property] = value.into();
        self
    }

    /// One more element of a list.
    #[must_use]
    pub fn add(mut self, list: &str, element: Value) -> Self {
        let list = self.0.entry(list).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(element);
        self
    }

    /// Without a named element of a list, which must be there.
    #[must_use]
    pub fn without(mut self, list: &str, name: &str) -> Self {
        let list = self.0[list].as_array_mut().expect("a list");
        let before = list.len();
        list.retain(|it| it["name"] != name);
        assert_eq!(list.len() + 1, before, "`{name}` exists once");
        self
    }

    /// Without a VNet and everything in it. Peerings that point at it stay, and name it by its ARM id:
    /// a short name would be taken for a mistake.
    #[must_use]
    pub fn without_vnet(mut self, name: &str) -> Self {
        let gone: Vec<&str> = NICS.iter().filter(|nic| nic.1 == name).map(|nic| nic.0).collect();
        for nic in gone {
            self = self.without("networkInterfaces", nic);
            for host in self.0["hosts"].as_array_mut().expect("hosts") {
                let nics = host["networkInterfaces"].as_array_mut().expect("its NICs");
                nics.retain(|it| it["name"] != nic);
            }
        }
        if let Some(peerings) =
            self.0.get_mut("virtualNetworkPeerings").and_then(Value::as_array_mut)
        {
            let owner = format!("{name}/");
            peerings.retain(|it| !it["name"].as_str().is_some_and(|it| it.starts_with(&owner)));
            for peering in peerings.iter_mut().map(|it| &mut it["properties"]) {
                if peering["remoteVirtualNetwork"]["id"] == name {
                    peering["remoteVirtualNetwork"]["id"] = arm_id("virtualNetworks", name).into();
                }
            }
        }
        self.without("virtualNetworks", name)
    }

    /// Whether there is a list of that name.
    pub fn has(&self, list: &str) -> bool {
        self.0.contains_key(list)
    }

    /// The kind of program on every NIC's interface.
    #[must_use]
    pub fn mode(mut self, mode: &str) -> Self {
        for host in self.0["hosts"].as_array_mut().expect("hosts") {
            for list in ["networkInterfaces", "gateways"] {
                let placed = host.get_mut(list).and_then(Value::as_array_mut);
                placed.into_iter().flatten().for_each(|it| it["mode"] = mode.into());
            }
        }
        self
    }

    /// The text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).expect("JSON")
    }

    fn properties(&mut self, list: &str, name: &str) -> &mut Map<String, Value> {
        let mut list = self.0[list].as_array_mut().expect("a list").iter_mut();
        let element = list.find(|it| it["name"] == name);
        let element = element.unwrap_or_else(|| panic!("`{name}` exists"));
        element["properties"].as_object_mut().expect("properties")
    }
}
