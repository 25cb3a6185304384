//! How many private IP addresses a VNet and its peers have.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    super::{
        super::{
            code::Code,
            problem::{Finding, Findings},
        },
        nic::Nics,
        vnet::Vnets,
    },
    PeeringDraft,
};

/// Azure raises it on request.
const ADDRESSES_PER_GROUP: usize = 128_000;

/// Warns about the VNet that has, with those that it is peered with, the most addresses, if they are
/// more than Azure allows unasked.
pub(in crate::document::validate) fn warn(
    drafts: &[PeeringDraft],
    vnets: &Vnets,
    nics: &Nics,
    findings: &mut Findings,
) {
    let mut own = vec![0_usize; vnets.list.len()];
    for nic in &nics.list {
        if let Some(count) = nic.place.and_then(|(vnet, _)| own.get_mut(vnet)) {
            *count += nic.addresses.len();
        }
    }
    let links = drafts.iter().map(|it| (it.vnet, it.remote));
    let Some((vnet, count)) = largest(&own, links) else { return };
    let Some(vnet) = vnets.list.get(vnet).filter(|_| count > ADDRESSES_PER_GROUP) else { return };
    let message = format!(
        "virtualNetwork `{}` and those that it is peered with have {count} private IP addresses; \
         Azure allows {ADDRESSES_PER_GROUP} unless asked for more",
        vnet.named.id.name()
    );
    findings.push(Finding::warning(Code::LimitExceeded, vnet.named.span, message).help(
        "peer fewer virtualNetworks, or ask Azure for more before you use the document there",
    ));
}

/// The VNet that has the most addresses together with its peers, and how many. `own` has those of
/// each VNet alone.
fn largest(own: &[usize], links: impl Iterator<Item = (usize, usize)>) -> Option<(usize, usize)> {
    let links: HashSet<(usize, usize)> = links.flat_map(|(a, b)| [(a, b), (b, a)]).collect();
    let mut groups = own.to_vec();
    for (vnet, remote) in links {
        if let (Some(group), Some(count)) = (groups.get_mut(vnet), own.get(remote)) {
            *group += count;
        }
    }
    let groups = groups.into_iter().enumerate();
    groups.max_by_key(|(vnet, count)| (*count, Reverse(*vnet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vnet_counts_with_its_direct_peers_and_each_of_them_once() {
        let found = |links: &[(usize, usize)]| largest(&[10, 20, 30], links.iter().copied());
        assert_eq!(found(&[]), Some((2, 30)));
        assert_eq!(found(&[(0, 1)]), Some((0, 30)));
        assert_eq!(found(&[(1, 0), (0, 1), (1, 2), (2, 1)]), Some((1, 60)));
        assert_eq!(largest(&[], std::iter::empty()), None);
    }
}
