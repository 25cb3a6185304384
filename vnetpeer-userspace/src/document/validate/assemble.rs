//! From drafts without errors to the model.

use hashbrown::HashMap;

use super::{
    super::{decode::Spanned, types::Deployment},
    Connections,
    application_group::ApplicationGroups,
    gateway::{GatewayDraft, Gateways},
    host::{HostDraft, Hosts},
    load_balancer::LoadBalancers,
    manager::AdminRulesDraft,
    nic::Nics,
    peering::{OrphanDraft, PeeringDraft},
    placement::Placements,
    route::{TableDraft, Tables},
    security_group::{SecurityGroupDraft, SecurityGroups},
    vnet::{VnetDraft, Vnets},
};
use crate::topology::model::{
    AdminRules, ApplicationSecurityGroup, ApplicationSecurityGroupIndex, Connection, Gateway,
    GatewayType, Host, HostIndex, Nic, NicIndex, OrphanPeering, Peering, PeeringIndex, Permissions,
    ResourceId, RouteTable, RouteTableIndex, SecurityGroup, SecurityGroupIndex, Subnet,
    SubnetIndex, Topology, Uplink, Vnet, VnetIndex,
};

/// Everything that the rules were applied to.
pub(super) struct Drafts {
    pub(super) tables: Tables,
    pub(super) vnets: Vnets,
    pub(super) connections: Connections,
    pub(super) nics: Nics,
    pub(super) gateways: Gateways,
    pub(super) balancers: LoadBalancers,
    pub(super) security_groups: SecurityGroups,
    pub(super) application_groups: ApplicationGroups,
    pub(super) hosts: Hosts,
    pub(super) placements: Placements,
    pub(super) permissions: Permissions,
}

/// Builds the topology. `None` if a draft lacks something, which only an error can cause.
pub(super) fn assemble(deployment: Option<&Deployment>, drafts: Drafts) -> Option<Topology> {
    let Connections { peerings, managers, connected_groups, admin_rules } = drafts.connections;
    let Drafts { tables, vnets, nics, hosts, mut placements, .. } = drafts;
    let gateways = drafts.gateways.list.into_iter();
    let gateways = gateways.map(|draft| gateway(draft, &mut placements)).collect::<Option<_>>()?;
    let security_groups = drafts.security_groups.list.into_iter();
    let application_groups = drafts.application_groups.list.into_iter();
    let name = deployment.and_then(|it| it.name.as_ref());
    let set = |flag: Option<&Spanned<bool>>, default| flag.map_or(default, |it| it.value);
    Some(Topology {
        name: name.map_or_else(|| "default".to_owned(), |it| it.value.clone()),
        auto_sync: set(deployment.and_then(|it| it.auto_sync.as_ref()), true),
        wire: set(deployment.and_then(|it| it.wire.as_ref()), false),
        hosts: hosts.list.into_iter().map(|draft| host(draft, &vnets)).collect::<Option<_>>()?,
        gateways,
        nics: assemble_nics(nics, placements)?,
        vnets: vnets.list.into_iter().map(vnet).collect(),
        peerings: assemble_peerings(peerings.list),
        orphans: peerings.orphans.into_iter().map(orphan).collect(),
        network_managers: managers.into_iter().map(|it| it.manager).collect(),
        connected_groups,
        load_balancers: drafts.balancers.assemble()?,
        route_tables: tables.list.into_iter().map(route_table).collect(),
        security_groups: security_groups.map(security_group).collect(),
        application_security_groups: application_groups
            .map(|draft| ApplicationSecurityGroup { id: draft.named.id })
            .collect(),
        admin_rules: admin_rules.into_iter().map(assemble_admin_rules).collect(),
        permissions: drafts.permissions,
    })
}

fn host(draft: HostDraft, vnets: &Vnets) -> Option<Host> {
    let name = draft.name;
    let uplinks = draft.uplinks.into_iter().map(|uplink| {
        let vnet = &vnets.list.get(uplink.vnet)?.named.id;
        Some(Uplink {
            id: ResourceId::new(format!("{vnet}/internetUplinks/{name}")),
            vnet: VnetIndex(uplink.vnet),
            interface: uplink.interface,
            mac: uplink.mac,
        })
    });
    Some(Host {
        uplinks: uplinks.collect::<Option<_>>()?,
        underlay_interface: draft.underlay_interface?.value.0,
        underlay_addresses: draft.underlay_addresses.into_iter().map(|it| it.value).collect(),
        underlay_mode: draft.underlay_mode,
        name,
    })
}

fn vnet(draft: VnetDraft) -> Vnet {
    let subnets = draft.subnets.into_iter().map(|subnet| Subnet {
        id: subnet.named.id,
        prefixes: subnet.prefixes.into_iter().map(|it| it.value).collect(),
        route_table: subnet.route_table.map(RouteTableIndex),
        security_group: subnet.security_group.map(SecurityGroupIndex),
    });
    Vnet {
        id: draft.named.id,
        location: draft.location,
        tags: draft.tags,
        address_space: draft.space.into_iter().map(|it| it.value).collect(),
        subnets: subnets.collect(),
        classic: draft.classic,
        flow_timeout_minutes: draft.flow_timeout_minutes,
    }
}

fn gateway(draft: GatewayDraft, placements: &mut Placements) -> Option<Gateway> {
    let namespace = placements.get_mut(draft.nic).and_then(|it| it.network_namespace.take());
    let gateway_type = draft.gateway_type?;
    let connections = draft.connections.into_iter();
    Some(Gateway {
        id: draft.named.id,
        gateway_type,
        sku: draft.sku,
        vnet: VnetIndex(draft.vnet?),
        nic: NicIndex(draft.nic),
        connections: connections
            .map(|it| Connection { id: it.named.id, remote: it.remote })
            .collect(),
        bgp: draft.has_bgp_connection || gateway_type == GatewayType::ExpressRoute,
        asn: draft.asn,
        allow_remote_vnet_traffic: draft.allow_remote_vnet_traffic,
        network_namespace: namespace,
    })
}

fn assemble_nics(nics: Nics, mut placements: Placements) -> Option<Vec<Nic>> {
    let drafts = nics.list.into_iter().enumerate();
    let built = drafts.map(|(index, draft)| {
        let placement = placements.take(index)?;
        let (vnet, subnet) = draft.place?;
        Some(Nic {
            id: draft.named.id,
            vnet: VnetIndex(vnet),
            subnet: SubnetIndex(subnet),
            addresses: draft.addresses,
            enable_ip_forwarding: draft.enable_ip_forwarding,
            security_group: draft.security_group.map(SecurityGroupIndex),
            application_security_groups: draft
                .application_groups
                .into_iter()
                .map(ApplicationSecurityGroupIndex)
                .collect(),
            disable_tcp_state_tracking: draft.disable_tcp_state_tracking,
            mac: draft.mac,
            outbound_bits_per_second: placement.outbound_bits_per_second,
            host: HostIndex(placement.host),
            interface: placement.interface,
            mode: placement.mode,
        })
    });
    built.collect()
}

fn assemble_peerings(drafts: Vec<PeeringDraft>) -> Vec<Peering> {
    let indices: HashMap<(usize, usize), usize> =
        drafts.iter().enumerate().map(|(index, it)| ((it.vnet, it.remote), index)).collect();
    let built = drafts.into_iter().map(|draft| Peering {
        reverse: indices.get(&(draft.remote, draft.vnet)).copied().map(PeeringIndex),
        id: draft.named.id,
        vnet: VnetIndex(draft.vnet),
        remote: VnetIndex(draft.remote),
        allow_virtual_network_access: draft.allow_virtual_network_access,
        allow_forwarded_traffic: draft.allow_forwarded_traffic,
        allow_gateway_transit: draft.allow_gateway_transit,
        use_remote_gateways: draft.use_remote_gateways,
        do_not_verify_remote_gateways: draft.do_not_verify_remote_gateways,
        scope: draft.scope,
        enable_only_ipv6: draft.enable_only_ipv6,
        managed_by: draft.managed_by,
    });
    built.collect()
}

fn orphan(draft: OrphanDraft) -> OrphanPeering {
    let (id, vnet) = (draft.named.id, VnetIndex(draft.vnet));
    OrphanPeering { id, vnet, properties: draft.properties }
}

fn route_table(draft: TableDraft) -> RouteTable {
    RouteTable {
        id: draft.named.id,
        routes: draft.routes.into_iter().map(|draft| draft.route).collect(),
        disable_bgp_route_propagation: draft.disable_bgp_route_propagation,
        disable_peering_routes: draft.disable_peering_routes,
    }
}

fn security_group(draft: SecurityGroupDraft) -> SecurityGroup {
    SecurityGroup {
        id: draft.named.id,
        rules: draft.rules.into_iter().map(|draft| draft.rule).collect(),
        flush_connection: draft.flush_connection,
    }
}

fn assemble_admin_rules(draft: AdminRulesDraft) -> AdminRules {
    AdminRules { id: draft.id, vnets: draft.vnets, rules: draft.rules }
}
