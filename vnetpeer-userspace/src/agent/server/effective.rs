//! Effective routes and security rules of one NIC, for those too who cannot read what they come from, as in
//! Azure.

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{Context, Failure, ask, guard::Guard};
use crate::{
    agent::{
        access::{EFFECTIVE_GROUPS, EFFECTIVE_ROUTES, require, rights},
        api::NicQuery,
        peer::Peer,
        task::{Command, chain},
    },
    explanation::ErrorCode,
    topology::{
        effective_security::effective_security, model::Nic, network::Network,
        routes::effective_routes,
    },
};

/// Azure's answer to `effectiveRouteTable`.
pub(super) async fn routes(
    State(context): State<Context>,
    Extension(guard): Extension<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(query): Json<NicQuery>,
) -> Result<Response, Failure> {
    let of = |network: &Network<'_>, nic: &Nic| {
        let subnet = network.topology.subnet(nic.vnet, nic.subnet);
        let table = subnet.and_then(|subnet| subnet.route_table);
        let routes = effective_routes(network, nic.vnet, table);
        json!({ "value": routes.map(|it| it.to_azure()).unwrap_or_default() })
    };
    answer(&context, &guard, &peer, &query, EFFECTIVE_ROUTES, of).await
}

/// Azure's answer to `effectiveNetworkSecurityGroups`.
pub(super) async fn groups(
    State(context): State<Context>,
    Extension(guard): Extension<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(query): Json<NicQuery>,
) -> Result<Response, Failure> {
    let of =
        |network: &Network<'_>, nic: &Nic| json!({ "value": effective_security(network, nic) });
    answer(&context, &guard, &peer, &query, EFFECTIVE_GROUPS, of).await
}

async fn answer(
    context: &Context,
    guard: &Guard,
    peer: &Peer,
    query: &NicQuery,
    action: &str,
    of: impl FnOnce(&Network<'_>, &Nic) -> serde_json::Value,
) -> Result<Response, Failure> {
    let facts = ask(context, Command::Deployment).await?.facts;
    let deployment = guard.deployment();
    let topology = deployment.topology();
    let rights = rights(&topology.permissions, peer);
    let is = |it: &&Nic| {
        let name = &query.network_interface;
        it.id.as_str().eq_ignore_ascii_case(name) || it.id.name().eq_ignore_ascii_case(name)
    };
    let Some(nic) = topology.nics.iter().find(is) else {
        // Whether there is such a NIC is told to those only who could read it.
        require(&rights, action, "/").map_err(|denial| guard.refuse(&rights, &denial))?;
        let message = format!("there is no network interface `{}`", query.network_interface);
        return Err(Failure::bad_request(ErrorCode::ResourceNotFound, message));
    };
    if let Err(denial) = require(&rights, action, nic.id.as_str()) {
        return Err(guard.refuse(&rights, &denial));
    }
    let network = Network::new(topology, deployment.state());
    let network = network.map_err(|error| Failure::internal(chain(&error)))?.with_facts(&facts);
    Ok(Json(of(&network, nic)).into_response())
}
