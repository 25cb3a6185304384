//! Why a packet was dropped: the one list for kernel, command line and docs.

/// Declares the reasons with their numbers, names and meanings in one place.
macro_rules! drop_reasons {
    ($($number:literal $name:ident $meaning:literal)*) => {
        /// Why a packet was dropped. Numbers are part of the ABI and are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum DropReason {
            $(#[doc = $meaning] $name = $number,)*
        }

        impl DropReason {
            /// All reasons in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name, as shown to people and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// One sentence that says what happened.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// The reason with this number; `None` if a newer kernel object has one that we lack.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The number, which indexes the drop counters.
            #[inline(always)]
            pub const fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

drop_reasons! {
    1 Malformed "the frame is too short for the headers that it announces"
    2 VlanTagged "the guest sent a VLAN tag; virtual networks carry none"
    3 EtherTypeUnknown "neither IPv4, IPv6 nor ARP"
    4 Ipv4Invalid "the IPv4 header contradicts itself or the frame"
    5 Ipv6Invalid "the IPv6 header contradicts itself or the frame"
    6 Ipv6ExtensionsTooMany "more IPv6 extension headers than are walked"
    7 SourceMacSpoofed "the source MAC address is not the NIC's"
    8 SourceAddressSpoofed "the source IP address is not the NIC's, and enableIPForwarding is off"
    9 DestinationMacUnknown "the destination MAC address is not the virtual router's"
    10 GroupDestination "multicast or broadcast; virtual networks carry neither"
    11 ArpInvalid "an ARP packet that is no request for an address of the virtual network"
    12 ArpOwnAddress "an ARP probe or announcement of the NIC's own address, which needs no answer"
    13 NeighborInvalid "a neighbour discovery packet that is no valid solicitation"
    14 NeighborOwnAddress "duplicate address detection for the NIC's own address, which needs no answer"
    15 RouterAdvertisement "the guest sent a router advertisement or redirect"
    16 DhcpServer "the guest answered as a DHCP server"
    17 NoRoute "no effective route covers the destination"
    18 RouteNone "the effective route's next hop type is None"
    19 NextHopUnreachable "the user-defined route names a next hop that cannot be reached"
    20 InternetUnavailable "the route leads to the Internet, and no host offers an uplink for the virtual network"
    21 NoEndpoint "no NIC has the destination address"
    22 PeeringNotConnected "the peering is not Connected on both sides"
    23 VirtualNetworkAccessDenied "allowVirtualNetworkAccess is false"
    24 ForwardedTrafficDenied "the source is outside the peer's address space, and allowForwardedTraffic is false"
    25 ForwardingDisabled "the target NIC does not have the destination address, and its enableIPForwarding is off"
    26 MtuExceeded "the packet is larger than the path's MTU; the sender was told by ICMP"
    27 InterfaceUnknown "the interface belongs to no NIC"
    28 VtepUnknown "VXLAN from an outer source address that is no host of the deployment"
    29 VxlanInvalid "the VXLAN header or what follows it is invalid"
    30 VniNotHosted "no NIC of that virtual network lives on this host"
    31 NicNotHosted "the target NIC does not live on this host"
    32 SourceNicUnknown "the overlay source names no NIC"
    33 SourceNicElsewhere "the overlay source names a NIC that lives on another host than the outer source"
    34 VniMismatch "the target NIC is not in the virtual network that the VNI names"
    35 NoRelation "the source's virtual network is neither the target's own nor peered with it, and the source is no address of a member of a connected group"
    36 EncapFailed "the kernel refused room for the outer headers"
    37 DecapFailed "the kernel refused to remove the outer headers"
    38 Unconfigured "a table entry that the path needs is missing"
    39 AdminRuleDenied "a security admin rule denies it"
    40 OutboundRuleDenied "an outbound rule of the sender's network security groups denies it"
    41 InboundRuleDenied "an inbound rule of the receiver's network security groups denies it"
    42 TcpWithoutFlow "a TCP segment that opens no connection and belongs to none"
    43 IcmpWithoutFlow "an ICMP error or reply that belongs to no known flow"
    44 FragmentWithoutFirst "a later fragment of a packet whose first fragment was not seen or not allowed"
    45 FragmentInvalid "a fragment that cuts or overwrites the transport header"
    46 FlowQuotaReached "the NIC has as many flows as it may have"
    47 HalfOpenQuotaReached "the NIC has as many unanswered flows as it may have"
    48 FlowTableFull "the host's flow table is full"
    49 ProtocolBlocked "GRE or IP in IP, which virtual networks do not carry"
    50 PortReserved "UDP source port 65330, which the platform reserves"
    51 HopLimitExceeded "one appliance forwarded it to another with no hop left: they may send to each other in a loop"
    52 RouteLoop "the route leads back to the NIC that sent the packet"
    53 LoadBalancerNoRule "no load balancing rule of the frontend takes packets of this protocol and port"
    54 LoadBalancerNoBackend "the load balancing rule has no backend that takes new flows"
    55 LoadBalancerNotGlobal "the frontend's load balancer has SKU Basic, which other regions do not reach"
    56 LoadBalancerProtocol "to a load balancer's frontend go whole TCP and UDP packets only: no ICMP, no fragments"
    57 LoadBalancerLoop "the load balancer chose the NIC that sent the packet, and a backend does not reach itself so"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::DROP_REASONS_MAX;

    #[test]
    fn numbers_are_dense_and_fit_the_counters() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.number() as usize, index + 1);
            assert_eq!(DropReason::from_number(reason.number()), Some(*reason));
            assert!(reason.number() < DROP_REASONS_MAX);
        }
        assert_eq!(DropReason::from_number(0), None);
    }
}
