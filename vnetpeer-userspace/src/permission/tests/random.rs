//! Random permissions and questions: the evaluator and the naive one agree.

use super::{guid, naive};
use crate::{
    permission::{caller::Caller, decide::Rights, roles::built_in, scope::management_group},
    topology::model::{
        ManagementGroup, Permissions, Principal, PrincipalIndex, PrincipalType, RoleAssignment,
        RoleDefinition, RoleIndex, RolePermission, Subscription,
    },
};

const WORLDS: u64 = 10_000;
const QUESTIONS: u64 = 8;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.index(all.len())]
    }
}

const ACTIONS: [&str; 10] = [
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/write",
    "Microsoft.Network/virtualNetworks/delete",
    "Microsoft.Network/virtualNetworks/peer/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write",
    "Microsoft.ClassicNetwork/virtualNetworks/peer/action",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Network/networkInterfaces/effectiveRouteTable/action",
    "Vnetpeer.Hosts/hosts/read",
];

fn subscription(number: u64) -> String {
    guid(0x100 + u128::from(number)).to_string()
}

fn id(dice: &mut Dice) -> String {
    let (subscription, group) = (subscription(dice.below(4)), dice.below(2));
    let group = format!("/subscriptions/{subscription}/resourceGroups/g{group}");
    let vnet = dice.below(3);
    let vnet = format!("{group}/providers/Microsoft.Network/virtualNetworks/v{vnet}");
    let id = match dice.below(8) {
        0 => "/".to_owned(),
        1 => management_group(&format!("m{}", dice.below(4))),
        2 => format!("/subscriptions/{subscription}"),
        3 => group,
        4 => "/providers/Vnetpeer.Hosts/hosts/a".to_owned(),
        // `v1` is not above `v10`.
        5 => format!("{vnet}0"),
        6 => vnet,
        _ => format!("{vnet}/virtualNetworkPeerings/p"),
    };
    if id != "/" && dice.below(4) == 0 { id.to_ascii_uppercase() } else { id }
}

/// An action with stars at random places, or one that is hardly another.
fn pattern(dice: &mut Dice) -> String {
    let action = *dice.one_of(&ACTIONS);
    match dice.below(8) {
        0 => "*".to_owned(),
        1 => "*/read".to_owned(),
        2 => "Microsoft.Network/*".to_owned(),
        3 => action.to_owned(),
        4 => action.to_ascii_lowercase(),
        _ => {
            let mut text = action.to_owned();
            for _ in 0..=dice.below(2) {
                let (from, to) = (dice.index(text.len()), dice.index(text.len()));
                text.replace_range(from.min(to)..from.max(to), "*");
            }
            text
        }
    }
}

fn patterns(dice: &mut Dice, limit: u64) -> Vec<String> {
    (0..dice.below(limit)).map(|_| pattern(dice)).collect()
}

fn world(dice: &mut Dice) -> Permissions {
    let mut world = Permissions::default();
    for number in 0..4 {
        // A parent has a lower number, so there is no circle.
        let parent = (number > 0 && dice.below(3) > 0).then(|| format!("M{}", dice.below(number)));
        world.management_groups.push(ManagementGroup { name: format!("m{number}"), parent });
    }
    for number in 0..3 {
        let management_group = (dice.below(3) > 0).then(|| format!("m{}", dice.below(4)));
        let tenant = guid(1 + u128::from(dice.below(2)));
        world.subscriptions.push(Subscription {
            id: subscription(number),
            tenant,
            management_group,
        });
    }
    for number in 0..5_usize {
        let is_group = number >= 3;
        let tenants: Vec<_> = match dice.below(3) {
            0 => vec![guid(1)],
            1 => vec![guid(2)],
            _ if is_group => vec![guid(1)],
            _ => vec![guid(1), guid(2)],
        };
        let members = (0..number).filter(|_| is_group && dice.below(2) == 0);
        world.principals.push(Principal {
            name: format!("p{number}"),
            object_id: guid(0x200 + number as u128),
            tenants,
            principal_type: if is_group { PrincipalType::Group } else { PrincipalType::User },
            members: members.map(PrincipalIndex).collect(),
            uids: Vec::new(),
            gids: Vec::new(),
        });
    }
    for number in 0..3_u128 {
        let permissions = (0..=dice.below(2))
            .map(|_| RolePermission { actions: patterns(dice, 3), not_actions: patterns(dice, 3) });
        world.custom_roles.push(RoleDefinition {
            guid: guid(0x300 + number),
            name: format!("r{number}"),
            description: String::new(),
            permissions: permissions.collect(),
            assignable_scopes: vec!["/".to_owned()],
        });
    }
    for number in 0..dice.below(5) {
        let role = match dice.below(3) {
            0 => RoleIndex::BuiltIn(dice.index(built_in().len())),
            _ => RoleIndex::Custom(dice.index(3)),
        };
        world.assignments.push(RoleAssignment {
            id: format!("/assignments/{number}"),
            principal: PrincipalIndex(dice.index(5)),
            role,
            scope: id(dice),
        });
    }
    world
}

#[test]
fn the_evaluator_agrees_with_a_naive_one() {
    let mut dice = Dice(1);
    let (mut asked, mut allowed, mut disagreements) = (0_u64, 0_u64, 0_u64);
    for _ in 0..WORLDS {
        let world = world(&mut dice);
        for _ in 0..QUESTIONS {
            let (who, action, id) = (dice.index(5), *dice.one_of(&ACTIONS), id(&mut dice));
            let action =
                if dice.below(4) == 0 { action.to_ascii_uppercase() } else { action.to_owned() };
            let caller = Caller::of_principal(PrincipalIndex(who));
            let answer = Rights::new(&world, caller).may(&action, &id);
            let expected = naive::allows(&world, who, &action, &id);
            asked += 1;
            allowed += u64::from(expected);
            if answer != expected {
                disagreements += 1;
                eprintln!("p{who} {action} {id}: {answer}, not {expected}, in {world:#?}");
            }
        }
    }
    println!(
        "{asked} questions in {WORLDS} worlds, {allowed} allowed, {disagreements} disagreements"
    );
    assert_eq!(disagreements, 0);
    assert!(allowed > asked / 50, "too few are allowed to mean something: {allowed}");
}
