//! Who reaches whom, computed from the document's text by naive means: what Azure's pages say, word
//! by word, over the properties as written. It shares no code with the reader or the compiler of
//! documents, so that a mistake there does not hide itself here.
//!
//! A packet is followed from NIC to NIC. At each one:
//!
//! - the longest prefix of the subnet's user-defined routes and of the system routes decides, and a
//!   user-defined one wins over a system route of the same prefix;
//! - system routes are the VNet's own address space, and that of every VNet with which a peering
//!   object exists on *both* sides;
//! - both sides must allow access, and a packet whose source is outside of the sending VNet needs
//!   `allowForwardedTraffic` on the receiving side;
//! - a NIC without `enableIPForwarding` takes only what is for its own addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

/// A packet that has passed this many NICs runs in a circle.
const HOPS_MAX: usize = 8;

/// A document as values without meaning.
#[derive(Debug)]
pub struct Oracle {
    document: Value,
}

/// What the oracle knows about a NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleNic {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    vnet: String,
    subnet: String,
    forwards: bool,
}

impl Oracle {
    /// Reads a document.
    pub fn new(text: &str) -> Self {
        Self { document: serde_saphyr::from_str(text).expect("the document is YAML") }
    }

    /// All NICs whose addresses are all given.
    pub fn nics(&self) -> Vec<OracleNic> {
        list(&self.document["networkInterfaces"]).map(|nic| self.nic(nic)).collect()
    }

    /// Whether a connection from `from` to an address of `to` works.
    pub fn reaches(&self, from: &OracleNic, to: &OracleNic, destination: IpAddr) -> bool {
        let family = |it: &&IpAddr| it.is_ipv4() == destination.is_ipv4();
        let Some(source) = from.addresses.iter().find(family) else { return false };
        self.arrives(from, to, *source, destination) && self.arrives(to, from, destination, *source)
    }

    fn nic(&self, nic: &Value) -> OracleNic {
        let properties = &nic["properties"];
        let configurations: Vec<&Value> = list(&properties["ipConfigurations"]).collect();
        let subnet = text(&configurations[0]["properties"]["subnet"]["id"]);
        let address = |it: &&Value| text(&it["properties"]["privateIPAddress"]).parse();
        let (vnet, subnet) = self.place(&subnet);
        OracleNic {
            name: text(&nic["name"]),
            addresses: configurations
                .iter()
                .map(address)
                .collect::<Result<_, _>>()
                .expect("addresses"),
            vnet,
            subnet,
            forwards: properties["enableIPForwarding"] == true,
        }
    }

    /// VNet and subnet of `vnet/subnet`, or of a subnet's name that only one VNet has.
    fn place(&self, subnet: &str) -> (String, String) {
        if let Some((vnet, subnet)) = subnet.split_once('/') {
            return (vnet.to_owned(), subnet.to_owned());
        }
        let mut vnets = list(&self.document["virtualNetworks"])
            .filter(|vnet| list(&vnet["properties"]["subnets"]).any(|it| it["name"] == subnet));
        (text(&vnets.next().expect("a VNet has the subnet")["name"]), subnet.to_owned())
    }

    fn arrives(
        &self,
        from: &OracleNic,
        to: &OracleNic,
        source: IpAddr,
        destination: IpAddr,
    ) -> bool {
        let mut at = from.clone();
        for _ in 0..HOPS_MAX {
            if at.addresses.contains(&destination) {
                return at == *to;
            }
            if at != *from && !at.forwards {
                return false;
            }
            let Some(next) = self.next_hop(&at, destination) else { return false };
            if next.vnet != at.vnet && !self.admits(&next.vnet, &at.vnet, source) {
                return false;
            }
            at = next;
        }
        false
    }

    /// The NIC that the routes of `at` lead to.
    fn next_hop(&self, at: &OracleNic, destination: IpAddr) -> Option<OracleNic> {
        let mut best: Option<(u8, bool, Option<OracleNic>)> = None;
        let mut offer = |prefix: IpNet, user: bool, hop: Option<OracleNic>| {
            let better = best.as_ref().is_none_or(|it| (prefix.prefix_len(), user) > (it.0, it.1));
            if prefix.contains(&destination) && better {
                best = Some((prefix.prefix_len(), user, hop));
            }
        };
        for prefix in self.space(&at.vnet) {
            offer(prefix, false, self.owner(&at.vnet, destination));
        }
        for peer in self.peers(&at.vnet) {
            for prefix in self.space(&peer) {
                offer(prefix, false, self.owner(&peer, destination));
            }
        }
        for route in self.user_routes(at) {
            let properties = &route["properties"];
            let hop = match text(&properties["nextHopType"]).as_str() {
                "VirtualAppliance" => {
                    let address =
                        text(&properties["nextHopIpAddress"]).parse().expect("an address");
                    let mut vnets = self.peers(&at.vnet);
                    vnets.push(at.vnet.clone());
                    vnets.iter().find_map(|vnet| self.owner(vnet, address))
                }
                "VnetLocal" => self.owner(&at.vnet, destination),
                _ => None,
            };
            offer(prefix(&properties["addressPrefix"]), true, hop);
        }
        best?.2
    }

    fn user_routes(&self, at: &OracleNic) -> Vec<&Value> {
        let vnet = named(&self.document["virtualNetworks"], &at.vnet);
        let subnet = named(&vnet["properties"]["subnets"], &at.subnet);
        let table = text(&subnet["properties"]["routeTable"]["id"]);
        let tables = list(&self.document["routeTables"]).filter(|it| text(&it["name"]) == table);
        tables.flat_map(|table| list(&table["properties"]["routes"])).collect()
    }

    fn owner(&self, vnet: &str, address: IpAddr) -> Option<OracleNic> {
        self.nics().into_iter().find(|nic| nic.vnet == vnet && nic.addresses.contains(&address))
    }

    fn space(&self, vnet: &str) -> Vec<IpNet> {
        let vnet = named(&self.document["virtualNetworks"], vnet);
        list(&vnet["properties"]["addressSpace"]["addressPrefixes"]).map(prefix).collect()
    }

    /// The peering object of `vnet` towards `remote`.
    fn peering(&self, vnet: &str, remote: &str) -> Option<&Value> {
        list(&self.document["virtualNetworkPeerings"]).find(|it| {
            text(&it["name"]).split_once('/').is_some_and(|(owner, _)| owner == vnet)
                && it["properties"]["remoteVirtualNetwork"]["id"] == remote
        })
    }

    /// VNets that are peered from both sides and may be talked to from this one.
    fn peers(&self, vnet: &str) -> Vec<String> {
        let vnets = list(&self.document["virtualNetworks"]).map(|it| text(&it["name"]));
        let peered = vnets.filter(|remote| self.peering(remote, vnet).is_some());
        peered.filter(|remote| self.peering(vnet, remote).is_some_and(allows_access)).collect()
    }

    /// Whether VNet `vnet` lets in what a NIC of VNet `from` sends.
    fn admits(&self, vnet: &str, from: &str, source: IpAddr) -> bool {
        self.peering(vnet, from).is_some_and(|peering| {
            let own = self.space(from).iter().any(|prefix| prefix.contains(&source));
            allows_access(peering)
                && (own || peering["properties"]["allowForwardedTraffic"] == true)
        })
    }
}

fn allows_access(peering: &Value) -> bool {
    peering["properties"]["allowVirtualNetworkAccess"] != false
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn named<'a>(values: &'a Value, name: &str) -> &'a Value {
    list(values).find(|it| it["name"] == name).unwrap_or_else(|| panic!("nothing is named {name}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn prefix(value: &Value) -> IpNet {
    text(value).parse().expect("a prefix")
}
