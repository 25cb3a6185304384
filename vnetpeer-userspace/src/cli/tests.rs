mod help;
mod pictures;

use clap::Parser as _;

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|it| it.command)
}

#[test]
fn the_command_line_is_consistent() {
    commands().debug_assert();
}

#[test]
fn flows_are_filtered() {
    let parsed = parse("vnetpeer flows vm1 --protocol tcp --remote 10.0.0.0/8 --limit 5").unwrap();
    let Command::Flows(arguments) = parsed else { panic!("{parsed:?}") };
    assert_eq!(arguments.nic.as_deref(), Some("vm1"));
    assert_eq!(arguments.protocol, Some(6));
    assert_eq!(arguments.remote, Some("10.0.0.0/8".parse().unwrap()));
    assert_eq!(arguments.limit, 5);
    let parsed = parse("vnetpeer flows -o json").unwrap();
    let Command::Flows(arguments) = parsed else { panic!("{parsed:?}") };
    assert_eq!((arguments.nic, arguments.protocol, arguments.limit), (None, None, 1_000));
    assert!(parse("vnetpeer flows --protocol nonsense").is_err());
}

#[test]
fn lists_that_can_be_long_take_the_options_of_lists() {
    for line in [
        "route-table list --filter name=to-* -f a.yaml",
        "nic drops --filter reason=NoRoute --sort -packets --top 5",
        "meter show --sort -egressBytes --top 5 --skip 1 --each",
        "meter show --balance --filter virtualNetwork=hub",
        "gateway list --top 5",
        "load-balancer list --top 5",
    ] {
        assert!(parse(&format!("vnetpeer {line}")).is_ok(), "{line}");
    }
    assert!(parse("vnetpeer route-table show to-nva -o json").is_ok());
}

#[test]
fn hits_are_not_in_a_document() {
    let parsed = parse("vnetpeer nsg show web --hits --never-hit").unwrap();
    let Command::Nsg(nsg::Command::Show(show)) = parsed else { panic!("{parsed:?}") };
    assert!(show.hits && show.never_hit && show.from.file.is_none());
    assert!(parse("vnetpeer nsg show web -f a.yaml").is_ok());
    assert!(parse("vnetpeer nsg show web --hits -f a.yaml").is_err());
    assert!(parse("vnetpeer nsg list -f a.yaml").is_ok());
    assert!(parse("vnetpeer nsg show").is_err());
}

#[test]
fn effective_rules_are_those_of_a_nic() {
    let parsed = parse("vnetpeer nic effective-nsg vm1 -f a.yaml").unwrap();
    let Command::Nic(NicCommand::EffectiveNsg(arguments)) = parsed else { panic!("{parsed:?}") };
    assert_eq!(arguments.nic, "vm1");
    assert!(arguments.file.is_some());
    assert!(parse("vnetpeer nic effective-nsg").is_err());
}

#[test]
fn flags_of_a_peering_are_true_false_or_left_alone() {
    for (line, is_valid) in [
        ("peering create a/b --remote-vnet c --allow-forwarded-traffic", true),
        ("peering create a/b --remote-vnet c --allow-forwarded-traffic false --both", true),
        ("peering create a/b --remote-vnet c --allow-forwarded-traffic maybe", false),
        ("peering create a/b", false),
        ("peering update a/b --local-subnet-names x y --remote-subnet-names z", true),
        ("peering update a/b --remote-vnet c", false),
        ("peering sync a/b --both -o json", true),
        ("vnet update a --address-prefixes 10.0.0.0/16 fd00::/48", true),
        ("vnet update a --address-prefixes 10.0.0.0", false),
        ("vnet update a", false),
    ] {
        assert_eq!(parse(&format!("vnetpeer {line}")).is_ok(), is_valid, "{line}");
    }
}
