//! Links, and the pairs of virtual networks that they are of.

use vnetpeer_common::abi;

use super::{
    super::{
        Op,
        agree::{differing, same_link},
    },
    Sequence,
};

impl Sequence<'_> {
    pub(super) fn tighten_links(&mut self) {
        let (observed, desired) = (self.observed, self.desired);
        for id in differing(&observed.links, &desired.links) {
            let Some(old) = observed.links.get(&id) else { continue };
            let link = match desired.links.get(&id) {
                Some(new) if same_link(old, new) => {
                    abi::Link { flags: old.flags & new.flags, ..*new }
                }
                Some(_) => abi::Link::default(),
                None => abi::Link { flags: 0, ..*old },
            };
            self.push(Op::SetLink { id, link });
        }
        for key in differing(&observed.relations, &desired.relations) {
            self.push(Op::DeleteRelation { key });
        }
    }

    pub(super) fn loosen_links(&mut self) {
        let desired = self.desired;
        for id in differing(&self.next.links, &desired.links) {
            let Some(link) = desired.links.get(&id) else { continue };
            if !self.next.links.get(&id).is_some_and(|old| same_link(old, link)) {
                self.ops.push(Op::ZeroMeter { id });
            }
            self.push(Op::SetLink { id, link: *link });
        }
        for key in differing(&self.next.relations, &desired.relations) {
            let Some(link) = desired.relations.get(&key) else { continue };
            self.push(Op::SetRelation { key, link: *link });
        }
    }
}
