//! Pictures of small and large networks.

use super::*;
use crate::topology::{
    model::{ConnectedGroup, Topology, VnetIndex},
    network::Network,
    state::{State, advance},
    testing::{hub_and_spokes, resource, vnet},
};

fn draw(topology: &Topology) -> Picture {
    let state = advance(&State::default(), topology).unwrap();
    let rates = BTreeMap::from([(topology.peerings[0].id.clone(), 1_250_000)]);
    Picture::new(&Network::new(topology, &state).unwrap(), &rates)
}

/// A hub and as many spokes.
fn star(spokes: usize) -> Topology {
    let mut topology = hub_and_spokes();
    for index in 3..=spokes {
        let (high, low) = (index / 250, index % 250);
        topology
            .vnets
            .push(vnet(&format!("spoke{index}"), &[&format!("10.{}.{low}.0/24", high + 100)]));
        topology.peer(0, index);
    }
    topology
}

#[test]
fn each_pair_of_peerings_is_one_line() {
    let picture = draw(&hub_and_spokes());
    let titles: Vec<&str> = picture.nodes.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(titles, ["hub", "spoke1", "spoke2"]);
    assert_eq!(picture.edges.len(), 2);
    assert!(picture.edges.iter().all(|it| it.kind == EdgeKind::Connected && it.from == 0));
    assert_eq!(picture.edges[0].label, "10 Mbit/s");
    assert_eq!(picture.nodes[1].parts[0].items, ["web1 10.1.0.4 on host0"]);
}

#[test]
fn a_peering_with_one_side_is_told_from_a_connected_one() {
    let mut topology = hub_and_spokes();
    topology.vnets.push(vnet("spoke3", &["10.3.0.0/16"]));
    topology.peer_one_way(0, 3);
    let picture = draw(&topology);
    let half = picture.edges.iter().find(|it| it.to == 3).unwrap();
    assert_eq!((half.kind, half.label.as_str()), (EdgeKind::NotConnected, "Initiated"));
}

#[test]
fn a_connected_group_has_a_line_for_each_member() {
    let mut topology = star(30);
    topology.vnets.iter_mut().for_each(|it| it.location = it.id.name().to_owned());
    let members = (1..=30).map(VnetIndex).collect();
    let id = resource("networkManagers/nm/connectivityConfigurations", "mesh");
    topology.connected_groups.push(ConnectedGroup { id, members });
    let picture = draw(&topology);
    assert_eq!(picture.edges.iter().filter(|it| it.kind == EdgeKind::Member).count(), 30);
}

#[test]
fn hundreds_of_alike_spokes_are_one_box() {
    let picture = draw(&star(300));
    let titles: Vec<&str> = picture.nodes.iter().map(|it| it.title.as_str()).collect();
    // The first two have NICs, so they are not like the others.
    assert_eq!(titles, ["hub", "spoke1", "spoke2", "spoke3 … spoke300 (298)"]);
    assert_eq!(picture.nodes[3].count, 298);
    assert_eq!(picture.edges.len(), 3);
    assert_eq!(picture.nodes[3].notes, ["10.100.3.0/24 … 10.101.50.0/24"]);
}

#[test]
fn every_box_and_every_line_is_drawn_by_all_three() {
    let picture = draw(&hub_and_spokes());
    let (svg, mermaid, dot) = (svg::draw(&picture), mermaid::draw(&picture), dot::draw(&picture));
    for text in ["hub", "spoke1", "spoke2", "web1 10.1.0.4 on host0", "10 Mbit/s"] {
        assert!(svg.contains(text) && mermaid.contains(text) && dot.contains(text), "{text}");
    }
    assert_eq!(svg.matches("<path").count(), 2);
    assert_eq!(mermaid.matches("<-->").count(), 2);
    assert_eq!(dot.matches(" -- ").count(), 2);
}

#[test]
fn no_two_boxes_of_an_svg_overlap() {
    for topology in [hub_and_spokes(), star(20), star(300)] {
        let picture = draw(&topology);
        let (places, width, height) = layout::place(&picture);
        for (index, a) in places.iter().enumerate() {
            assert!(a.x + a.width <= width && a.y + a.height <= height, "{a:?}");
            for b in &places[index + 1..] {
                let apart = a.x + a.width <= b.x
                    || b.x + b.width <= a.x
                    || a.y + a.height <= b.y
                    || b.y + b.height <= a.y;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn texts_cannot_break_out_of_the_picture() {
    let mut picture = draw(&hub_and_spokes());
    picture.nodes[0].title = "<b>\"a&b\"\\".to_owned();
    assert!(svg::draw(&picture).contains("&lt;b&gt;\"a&amp;b\"\\"));
    assert!(mermaid::draw(&picture).contains("&lt;b&gt;&quot;a&amp;b&quot;"));
    assert!(dot::draw(&picture).contains("<b>\\\"a&b\\\"\\\\"));
}
