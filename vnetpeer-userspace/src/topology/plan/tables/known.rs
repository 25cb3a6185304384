//! What the last plan built: as long as a table stays as it is, so do its roots, and nothing is built
//! again. A plan comes to the same numbers with it and without it.

use std::{collections::BTreeMap, sync::Arc};

use vnetpeer_common::{
    abi::{self, Roots, vnet_flags},
    types::{NicId, TableId, VnetId},
};

use super::{Builder, PlanError};
use crate::topology::desired::{Hop, Peer, PrefixTable, SharedTable, VnetTables};

/// Tables and the roots that they were built to. All that the roots lead to is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::topology::plan) struct KnownTables {
    routes: BTreeMap<TableId, Arc<Built<SharedTable<Hop>>>>,
    endpoints: BTreeMap<VnetId, Arc<Built<PrefixTable<NicId>>>>,
    peers: BTreeMap<VnetId, Arc<Built<SharedTable<Peer>>>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Built<T> {
    table: T,
    roots: Roots,
}

/// Builds what is not known, and notes all of it for the next plan.
pub(super) struct Recall<'a> {
    before: &'a KnownTables,
    next: KnownTables,
    routes: Compared,
    peers: Compared,
}

impl<'a> Recall<'a> {
    pub(super) fn new(before: &'a KnownTables) -> Self {
        let next = KnownTables::default();
        Self { before, next, routes: Compared::default(), peers: Compared::default() }
    }

    /// The roots of effective routes.
    pub(super) fn routes(
        &mut self,
        builder: &mut Builder,
        id: TableId,
        table: &SharedTable<Hop>,
    ) -> Result<Roots, PlanError> {
        let before = self.before.routes.get(&id);
        let built = if let Some(before) = before.filter(|it| self.routes.same(&it.table, table)) {
            builder.keep_routes(before.roots);
            Arc::clone(before)
        } else {
            Arc::new(Built { roots: builder.routes(table)?, table: table.clone() })
        };
        let roots = built.roots;
        self.next.routes.insert(id, built);
        Ok(roots)
    }

    /// A virtual network with its roots.
    pub(super) fn vnet(
        &mut self,
        builder: &mut Builder,
        id: VnetId,
        tables: &VnetTables,
    ) -> Result<abi::Vnet, PlanError> {
        let before = self.before.peers.get(&id);
        let peers =
            if let Some(before) = before.filter(|it| self.peers.same(&it.table, &tables.peers)) {
                builder.keep_tries(before.roots, |_| ());
                Arc::clone(before)
            } else {
                let (roots, table) = (builder.peers(&tables.peers)?, tables.peers.clone());
                Arc::new(Built { table, roots })
            };
        let before = self.before.endpoints.get(&id);
        let endpoints = if let Some(before) = before.filter(|it| it.table == tables.endpoints) {
            builder.keep_tries(before.roots, |_| ());
            Arc::clone(before)
        } else {
            let (roots, table) = (builder.endpoints(&tables.endpoints)?, tables.endpoints.clone());
            Arc::new(Built { table, roots })
        };
        let vnet = abi::Vnet {
            flags: if tables.hosted { vnet_flags::HOSTED } else { 0 },
            region: tables.region,
            group_links: tables.group_links,
            endpoints: endpoints.roots,
            peers: peers.roots,
        };
        self.next.peers.insert(id, peers);
        self.next.endpoints.insert(id, endpoints);
        Ok(vnet)
    }

    pub(super) fn finish(self) -> KnownTables {
        self.next
    }
}

/// The last two shared tables that were compared: hundreds of tables may share them.
#[derive(Default)]
struct Compared {
    places: Option<[usize; 2]>,
    same: bool,
}

impl Compared {
    /// Whether two tables are the same.
    fn same<T: PartialEq>(&mut self, one: &SharedTable<T>, other: &SharedTable<T>) -> bool {
        if one.own != other.own {
            return false;
        }
        let (Some(one), Some(other)) = (&one.shared, &other.shared) else {
            return one.shared.is_none() && other.shared.is_none();
        };
        let places = [one, other].map(|it| Arc::as_ptr(it).addr());
        if self.places != Some(places) {
            self.same = Arc::ptr_eq(one, other) || one == other;
            self.places = Some(places);
        }
        self.same
    }
}
