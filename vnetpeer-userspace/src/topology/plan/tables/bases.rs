//! Tables of prefixes as the lists that tries are built of; those that several tables share.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use ipnet::{Ipv4Net, Ipv6Net};
use vnetpeer_common::abi::{Entry, Roots};

use super::{Builder, PlanError};
use crate::topology::{desired::PrefixTable, trie::Prefix};

/// The prefixes of a table, sorted.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) v4: Vec<Prefix>,
    pub(super) v6: Vec<Prefix>,
}

impl Lists {
    pub(super) fn of<T>(
        builder: &mut Builder,
        table: &PrefixTable<T>,
        mut leaf: impl FnMut(&mut Builder, &T) -> Result<Entry, PlanError>,
    ) -> Result<Self, PlanError> {
        let mut lists =
            Self { v4: Vec::with_capacity(table.v4.len()), v6: Vec::with_capacity(table.v6.len()) };
        for (net, value) in &table.v4 {
            lists.v4.push(prefix4(*net, leaf(builder, value)?));
        }
        for (net, value) in &table.v6 {
            lists.v6.push(prefix6(net, leaf(builder, value)?));
        }
        Ok(lists)
    }
}

/// A shared table and its tries.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) lists: Lists,
    pub(super) roots: Roots,
}

/// Shared tables that were built in this generation, by where they are; whoever asks has them.
#[derive(Debug, Default)]
pub(super) struct Bases(HashMap<usize, Rc<Base>>);

impl Bases {
    pub(super) fn get<T>(&self, shared: &Arc<PrefixTable<T>>) -> Option<Rc<Base>> {
        self.0.get(&place(shared)).cloned()
    }

    pub(super) fn add<T>(
        &mut self,
        shared: &Arc<PrefixTable<T>>,
        lists: Lists,
        roots: Roots,
    ) -> Rc<Base> {
        let base = Rc::new(Base { lists, roots });
        self.0.insert(place(shared), Rc::clone(&base));
        base
    }
}

fn place<T>(shared: &Arc<PrefixTable<T>>) -> usize {
    Arc::as_ptr(shared).addr()
}

fn prefix4(net: Ipv4Net, leaf: Entry) -> Prefix {
    let address = u128::from(u32::from(net.network())) << 96;
    Prefix { address, len: u32::from(net.prefix_len()), leaf }
}

fn prefix6(net: &Ipv6Net, leaf: Entry) -> Prefix {
    Prefix { address: u128::from(net.network()), len: u32::from(net.prefix_len()), leaf }
}
