//! ARP for Ethernet and IPv4.

use std::net::Ipv4Addr;

use vnetpeer_common::types::Mac;

/// An ARP packet.
#[derive(Clone, Debug)]
pub struct Arp {
    /// Hardware type, 1 for Ethernet.
    pub hardware: u16,
    /// 1 for a request, 2 for a reply.
    pub operation: u16,
    /// Sender's MAC address.
    pub sender_mac: Mac,
    /// Sender's address.
    pub sender: Ipv4Addr,
    /// Target's MAC address.
    pub target_mac: Mac,
    /// Target's address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// "Who has `target`? Tell `sender`."
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        let target_mac = Mac::default();
        Self { hardware: 1, operation: 1, sender_mac, sender, target_mac, target }
    }

    /// "`sender` is at `sender_mac`."
    pub fn reply(sender_mac: Mac, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Self {
        Self { hardware: 1, operation: 2, sender_mac, sender, target_mac, target }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.hardware.to_be_bytes().to_vec();
        bytes.extend([0x08, 0x00, 6, 4]);
        bytes.extend(self.operation.to_be_bytes());
        bytes.extend(self.sender_mac.0);
        bytes.extend(self.sender.octets());
        bytes.extend(self.target_mac.0);
        bytes.extend(self.target.octets());
        bytes
    }
}
