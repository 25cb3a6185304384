//! What a peer of the socket may read, and what is recorded of what it does. Writes of documents are judged
//! by the task ([`super::task`]), against the permissions of the document in force.

use crate::{
    permission::{
        access::{Access, Denial, Verdict},
        caller::Caller,
        decide::Rights,
    },
    topology::model::{Permissions, Principal, PrincipalIndex},
};

use super::{
    api::{PermissionQuery, PermissionReply},
    audit::Event,
    peer::Peer,
};

/// Reading a host: its status, its sampled drops, its counters of packets that belong to nobody.
pub const HOST_READ: &str = "Vnetpeer.Hosts/hosts/read";
/// Reading the bytes of packets that pass a host, whoever's they are.
pub const PACKET_CAPTURE: &str = "Vnetpeer.Hosts/hosts/capturePackets/action";
/// Reading the whole document in force, with all numbers and states.
pub const DEPLOYMENT_READ: &str = "Vnetpeer.Deployments/deployments/read";
/// What is recorded when a document was put in force, or failed to be.
pub const DEPLOYMENT_APPLY: &str = "Vnetpeer.Deployments/deployments/apply";
/// Reading the meters of a peering object.
pub const METER_READ: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/read";
/// Reading the drops and flows of a NIC.
pub const NIC_READ: &str = "Microsoft.Network/networkInterfaces/read";
/// Reading the effective routes of a NIC.
pub const EFFECTIVE_ROUTES: &str = "Microsoft.Network/networkInterfaces/effectiveRouteTable/action";
/// Reading the effective security rules of a NIC.
pub const EFFECTIVE_GROUPS: &str =
    "Microsoft.Network/networkInterfaces/effectiveNetworkSecurityGroups/action";
/// Reading records of the audit log about a resource: Azure's action for its activity log.
pub const AUDIT_READ: &str = "Microsoft.Insights/eventtypes/values/read";

/// The ARM id of a host.
pub fn host_id(host: &str) -> String {
    format!("/providers/Vnetpeer.Hosts/hosts/{host}")
}

/// The ARM id of a deployment.
pub fn deployment_id(name: &str) -> String {
    format!("/providers/Vnetpeer.Deployments/deployments/{name}")
}

/// What a peer may do.
pub fn rights<'p>(permissions: &'p Permissions, peer: &Peer) -> Rights<'p> {
    Rights::new(permissions, Caller::of_unix(permissions, peer.uid, &peer.gids))
}

/// Whether something may be done.
pub fn require(rights: &Rights<'_>, action: &str, id: &str) -> Result<(), Denial> {
    match Access::new(action, id).check(rights) {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(denial) => Err(denial),
    }
}

/// A record of something that a peer does.
pub fn event(rights: &Rights<'_>, request_id: &str, action: &str, id: &str) -> Event {
    Event {
        request_id: request_id.to_owned(),
        uid: rights.caller().uid.unwrap_or(Peer::UNKNOWN.uid),
        principal: rights.caller().name(rights.permissions()),
        operation: action.to_owned(),
        resource: id.to_owned(),
        allowed: true,
        ..Event::default()
    }
}

/// A record of something that was denied.
pub fn denied(rights: &Rights<'_>, request_id: &str, denial: &Denial) -> Event {
    let code = Some(denial.code.to_owned());
    Event { allowed: false, code, ..event(rights, request_id, &denial.action, &denial.id) }
}

/// Several denials as one message, each as Azure's tools print one.
pub fn told(denials: &[Denial]) -> String {
    let lines = denials.iter().map(|it| format!("({}) {}", it.code, it.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// A principal that the document does not have.
#[derive(Debug, thiserror::Error)]
#[error("PrincipalNotFound: principal {0} does not exist in the directory; add it to `principals`")]
pub struct UnknownPrincipal(String);

/// A principal by its name or its object id.
pub fn find(permissions: &Permissions, name: &str) -> Option<PrincipalIndex> {
    let is = |it: &Principal| {
        it.name.eq_ignore_ascii_case(name) || it.object_id.to_string().eq_ignore_ascii_case(name)
    };
    permissions.principals.iter().position(is).map(PrincipalIndex)
}

/// Whether the principal that a question names may do what it asks.
pub fn permission_of(
    permissions: &Permissions,
    query: &PermissionQuery,
) -> Result<PermissionReply, UnknownPrincipal> {
    let name = query.principal.clone().unwrap_or_default();
    let index = find(permissions, &name).ok_or(UnknownPrincipal(name))?;
    Ok(explained(&Rights::new(permissions, Caller::of_principal(index)), query))
}

/// Whether somebody may do something, and why.
pub fn explained(rights: &Rights<'_>, query: &PermissionQuery) -> PermissionReply {
    let verdict = Access::new(&*query.action, &*query.scope).check(rights);
    let (grant, denial) = match verdict {
        Verdict::Allowed(grants) => (grants.into_iter().next(), None),
        Verdict::Denied(denial) => (None, Some(denial)),
    };
    PermissionReply {
        principal: rights.caller().name(rights.permissions()),
        action: query.action.clone(),
        scope: query.scope.clone(),
        allowed: grant.is_some(),
        grant,
        code: denial.as_ref().map(|it| it.code.to_owned()),
        message: denial.map(|it| it.message),
        assignments: rights.explain(&query.action, &query.scope),
    }
}
