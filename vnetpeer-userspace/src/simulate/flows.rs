//! The flow tables of all hosts. A flow's key names its NIC, so that one table serves them all.

use std::cell::RefCell;

use vnetpeer_common::{
    abi::{Flow, FlowKey4, FlowKey6},
    datapath::{LiveFlow, Opened},
};

/// Flows that are kept at a time, of each family: an exchange opens two for each NIC on its way.
const CAPACITY: usize = 256;

/// Flows of one family. They stay where they are, so that the core can refer to them while others open.
#[derive(Debug)]
struct Table<K> {
    keys: RefCell<Vec<K>>,
    flows: Vec<LiveFlow>,
}

impl<K: Copy + PartialEq> Table<K> {
    fn new() -> Self {
        let flows = std::iter::repeat_with(LiveFlow::default).take(CAPACITY);
        Self { keys: RefCell::new(Vec::with_capacity(CAPACITY)), flows: flows.collect() }
    }

    fn get(&self, key: K) -> Option<&LiveFlow> {
        let place = self.keys.borrow().iter().position(|it| *it == key)?;
        self.flows.get(place)
    }

    fn open(&self, key: K, flow: &Flow) -> Opened {
        let mut keys = self.keys.borrow_mut();
        if keys.contains(&key) {
            return Opened::Exists;
        }
        let Some(live) = self.flows.get(keys.len()) else { return Opened::Full };
        keys.push(key);
        live.set(flow);
        Opened::Kept
    }
}

/// Flows of both families.
#[derive(Debug)]
pub(super) struct Flows {
    v4: Table<FlowKey4>,
    v6: Table<FlowKey6>,
}

impl Flows {
    /// No flows.
    pub(super) fn new() -> Self {
        Self { v4: Table::new(), v6: Table::new() }
    }

    /// Ends all flows.
    pub(super) fn clear(&self) {
        self.v4.keys.borrow_mut().clear();
        self.v6.keys.borrow_mut().clear();
    }

    pub(super) fn get4(&self, key: FlowKey4) -> Option<&LiveFlow> {
        self.v4.get(key)
    }

    pub(super) fn get6(&self, key: FlowKey6) -> Option<&LiveFlow> {
        self.v6.get(key)
    }

    pub(super) fn open4(&self, key: FlowKey4, flow: &Flow) -> Opened {
        self.v4.open(key, flow)
    }

    pub(super) fn open6(&self, key: FlowKey6, flow: &Flow) -> Opened {
        self.v6.open(key, flow)
    }
}
