//! One host of a deployment: its maps, filled as by its agent, and packets through its programs.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use aya::{
    TestRun as _,
    programs::{SchedClassifier, TestRunOptions},
};
use vnetpeer_common::types::{LinkId, Mac, NicId, VnetId};
use vnetpeer_userspace::{
    dataplane::Dataplane,
    topology::{
        compile::compile,
        facts::{DatapathFacts, Delivery, Hook, HostFacts, InterfaceFacts, VtepFacts},
        model::{Topology, common_underlay},
        plan::{Observed, Op, plan},
        state::{State, advance, group_link_ids},
    },
};

use super::document::{self, Deployment, HOST, REGION, Shape, read as read_document};
use crate::packet::Packet;

/// The interface that test runs come in on.
const LOOPBACK: u32 = 1;
/// Room for the largest frame and its growth.
const OUTPUT_MAX: usize = 2_048;
/// `TC_ACT_SHOT` and `TC_ACT_REDIRECT`.
const ACTIONS: [(u32, bool); 2] = [(2, false), (7, true)];
/// Outer Ethernet, IPv4 and UDP headers.
const VXLAN_AT: usize = 14 + 20 + 8;
const VXLAN_LEN: usize = 8;

/// What became of a packet that was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// To a NIC of this host.
    Here {
        /// The guest's MAC address.
        guest: Mac,
    },
    /// To another host.
    There {
        /// The host's underlay address.
        host: [u8; 4],
        /// The VNI: that of the target.
        vni: VnetId,
        /// The target.
        nic: NicId,
    },
}

/// A host of a deployment in force.
pub struct Host {
    deployment: Deployment,
    topology: Topology,
    state: State,
    dataplane: Option<Dataplane>,
    pins: PathBuf,
    numbers: HashMap<String, NicId>,
}

impl Host {
    /// Puts a deployment in force in new maps, pinned under a name of this process.
    pub fn load(deployment: Deployment) -> Result<Self, String> {
        let topology = read_document(&deployment.text())?;
        let state = advance(&State::default(), &topology).map_err(|it| it.to_string())?;
        let pins =
            format!("/sys/fs/bpf/vnetpeer-scale-{}-{:?}", std::process::id(), deployment.shape);
        let pins = PathBuf::from(pins);
        let mut host = Self {
            numbers: numbers(&topology, &state),
            deployment,
            topology,
            state,
            dataplane: None,
            pins,
        };
        host.dataplane = Some(host.fill().map_err(|it| it.to_string())?);
        Ok(host)
    }

    fn fill(&self) -> Result<Dataplane, Box<dyn std::error::Error>> {
        let mut dataplane = Dataplane::open(&self.pins)?;
        let facts = facts(&self.topology, dataplane.facts);
        let desired = compile(&self.topology, &self.state, HOST, &facts)?;
        let observed = Observed::empty(dataplane.maps.capacities());
        for op in plan(&desired, &observed)?.ops {
            dataplane.maps.execute(&op)?;
        }
        Ok(dataplane)
    }

    /// Sends a packet from the NIC of a VNet on this host to that of another on some host, and says what
    /// became of it; `None` if it was dropped.
    pub fn send(
        &mut self,
        from: usize,
        to: (usize, usize),
        port: u16,
    ) -> Result<Option<Passed>, String> {
        let sender = self.number(from, 0)?;
        let dataplane = self.dataplane.as_mut().ok_or("no dataplane")?;
        let stand = Op::SetIface { ifindex: LOOPBACK, nic: sender };
        dataplane.maps.execute(&stand).map_err(|it| it.to_string())?;
        let (source, target) = (document::address(from, 0), document::address(to.0, to.1));
        let frame = Packet::v4(source, target).udp(port, 53, PAYLOAD);
        let frame = frame.between(guest_mac(sender), Mac::ROUTER).bytes();
        let program = dataplane.program("vnp_tc_out").ok_or("no program")?;
        let program: &SchedClassifier = program.try_into().map_err(|_| "not a TC program")?;
        let mut output = vec![0; OUTPUT_MAX];
        let options = TestRunOptions {
            data_in: Some(&frame),
            data_out: Some(&mut output),
            ..TestRunOptions::new()
        };
        let result = program.test_run(options).map_err(|it| it.to_string())?;
        output.truncate(result.data_size_out as usize);
        let action = ACTIONS.iter().find(|(number, _)| *number == result.return_value);
        let (_, passes) = action.ok_or_else(|| format!("action {}", result.return_value))?;
        if !passes {
            return Ok(None);
        }
        read(&output).map(Some).ok_or_else(|| format!("unreadable frame {output:02x?}"))
    }

    /// What should become of it.
    pub fn expected(&self, from: usize, to: (usize, usize)) -> Result<Option<Passed>, String> {
        if !self.deployment.reaches(from, to.0) {
            return Ok(None);
        }
        let nic = self.number(to.0, to.1)?;
        let last = u8::try_from(to.1 + 1).map_err(|it| it.to_string())?;
        let id = &self.topology.vnets.get(to.0).ok_or("no such VNet")?.id;
        let vni = self.state.vnet(id).ok_or("no number")?;
        Ok(Some(match to.1 {
            0 => Passed::Here { guest: guest_mac(nic) },
            _ => Passed::There { host: [192, 0, 2, last], vni, nic },
        }))
    }

    /// The links that meter what goes from one VNet to another: the sender's and the receiver's.
    pub fn links(&self, from: usize, to: usize) -> Result<[LinkId; 2], String> {
        if from == to {
            return Ok([LinkId::NONE; 2]);
        }
        let id = |own: usize, other: usize| -> Option<LinkId> {
            let vnet = &self.topology.vnets.get(own)?.id;
            match self.deployment.shape {
                Shape::Mesh => {
                    let is_global = (own < REGION) != (other < REGION);
                    self.state.link(group_link_ids(vnet).get(usize::from(is_global))?)
                }
                Shape::Hub => {
                    let mut all = self.topology.peerings.iter();
                    let is_it = |it: &&vnetpeer_userspace::topology::model::Peering| {
                        it.vnet.0 == own && it.remote.0 == other
                    };
                    self.state.link(&all.find(is_it)?.id)
                }
            }
        };
        Ok([id(from, to).ok_or("no link")?, id(to, from).ok_or("no link")?])
    }

    /// Packets and bytes that a link metered so far: egress, ingress.
    pub fn metered(&self, link: LinkId) -> Result<[u64; 4], String> {
        let dataplane = self.dataplane.as_ref().ok_or("no dataplane")?;
        let meter = dataplane.maps.meter(link).map_err(|it| it.to_string())?;
        Ok([meter.egress_packets, meter.egress_bytes, meter.ingress_packets, meter.ingress_bytes])
    }

    fn number(&self, vnet: usize, host: usize) -> Result<NicId, String> {
        let name = document::nic(vnet, host);
        self.numbers.get(&name).copied().ok_or_else(|| format!("no {name}"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.dataplane.take());
        let _gone = Dataplane::remove(Path::new(&self.pins));
    }
}

/// Bytes of the payload of a packet.
const PAYLOAD: usize = 20;

/// Bytes of an IP packet that [`Host::send`] sends.
pub const PACKET_BYTES: u64 = 20 + 8 + PAYLOAD as u64;

/// The MAC address that a guest has unless the document says otherwise.
pub fn guest_mac(nic: NicId) -> Mac {
    let [_, a, b, c] = nic.0.to_be_bytes();
    Mac([0x02, 0x0d, 0x3a, a, b, c])
}

fn numbers(topology: &Topology, state: &State) -> HashMap<String, NicId> {
    let nics = topology.nics.iter();
    nics.filter_map(|it| Some((it.id.name().to_owned(), state.nic(&it.id)?))).collect()
}

/// Reads a frame with or without outer headers.
fn read(frame: &[u8]) -> Option<Passed> {
    let mac = |at: usize| Some(Mac(frame.get(at..at + 6)?.try_into().ok()?));
    let is_udp = frame.get(23) == Some(&17) && frame.get(36..38) == Some(&4789_u16.to_be_bytes());
    if !is_udp {
        return Some(Passed::Here { guest: mac(0)? });
    }
    let host = frame.get(30..34)?.try_into().ok()?;
    let vni = frame.get(VXLAN_AT + 4..VXLAN_AT + 7)?;
    let vni = VnetId(u32::from_be_bytes([0, *vni.first()?, *vni.get(1)?, *vni.get(2)?]));
    let Mac([_, _, number @ ..]) = mac(VXLAN_AT + VXLAN_LEN)?;
    Some(Passed::There { host, vni, nic: NicId(u32::from_be_bytes(number)) })
}

/// What the agent would find on the host: every interface that the document names, and every other host.
pub fn facts(topology: &Topology, datapath: DatapathFacts) -> HostFacts {
    let interface = |number: u32| InterfaceFacts {
        ifindex: 1_000 + number,
        mtu_bytes: 1_500,
        delivery: Delivery::Transmit,
        hook: Hook::Xdp,
        shaper: None,
    };
    let host = topology.hosts.iter().position(|host| host.name == HOST);
    let local = topology.nics.iter().filter(|nic| Some(nic.host.0) == host);
    let ours = topology.hosts.iter().find(|host| host.name == HOST);
    let others = topology.hosts.iter().filter(|it| it.name != HOST);
    let way = |(local, remote): (IpAddr, IpAddr)| VtepFacts {
        local,
        remote,
        ifindex: LOOPBACK,
        src_mac: Mac([2, 0, 0, 0, 1, 1]),
        dst_mac: Some(Mac([2, 0, 0, 0, 1, 2])),
        underlay_mtu_bytes: 1_600,
        transmit_xdp: true,
    };
    let ways = others.filter_map(|other| {
        let pairs = common_underlay(ours?, other);
        Some((other.name.clone(), pairs.into_iter().map(way).collect()))
    });
    HostFacts {
        interfaces: local.zip(0..).map(|(nic, n)| (nic.interface.clone(), interface(n))).collect(),
        vteps: ways.collect(),
        datapath,
        ..HostFacts::default()
    }
}
