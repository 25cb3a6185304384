//! Properties of a peering as options of a command.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::topology::model::ResourceId;

/// Each is written as it is given, and left as it is if it is not.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct Flags {
    /// Whether the VNets may talk (default when made: true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_vnet_access: Option<bool>,
    /// Whether this VNet takes packets from the other that come from outside the other's own space
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_forwarded_traffic: Option<bool>,
    /// Whether the other VNet may use this VNet's gateway
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_gateway_transit: Option<bool>,
    /// Whether this VNet uses the other's gateway
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    use_remote_gateways: Option<bool>,
    /// Whether the other's gateway need not be there yet
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    do_not_verify_remote_gateways: Option<bool>,
    /// Whether the whole VNets are peered (default when made: true), or only subnets
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    peer_complete_vnets: Option<bool>,
    /// The subnets of this VNet that are peered
    #[arg(long, value_name = "SUBNET", num_args = 1..)]
    local_subnet_names: Option<Vec<String>>,
    /// The subnets of the other VNet that are peered
    #[arg(long, value_name = "SUBNET", num_args = 1..)]
    remote_subnet_names: Option<Vec<String>>,
    /// Whether only IPv6 prefixes are peered
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    enable_only_ipv6: Option<bool>,
}

impl Flags {
    /// The same for the other side: what is the one's is the other's remote.
    pub(super) fn mirrored(&self) -> Self {
        Self {
            allow_gateway_transit: self.use_remote_gateways.filter(|uses| *uses),
            use_remote_gateways: None,
            do_not_verify_remote_gateways: None,
            local_subnet_names: self.remote_subnet_names.clone(),
            remote_subnet_names: self.local_subnet_names.clone(),
            ..self.clone()
        }
    }

    /// The properties of a new object.
    pub(super) fn properties(&self, remote: &ResourceId) -> Map<String, Value> {
        let mut properties = Map::new();
        properties.insert("remoteVirtualNetwork".to_owned(), json!({ "id": remote }));
        self.set(&mut properties);
        properties
    }

    /// Writes what is given over what is there.
    pub(super) fn set(&self, properties: &mut Map<String, Value>) {
        let given = [
            ("allowVirtualNetworkAccess", self.allow_vnet_access.map(Value::from)),
            ("allowForwardedTraffic", self.allow_forwarded_traffic.map(Value::from)),
            ("allowGatewayTransit", self.allow_gateway_transit.map(Value::from)),
            ("useRemoteGateways", self.use_remote_gateways.map(Value::from)),
            ("doNotVerifyRemoteGateways", self.do_not_verify_remote_gateways.map(Value::from)),
            ("peerCompleteVnets", self.peer_complete_vnets.map(Value::from)),
            ("localSubnetNames", self.local_subnet_names.clone().map(Value::from)),
            ("remoteSubnetNames", self.remote_subnet_names.clone().map(Value::from)),
            ("enableOnlyIPv6Peering", self.enable_only_ipv6.map(Value::from)),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                properties.insert(name.to_owned(), value);
            }
        }
    }
}
