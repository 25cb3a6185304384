//! Who asks: a unix user with its groups, and the principals that it acts as.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::topology::model::{Permissions, PrincipalIndex};

/// Somebody who wants to do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The unix user; none for a principal that is only asked about.
    pub uid: Option<u32>,
    /// Whether everything is allowed.
    pub is_owner: bool,
    /// The principals that it acts as: by its user first, then by its groups.
    pub principals: Vec<PrincipalIndex>,
}

impl Caller {
    /// A unix user. Root owns the machine, so it may do everything.
    pub fn of_unix(permissions: &Permissions, uid: u32, gids: &[u32]) -> Self {
        if uid == 0 {
            return Self { uid: Some(uid), is_owner: true, principals: Vec::new() };
        }
        let all = || permissions.principals.iter().enumerate();
        let by_user = all().filter(|(_, it)| it.uids.contains(&uid));
        let by_group = all().filter(|(_, it)| it.gids.iter().any(|gid| gids.contains(gid)));
        let mut principals: Vec<PrincipalIndex> = Vec::new();
        for (index, _) in by_user.chain(by_group) {
            if !principals.contains(&PrincipalIndex(index)) {
                principals.push(PrincipalIndex(index));
            }
        }
        Self { uid: Some(uid), is_owner: false, principals }
    }

    /// A principal, whoever acts as it.
    pub fn of_principal(index: PrincipalIndex) -> Self {
        Self { uid: None, is_owner: false, principals: vec![index] }
    }

    /// What messages and records call it.
    pub fn name(&self, permissions: &Permissions) -> String {
        if self.is_owner {
            return "root".to_owned();
        }
        let names = self.principals.iter().filter_map(|it| permissions.principal(*it));
        let names: Vec<&str> = names.map(|it| it.name.as_str()).collect();
        match (names.as_slice(), self.uid) {
            ([], Some(uid)) => format!("uid {uid}"),
            (names, _) => names.join(", "),
        }
    }

    /// The id of the first principal; nil if there is none.
    pub fn object_id(&self, permissions: &Permissions) -> Uuid {
        let first = self.principals.first().and_then(|it| permissions.principal(*it));
        first.map_or(Uuid::nil(), |it| it.object_id)
    }

    /// The tenant that it comes from.
    pub fn home_tenant(&self, permissions: &Permissions) -> Option<Uuid> {
        let first = self.principals.first().and_then(|it| permissions.principal(*it))?;
        first.tenants.first().copied()
    }

    /// The principals whose assignments count in a tenant, or everywhere: those that the tenant knows, and
    /// the groups that they are members of, directly or through others.
    pub(super) fn effective(
        &self,
        permissions: &Permissions,
        tenant: Option<Uuid>,
    ) -> BTreeSet<PrincipalIndex> {
        let is_known = |index: &PrincipalIndex| {
            let principal = permissions.principal(*index);
            principal.is_some_and(|it| tenant.is_none_or(|tenant| it.tenants.contains(&tenant)))
        };
        let mut found: BTreeSet<PrincipalIndex> =
            self.principals.iter().copied().filter(is_known).collect();
        loop {
            let before = found.len();
            for (index, principal) in permissions.principals.iter().enumerate() {
                let index = PrincipalIndex(index);
                if principal.members.iter().any(|it| found.contains(it)) && is_known(&index) {
                    found.insert(index);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }
}
