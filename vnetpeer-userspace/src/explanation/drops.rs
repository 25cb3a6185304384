//! Where each drop reason mostly comes from, and what to do about it.

use vnetpeer_common::reason::DropReason;

use super::said;

said! { DropReason:
    Malformed
        "a guest or a tool makes broken frames"
        "capture at the NIC and look at the frame"
    VlanTagged
        "a VLAN interface in the guest"
        "use the guest's interface without a VLAN"
    EtherTypeUnknown
        "the guest speaks LLDP, IPX or the like"
        "nothing; virtual networks carry IP only"
    Ipv4Invalid
        "a guest or a tool makes broken headers"
        "capture at the NIC and look at the header"
    Ipv6Invalid
        "a guest or a tool makes broken headers"
        "capture at the NIC and look at the header"
    Ipv6ExtensionsTooMany
        "an application or an attacker chains extension headers"
        "send without them"
    SourceMacSpoofed
        "a bridge in the guest, or a changed MAC address"
        "give the guest the NIC's MAC address, or declare the one that it has"
    SourceAddressSpoofed
        "the guest forwards for others, or has an address that the document does not give it"
        "set enableIPForwarding on the NIC if it is an appliance, else add the address to its ipConfigurations"
    DestinationMacUnknown
        "a static neighbour entry in the guest"
        "remove it; the virtual router answers for all addresses"
    GroupDestination
        "service discovery, DHCP or routing protocols"
        "use unicast"
    ArpInvalid
        "ARP for an address outside of the virtual network"
        "correct the guest's prefix length and gateway"
    ArpOwnAddress
        "the guest announces its address, as most do"
        "nothing; it does no harm"
    NeighborInvalid
        "neighbour discovery for an address outside of the virtual network"
        "correct the guest's prefix length and gateway"
    NeighborOwnAddress
        "the guest checks its address, as most do"
        "nothing; it does no harm"
    RouterAdvertisement
        "a routing daemon in the guest"
        "turn its advertisements off"
    DhcpServer
        "a DHCP server in the guest"
        "turn it off; guests are configured statically"
    NoRoute
        "neither a system route nor a user-defined one covers the address"
        "peer the virtual networks, or add a route"
    RouteNone
        "a user-defined route with next hop type None, or private addresses that nobody near has"
        "remove the route or add one that is longer; peer the virtual network that has the address"
    NextHopUnreachable
        "the appliance is in a virtual network that is not peered, does not exist, or is down"
        "correct nextHopIpAddress, or bring the appliance into reach"
    InternetUnavailable
        "no uplink of a host serves the virtual network"
        "declare an uplink, or mend the route if the address should be inside"
    NoEndpoint
        "the address is in the virtual network, and no NIC has it"
        "correct the address, or give a NIC this address"
    PeeringNotConnected
        "one side of the peering is missing"
        "create the other side"
    VirtualNetworkAccessDenied
        "allowVirtualNetworkAccess is false on the peering, and no rule of an own security group allows the packet"
        "set allowVirtualNetworkAccess, or allow the packet by a rule"
    ForwardedTrafficDenied
        "the packet was forwarded by an appliance, and the receiving side's peering does not take that"
        "set allowForwardedTraffic on the peering of the receiving virtual network"
    ForwardingDisabled
        "a route leads to a NIC that is no appliance"
        "set enableIPForwarding on that NIC, or correct the route's next hop"
    MtuExceeded
        "a packet larger than 1,500 bytes over a peering, or than the underlay's MTU less its headers"
        "lower the guest's MTU, or let it heed ICMP; inside a virtual network raise the underlay's MTU"
    InterfaceUnknown
        "the interface was taken out of the document"
        "apply the document again"
    VtepUnknown
        "a host that this host's document does not have"
        "apply the same document to all hosts"
    VxlanInvalid
        "something else sends to UDP port 4789"
        "keep strangers off the underlay"
    VniNotHosted
        "a host with an older document"
        "apply the same document to all hosts"
    NicNotHosted
        "a NIC moved to another host, and the sender does not know it yet"
        "apply the same document to all hosts"
    SourceNicUnknown
        "a host with an older document, or a forged packet"
        "apply the same document to all hosts"
    SourceNicElsewhere
        "a NIC moved to another host, or a forged packet"
        "apply the same document to all hosts"
    VniMismatch
        "a host with an older document, or a forged packet"
        "apply the same document to all hosts"
    NoRelation
        "a peering was removed while packets were under way, or a host has an older document"
        "apply the same document to all hosts"
    EncapFailed
        "a super-frame of a tunnel inside the guest"
        "turn segmentation offload off on the guest's tunnel device"
    DecapFailed
        "the kernel had no memory for the frame"
        "see the host's memory"
    Unconfigured
        "the agent is about to change the tables, or failed to"
        "see `vnetpeer status`"
    AdminRuleDenied
        "a security admin rule of a network manager denies it; security groups cannot allow it again"
        "change the rule, or add one with a lower priority number"
    OutboundRuleDenied
        "a rule of the sender's security groups, which may be the default DenyAllOutBound"
        "add an outbound rule that allows it, with a lower priority number, at the NIC's or the subnet's group"
    InboundRuleDenied
        "a rule of the receiver's security groups, which may be the default DenyAllInBound"
        "add an inbound rule that allows it, with a lower priority number, at the NIC's or the subnet's group"
    TcpWithoutFlow
        "the connection idled out, the SYN took another way, or the agent's tables are new"
        "let the application send keep-alives; raise flowTimeoutInMinutes"
    IcmpWithoutFlow
        "a late reply, or an ICMP error about a packet that was never sent"
        "nothing, if it is rare"
    FragmentWithoutFirst
        "fragments that overtook the first one, or whose first was denied"
        "let the guest send packets that fit"
    FragmentInvalid
        "an attempt to hide ports from rules"
        "nothing"
    FlowQuotaReached
        "too many connections at the same time"
        "spread them over more NICs, or let the application reuse connections"
    HalfOpenQuotaReached
        "a scan, or a server that does not answer"
        "find the sender with `vnetpeer flows`"
    FlowTableFull
        "too many connections on the host"
        "start the agent with larger flow tables"
    ProtocolBlocked
        "a GRE or IP-in-IP tunnel of the guest, which Azure does not carry either"
        "use a tunnel over UDP"
    PortReserved
        "UDP source port 65330 is the platform's"
        "send from another port"
    HopLimitExceeded
        "the appliances' own subnets have routes that lead to each other"
        "put the appliances into subnets whose route tables do not lead to them"
    RouteLoop
        "the appliance's own subnet has the route that leads to it"
        "put the appliance into a subnet whose route table does not lead to it"
    LoadBalancerNoRule
        "the frontend has no rule for this protocol and port"
        "add a load balancing rule, or use a port that has one"
    LoadBalancerNoBackend
        "the backend pool is empty, or no member answers the probe"
        "add a member, or mend what the probe asks"
    LoadBalancerNotGlobal
        "a Basic load balancer is not reached over global peering"
        "use SKU Standard, or address the backends themselves"
    LoadBalancerProtocol
        "ping or a fragment to a frontend"
        "test with TCP or UDP to a port that a rule has"
    LoadBalancerLoop
        "a backend asks the frontend that it is behind"
        "let backends ask each other, or themselves, by their own addresses"
}
