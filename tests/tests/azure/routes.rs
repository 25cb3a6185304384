//! Effective routes of a NIC in Azure's JSON shape.

use serde_json::json;
use vnetpeer_tests::azure::{Document, Learned};
use vnetpeer_userspace::{
    document::Loaded,
    topology::{
        facts::NetworkFacts,
        model::GatewayIndex,
        network::Network,
        routes::{advertised, effective_routes},
        state::State,
    },
};

use super::{id, load, run, state};

mod gateways;
mod managers;
mod tables;

/// A network and routes of one of its NICs.
pub(crate) struct RouteCase {
    pub(crate) rule: &'static str,
    pub(crate) name: &'static str,
    document: fn() -> Document,
    learned: Learned,
    nic: &'static str,
    rows: Rows,
}

/// Rows are `source state prefix type addresses`, as far as there are addresses.
enum Rows {
    /// Exactly these, in any order.
    All(&'static [&'static str]),
    /// These at least, and none with these prefixes and types.
    Some(&'static [&'static str], &'static [&'static str]),
    /// Not the routes: the prefixes that the hub's gateway tells its other side.
    Advertised(&'static [&'static str]),
}

const fn case(
    rule: &'static str,
    name: &'static str,
    document: fn() -> Document,
    nic: &'static str,
    rows: Rows,
) -> RouteCase {
    RouteCase { rule, name, document, learned: &[], nic, rows }
}

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static RouteCase> {
    tables::SYSTEM
        .iter()
        .chain(tables::USER)
        .chain(gateways::CASES)
        .chain(tables::PEERING)
        .chain(managers::CASES)
}

/// The effective routes of a NIC as rows.
pub(crate) fn rows(
    loaded: &Loaded,
    state: &State,
    learned: Learned,
    nic: &str,
) -> Result<Vec<String>, String> {
    let mut facts = NetworkFacts::default();
    for (gateway, prefix) in learned {
        let gateway = facts.learned.entry(id("virtualNetworkGateways", gateway)).or_default();
        gateway.insert(prefix.parse().expect("a prefix"));
    }
    let topology = &loaded.topology;
    let network = Network::new(topology, state).map_err(|error| error.to_string())?;
    let network = network.with_facts(&facts);
    let nic = topology.nics.iter().find(|it| it.id.name() == nic).expect("the NIC exists");
    let subnet = topology.subnet(nic.vnet, nic.subnet).expect("its subnet");
    let routes = effective_routes(&network, nic.vnet, subnet.route_table).expect("routes");
    let routes = serde_json::to_value(routes.to_azure()).expect("JSON");
    Ok(routes.as_array().expect("a list").iter().map(row).collect())
}

fn row(route: &serde_json::Value) -> String {
    let text = |name: &str| route[name].as_str().expect("a string").to_owned();
    let list = |name: &str| {
        let list = route[name].as_array().expect("a list").iter();
        list.map(|it| it.as_str().expect("a string").to_owned()).collect::<Vec<_>>().join(",")
    };
    let words = [
        text("source"),
        text("state"),
        list("addressPrefix"),
        text("nextHopType"),
        list("nextHopIpAddress"),
    ];
    words.join(" ").trim_end().to_owned()
}

fn check(case: &RouteCase) -> Result<(), String> {
    let loaded = load(&(case.document)())?;
    let mut seen = rows(&loaded, &state(&loaded)?, case.learned, case.nic)?;
    seen.sort_unstable();
    match case.rows {
        Rows::Advertised(expected) => {
            let state = state(&loaded)?;
            let network = Network::new(&loaded.topology, &state).map_err(|it| it.to_string())?;
            let seen: Vec<_> =
                advertised(&network, GatewayIndex(0)).iter().map(ToString::to_string).collect();
            (seen == expected).then_some(()).ok_or_else(|| format!("{seen:?} and not {expected:?}"))
        }
        Rows::All(expected) => {
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            (seen == expected).then_some(()).ok_or_else(|| {
                format!(
                    "{} has\n  {}\nand not\n  {}",
                    case.nic,
                    seen.join("\n  "),
                    expected.join("\n  ")
                )
            })
        }
        Rows::Some(there, absent) => {
            let missing: Vec<_> =
                there.iter().filter(|row| !seen.iter().any(|it| it == *row)).collect();
            let is_absent =
                |part: &&&str| !seen.iter().any(|row| row.contains(&format!(" {part}")));
            let present: Vec<_> = absent.iter().filter(|part| !is_absent(part)).collect();
            (missing.is_empty() && present.is_empty()).then_some(()).ok_or_else(|| {
                format!(
                    "{} has\n  {}\nmissing {missing:?}, too many {present:?}",
                    case.nic,
                    seen.join("\n  ")
                )
            })
        }
    }
}

#[test]
fn routes_are_azures() {
    run(all(), |case| (case.rule, case.name), check);
}

/// The whole shape of a route, with everything that Azure's answer has.
#[test]
fn a_route_has_azures_properties() {
    let loaded = load(&Document::hub_and_spokes()).expect("a document");
    let state = state(&loaded).expect("a state");
    let network = Network::new(&loaded.topology, &state).expect("a network");
    let nic = loaded.topology.nics.iter().find(|it| it.id.name() == "one1").expect("a NIC");
    let routes = effective_routes(&network, nic.vnet, None).expect("routes").to_azure();
    let peering = routes.iter().find(|it| it.next_hop_type == "VNetPeering").expect("a peering");
    assert_eq!(
        serde_json::to_value(peering).expect("JSON"),
        json!({
            "disableBgpRoutePropagation": false, "source": "Default", "state": "Active",
            "addressPrefix": ["10.0.0.0/16"], "nextHopType": "VNetPeering",
            "nextHopIpAddress": [], "hasBgpOverride": false, "destinationServiceTags": [],
            "tagMap": {},
        })
    );
}
