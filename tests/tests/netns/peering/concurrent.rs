//! Commands at the same time: none of them loses another's change.

use std::thread;

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec},
};

#[tokio::test]
async fn commands_at_the_same_time_are_all_in_force() {
    if !kernel::available() {
        return;
    }
    let spec = Spec { peered: Vec::new(), ..Spec::pair("tc", false) };
    let deployment = Deployment::up("p-same-time", &spec.yaml()).await;
    let commands = [
        "peering create red/to-blue --remote-vnet blue",
        "peering create blue/to-red --remote-vnet red",
        "peering create red/to-green --remote-vnet green",
        "peering create green/to-red --remote-vnet red",
        "vnet update green --address-prefixes 10.2.0.0/16 fd00:2::/48 10.22.0.0/16",
    ];
    thread::scope(|scope| {
        for command in commands {
            scope.spawn(|| deployment.ask(command));
        }
    });
    let peerings = deployment.ask("peering list");
    let mut names: Vec<&str> = peerings
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["properties"]["peeringState"] == "Connected")
        .filter_map(|it| it["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["blue/to-red", "green/to-red", "red/to-blue", "red/to-green"]);
    let green = deployment.ask("vnet show green");
    let space = green["properties"]["addressSpace"]["addressPrefixes"].as_array();
    assert_eq!(space.map(Vec::len), Some(3));
    let mut digests = Vec::new();
    for agent in deployment.agents() {
        let status = agent.status().await.expect("the agent answers");
        assert_eq!(status.serial, 1 + commands.len() as u64);
        digests.push(status.state_digest);
    }
    assert_eq!(digests[0], digests[1]);
}
