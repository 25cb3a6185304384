//! Load balancing rules: which packets one takes is a condition; what becomes of them is in one entry.

use std::collections::BTreeMap;

use vnetpeer_common::{abi, types::BalancerId};

use super::{super::Op, Sequence};

impl Sequence<'_> {
    pub(super) fn tighten_frontends(&mut self) {
        let desired = self.desired.balancers.iter();
        let wanted: BTreeMap<abi::FrontendKey, BalancerId> =
            desired.map(|(id, balancer)| (balancer.key, *id)).collect();
        for (key, id) in &self.observed.frontends {
            if wanted.get(key) != Some(id) {
                self.push(Op::DeleteFrontend { key: *key });
            }
        }
    }

    /// Rules, after the NICs that they name. One operation deals out the slots of a rule anew.
    pub(super) fn loosen_frontends(&mut self) {
        for (id, balancer) in &self.tables.balancers {
            self.push(Op::SetBalancer { id: *id, balancer: *balancer });
        }
        for (id, balancer) in &self.desired.balancers {
            self.push(Op::SetFrontend { key: balancer.key, id: *id });
        }
    }

    pub(super) fn clear_balancers(&mut self) {
        for id in self.observed.balancers.keys() {
            if !self.desired.balancers.contains_key(id) {
                self.push(Op::SetBalancer { id: *id, balancer: abi::Balancer::default() });
            }
        }
    }
}
