//! `vnetpeer gateway list` and `show`, with what the gateways' hosts know besides.

use serde_json::Value;

use super::{
    Exit, Global, exit_of,
    network::{self, Command, Kind, text},
    output::{self, Rows},
    target::Target,
};
use crate::agent::api::GatewayStatus;

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let from = command.from();
    let mut all = network::read(Kind::Gateway, from, global).await?;
    if from.file.is_none() {
        let statuses = statuses(&global.target).await?;
        for gateway in &mut all {
            add(gateway, &statuses);
        }
    }
    network::print(Kind::Gateway, command, all, global)
}

/// What hosts say of their gateways; nothing of a host that may not be read.
async fn statuses(target: &Target) -> anyhow::Result<Vec<GatewayStatus>> {
    let mut statuses = Vec::new();
    for client in target.clients()? {
        match client.status().await.map_err(anyhow::Error::from) {
            Err(error) if exit_of(&error) == Exit::Denied => {}
            status => statuses.extend(status?.gateways),
        }
    }
    Ok(statuses)
}

fn add(gateway: &mut Value, statuses: &[GatewayStatus]) {
    let id = text(gateway, "/id");
    let status = statuses.iter().find(|it| it.gateway.eq_ignore_ascii_case(&id));
    if let (Some(status), Some(gateway)) = (status, gateway.as_object_mut()) {
        gateway.insert("networkNamespace".to_owned(), status.network_namespace.clone().into());
        gateway.insert("lastError".to_owned(), status.last_error.clone().into());
    }
}

/// Gateways in columns.
pub(super) fn rows(all: &[Value]) -> Rows {
    let count = |it: &Value, list: &str| {
        it.get(list).and_then(Value::as_array).map_or(0, Vec::len).to_string()
    };
    output::rows(
        ["name", "type", "sku", "host", "state", "connections", "learned", "advertised", "error"],
        all.iter().map(|it| {
            [
                text(it, "/name"),
                text(it, "/properties/gatewayType"),
                text(it, "/properties/sku/name"),
                text(it, "/host"),
                text(it, "/state"),
                count(it, "connections"),
                count(it, "learnedRoutes"),
                count(it, "advertisedRoutes"),
                text(it, "/lastError"),
            ]
        }),
    )
}
