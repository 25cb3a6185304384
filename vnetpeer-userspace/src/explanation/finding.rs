//! Causes that traces and checks name besides drop reasons.

use super::{Kind, codes};

codes! { Kind::Finding,
/// A cause that a trace or a check names. Names are stable.
Finding:
    PeeringInitiated
        "the peering exists on one side only, so it carries nothing"
        "the other virtual network has no peering object that points back"
        "create the peering in the other virtual network as well"
    PeeringDisconnected
        "the other side of the peering was deleted, so it carries nothing"
        "the peering object of the other virtual network was deleted after both were Connected"
        "delete this side too, then create both again"
    PeeringMissing
        "the virtual networks are not peered with each other"
        "no peering object of either side points at the other, and no connected group has both"
        "peer the two virtual networks, from both sides"
    PeeringNotTransitive
        "both virtual networks are peered with the same third one, which does not join them"
        "peering is not transitive: a spoke does not reach another spoke by the hub's peerings alone"
        "peer the spokes with each other, or route through an appliance in the hub: user-defined routes in both spokes, enableIPForwarding on the appliance, allowForwardedTraffic on the spokes' peerings"
    PeeringNotSynced
        "the peering's copy of the remote address space is older than the virtual network, and lacks the address"
        "the address space has changed since the peering was last synced"
        "sync the peering: `vnetpeer peering sync`, or set deployment.autoSync"
    PeeringSubnetOmitted
        "the peering carries only some subnets, and not the one with the address"
        "peerCompleteVnets is false, and localSubnetNames or remoteSubnetNames lacks the subnet"
        "name the subnet in the lists of both sides, or set peerCompleteVnets"
    PeeringOnlyIpv6
        "the peering carries IPv6 only"
        "enableOnlyIPv6Peering is set"
        "use the IPv6 addresses, or turn enableOnlyIPv6Peering off on both sides"
    PeeringRoutesDisabled
        "the route table takes the peering's routes away from the subnet"
        "disablePeeringRoute is All, and no user-defined route leads to the destination"
        "add a route to the destination through an appliance, or set disablePeeringRoute to None"
    GroupPrefixOverlap
        "another member of the connected group has an overlapping address space, so neither is reached there"
        "two members of the connected group have overlapping address spaces"
        "give one of the members another address space, or take it out of the group"
    GatewayRoutesDisabled
        "the route table keeps the gateway's routes away from the subnet"
        "disableBgpRoutePropagation is set, and the destination is behind the gateway"
        "turn disableBgpRoutePropagation off, or add a route with next hop VirtualNetworkGateway"
    GatewayMissing
        "the route's next hop is the virtual network gateway, and there is none to use"
        "the virtual network has no gateway of its own and uses no peer's"
        "create a gateway, or use a peer's: useRemoteGateways here and allowGatewayTransit there"
    GatewayTransitNotAllowed
        "the destination is behind the gateway of a peer whose gateway this virtual network may not use"
        "the peer's peering object has no allowGatewayTransit"
        "set allowGatewayTransit on the gateway's side, and useRemoteGateways on the other"
    RemoteGatewayNotUsed
        "the destination is behind the gateway of a peer, and the peering does not use it"
        "the peering object of this virtual network has no useRemoteGateways"
        "set useRemoteGateways on this side; the gateway's side needs allowGatewayTransit"
    NextHopNotInReach
        "the next hop's address is neither in the virtual network nor in a peer's"
        "the route names an appliance in a virtual network that is not peered, or an address that is in none"
        "name an appliance of this virtual network or of a directly peered one"
    NextHopWithoutNic
        "no NIC and no load balancer has the next hop's address"
        "the appliance was removed or has another address than the route says"
        "correct nextHopIpAddress, or give a NIC this address"
    NextHopDown
        "the appliances that the route names are down"
        "their interfaces are missing or have no carrier"
        "start one of the appliances"
    NextHopNoHaPorts
        "the next hop is a load balancer without a rule for all ports"
        "a load balancer takes routed packets only by a rule with protocol All and port 0"
        "add a load balancing rule with protocol All and ports 0 (HA ports)"
    NextHopNoHealthyMember
        "the next hop is a load balancer, and none behind it answers its probe"
        "the pool is empty or no member answers the probe"
        "add appliances to the backend pool, or mend what the probe asks"
    NextHopBasicOverGlobalPeering
        "the next hop is a Basic load balancer in another region"
        "Basic load balancers are not reached over global peering"
        "use SKU Standard"
    NoReturnRoute
        "the request arrives, and its answer has no way back"
        "the answering subnet has no effective route to the source"
        "add the missing route to the route table of the answering subnet"
    AsymmetricPath
        "the answer takes another way than the request"
        "the route tables of the two subnets send the two directions over different appliances"
        "route both directions through the same appliance"
    AnsweredElsewhere
        "the answer arrives at another NIC than the one that asked"
        "another NIC has the address that the request came from"
        "give the NICs different addresses, or send from an address that the NIC has"
    LeftNetwork
        "the packet leaves by an uplink or a gateway, and what is behind it is not known here"
        "the route leads to the Internet or to a gateway"
        "ask the router behind it; if the destination should be inside, mend the route"
    HopsExhausted
        "appliances hand the packet on in a circle until its hops are used up"
        "the appliances' own subnets have routes that lead to each other"
        "put the appliances into subnets whose route tables do not lead to them"
    HostUnreachable
        "no host has the underlay address that the packet is sent to"
        "the hosts' documents differ, or the host is gone"
        "see `vnetpeer status`"
    NetworkInterfaceDown
        "the NIC that has the address is down"
        "its interface is missing or has no carrier"
        "start the guest, or correct the interface's name in the document"
    GuestNotListening
        "the network lets the packets pass, and nobody answers"
        "nothing listens on the port, or the guest's own firewall drops it"
        "look inside the guest"
    ConnectivityNotMeasured
        "no real packets were sent"
        "the answer was computed from the document, or the guests are out of reach of this command"
        "run the check on a lab that is up"
    TraceDisagreement
        "the rules as written, the computed datapath and the kernel's programs do not agree"
        "an error of vnetpeer's, or tables that differ from the document"
        "see `vnetpeer status` for drift; if there is none, report it with the trace as JSON"
}
