//! What a byte costs on its way: whose links it crosses, and at which price.

use vnetpeer_metering::{price::PriceBook, record::Direction};

use super::*;
use crate::topology::{
    meters::{CostError, cost},
    testing::{gateway::add_gateway, groups},
};

const GB: u64 = 1_000_000_000;
/// In November 2026.
const AT: i64 = 1_794_000_000;

fn book() -> PriceBook {
    PriceBook::read("prices.yaml", include_str!("../../../../examples/prices.yaml")).unwrap()
}

impl Simulated {
    /// VNet, link and meter of each charge for 1 GB, and all of it together.
    fn costs(&self, journey: &Journey) -> (Vec<String>, String) {
        let meters = journey.meters();
        let preview = cost(&self.topology, &self.state, meters, GB, &book(), AT).unwrap();
        let last = |id: &str| id.rsplit('/').next().unwrap().to_owned();
        let one = |it: &vnetpeer_metering::rating::preview::PreviewCharge| {
            let (vnet, link) = (last(&it.virtual_network), last(&it.resource));
            format!("{vnet} {link} {} {}", it.meter.name(), it.cost.normalize())
        };
        (preview.charges.iter().map(one).collect(), preview.cost.normalize().to_string())
    }

    /// The costs of the way from a NIC to an address.
    fn costs_to(&self, from: &str, to: &str) -> (Vec<String>, String) {
        let to = ip(to);
        let nic = self.topology.nics.iter().find(|it| it.id.name() == from).unwrap();
        let source = nic.addresses.iter().find(|it| it.is_ipv4() == to.is_ipv4()).unwrap();
        let packet = Packet::request(Protocol::Tcp, *source, to, 443);
        self.costs(&Session::new(&self.network).send(self.nic(from), &packet))
    }
}

/// Names of links and meters, and the total, of each way.
#[test]
fn every_link_on_the_way_bills_the_byte_once_at_each_end() {
    let mut inside = hub_and_spokes();
    inside.nics.push(nic("db", 1, 1, &["10.1.0.9", "fd00:1::9"]));
    let mut abroad = hub_and_spokes();
    abroad.vnets[0].location = "Brazil South".into();
    let mut site = hub_and_spokes();
    add_gateway(&mut site, 0, &["10.0.0.20", "fd00::20"], &["192.168.0.0/16", "fd00:c0::/48"]);
    site.peerings[0].allow_gateway_transit = true;
    site.peerings[1].use_remote_gateways = true;
    let mut mesh = hub_and_spokes();
    mesh.peerings.clear();
    mesh.connected_groups.push(groups::group("mesh", &[1, 2]));
    let intra = |of: &str, way: &str| format!("{of} Intra-Region {way} 0.01");
    for (name, topology, to, charges, total) in [
        ("within a VNet", inside, ["10.1.0.9", "fd00:1::9"], vec![], "0"),
        (
            "over one peering",
            hub_and_spokes(),
            ["10.0.0.4", "fd00::4"],
            vec![intra("spoke1 to-hub", "Egress"), intra("hub to-spoke1", "Ingress")],
            "0.02",
        ),
        (
            "through an appliance",
            chained(),
            ["10.2.0.4", "fd00:2::4"],
            vec![
                intra("spoke1 to-hub", "Egress"),
                intra("hub to-spoke1", "Ingress"),
                intra("hub to-spoke2", "Egress"),
                intra("spoke2 to-hub", "Ingress"),
            ],
            "0.04",
        ),
        (
            "between regions",
            abroad,
            ["10.0.0.4", "fd00::4"],
            vec![
                "spoke1 to-hub Inter-Region Egress 0.035".to_owned(),
                "hub to-spoke1 Inter-Region Ingress 0.16".to_owned(),
            ],
            "0.195",
        ),
        (
            "by the hub's gateway, for which only the spoke pays",
            site,
            ["192.168.0.9", "fd00:c0::9"],
            vec![intra("spoke1 to-hub", "Egress")],
            "0.01",
        ),
        (
            "in a connected group",
            mesh,
            ["10.2.0.4", "fd00:2::4"],
            vec![intra("spoke1 regional", "Egress"), intra("spoke2 regional", "Ingress")],
            "0.02",
        ),
    ] {
        let it = simulated(&topology);
        for to in to {
            assert_eq!(
                it.costs_to("web1", to),
                (charges.clone(), total.to_owned()),
                "{name}: {to}"
            );
        }
    }
}

#[test]
fn the_answer_is_billed_by_the_same_links_the_other_way_round() {
    let it = simulated(&chained());
    let exchange = it.connect("web1", "web2", 80, true);
    let mut there: Vec<_> = exchange.request.meters().collect();
    let back: Vec<_> = exchange.answer.as_ref().unwrap().meters().collect();
    there.reverse();
    for (meter, answer) in there.iter_mut().zip(&back) {
        meter.1 = match meter.1 {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        assert_eq!(meter, answer);
    }
    assert_eq!(there.len(), back.len());
}

#[test]
fn a_path_of_another_document_has_no_cost() {
    let it = simulated(&chained());
    let journey = it.connect("web1", "web2", 80, true).request;
    let mut other = it.topology.clone();
    other.peerings.clear();
    let result = cost(&other, &it.state, journey.meters(), GB, &book(), AT);
    assert!(matches!(result, Err(CostError::UnknownLink(_))), "{result:?}");
}
