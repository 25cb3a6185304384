//! What agents and commands refuse, besides problems of documents.

use super::{Kind, codes};
use crate::document::Code;

codes! { Kind::Error,
/// Why a request was refused. Names are stable; where Azure has one, it is Azure's.
ErrorCode:
    AuthorizationFailed
        "no role assignment permits the action on this resource"
        "the principal that the unix user acts as has no role here, or one without this action"
        "ask `vnetpeer permission check` which assignments count, and have a role assigned in the document"
    LinkedAuthorizationFailed
        "the action also needs rights on a resource that it refers to"
        "a peering needs peer/action on the remote virtual network, a subnet join/action on what it refers to"
        "have a role with that action assigned at the linked scope, such as Network Contributor"
    InvalidAuthenticationTokenTenant
        "the subscription's tenant does not know who asks"
        "the principal is of another tenant and no guest of this one"
        "make it a guest of the tenant in the document's `principals`"
    AnotherOperationInProgress
        "another command is changing the deployment"
        "two writes at the same time, or a document that was made of an older one"
        "try again; nothing was changed by this one"
    InternalError
        "the agent could not do what it was asked"
        "the kernel or the disk refused, or an error of vnetpeer's"
        "see the agent's log and `vnetpeer status`"
    InvalidDocument
        "the document has problems, so nothing was changed"
        "a mistake that `vnetpeer validate` shows with its place"
        "correct the document and apply it again"
    InvalidState
        "the document cannot follow what is in force"
        "numbers ran out, or the hosts' states do not fit each other"
        "read the message; `vnetpeer status` shows whether the hosts agree"
    AuditLogNotWritten
        "the audit log cannot be written, so nothing was changed"
        "the disk is full or broken"
        "make room in the state directory, and try again"
    UnknownName
        "a filter names a NIC, peering, rule or reason that the host does not have"
        "a slip of the pen, or an object of another host"
        "use a name that the list commands show"
    ResourceNotFound
        "there is no such resource"
        "a slip of the pen, or a resource that was deleted"
        "use a name that the list commands show"
    RemotePeeringIsDisconnected
        "the other side's peering lost its counterpart, and must be written anew first"
        "this side was deleted after both were Connected"
        "delete the other side's peering, or update it; then create this one again"
    ChangingRemoteVirtualNetworkNotAllowed
        "a peering cannot come to point at another virtual network"
        "an object's remoteVirtualNetwork was changed"
        "delete the peering first, or give the new one another name"
    ChangingPeerCompleteVnetsNotAllowed
        "a peering of complete virtual networks cannot become one of subnets, nor the other way round"
        "an object's peerCompleteVnets was changed"
        "delete the peering first, or give the new one another name"
    VnetAddressSpaceCannotChangeDueToPeerings
        "the address space of a virtual network that is peered with a classic one cannot change"
        "one side of the peering is a classic virtual network"
        "delete the peering, change the address space, and create the peering again"
    PeeringIsManaged
        "a network manager makes this peering, and would make it again"
        "a connectivity configuration is committed that has both virtual networks"
        "take the virtual network from its network group, or commit with --none"
}

impl ErrorCode {
    /// Codes that problems of documents have too: what is said of them is said there.
    pub const SHARED: &'static [Code] = &[
        Code::AmbiguousResourceReference,
        Code::AnotherPeeringAlreadyReferencesRemoteVnet,
        Code::ConnectedGroupAddressOverlap,
        Code::InvalidResourceName,
        Code::InvalidResourceReference,
        Code::ParentResourceNotFound,
        Code::PeeringIsEnforced,
        Code::PrincipalNotFound,
        Code::RoleDefinitionDoesNotExist,
        Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet,
    ];
}
