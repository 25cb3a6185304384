//! Resources in ARM's shape.

use serde_json::{Value, json};

use super::{NICS, VNETS};

/// The ARM id of a resource of these documents.
pub fn arm_id(kind: &str, name: &str) -> String {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer";
    format!("{group}/providers/Microsoft.Network/{kind}/{name}")
}

/// A user-defined route; the address is left out where it is empty.
pub(in crate::azure) fn udr(prefix: &str, kind: &str, hop: &str) -> Value {
    let name = prefix.replace([':', '/', '.'], "-");
    let mut properties = json!({ "addressPrefix": prefix, "nextHopType": kind });
    if !hop.is_empty() {
        properties["nextHopIpAddress"] = hop.into();
    }
    json!({ "name": format!("r{name}x"), "properties": properties })
}

pub(super) fn vnet(place: u8, (name, subnets): (&str, [&str; 2])) -> Value {
    let subnets: Vec<Value> = (1_u8..)
        .zip(subnets)
        .map(|(third, subnet)| {
            let prefixes =
                [format!("10.{place}.{third}.0/24"), format!("fd00:{place}:0:{third}::/64")];
            json!({ "name": subnet, "properties": { "addressPrefixes": prefixes } })
        })
        .collect();
    let space = [format!("10.{place}.0.0/16"), format!("fd00:{place}::/48")];
    let properties = json!({ "addressSpace": { "addressPrefixes": space }, "subnets": subnets });
    json!({ "name": name, "properties": properties })
}

pub(super) fn nic((name, vnet, subnet, last, _): (&str, &str, &str, u8, &str)) -> Value {
    let (place, (_, subnets)) = (0_u8..).zip(VNETS).find(|(_, it)| it.0 == vnet).expect("a VNet");
    let third = 1 + subnets.iter().position(|it| *it == subnet).expect("a subnet");
    let configuration = |name: &str, address: String| {
        let subnet = json!({ "id": format!("{vnet}/{subnet}") });
        json!({ "name": name, "properties": { "subnet": subnet, "privateIPAddress": address } })
    };
    let configurations = [
        configuration("v4", format!("10.{place}.{third}.{last}")),
        configuration("v6", format!("fd00:{place}:0:{third}::{last}")),
    ];
    let forwards = name.starts_with("nva");
    let properties = json!({ "enableIPForwarding": forwards, "ipConfigurations": configurations });
    json!({ "name": name, "properties": properties })
}

pub(super) fn host((number, name): (u8, &str)) -> Value {
    let addresses = [format!("192.0.2.{number}"), format!("2001:db8::{number}")];
    let nics = NICS.iter().filter(|nic| nic.4 == name).map(|nic| json!({ "name": nic.0 }));
    json!({
        "name": name,
        "underlay": { "interface": "eth0", "addresses": addresses },
        "networkInterfaces": nics.collect::<Vec<Value>>(),
    })
}
