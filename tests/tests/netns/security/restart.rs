//! An agent that is killed and started again.

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, GroupOf, RuleOf, Spec, Stream},
};
use vnetpeer_userspace::agent::api::{FlowQuery, FlowRecord};

use super::{HTTPS, SERVERS, serve};
use crate::lifecycle::kill_and_restart;

const DATAGRAMS: usize = 60_000;
const PER_SECOND: usize = 20_000;

fn document() -> String {
    let group = |nic| {
        let rules = vec![
            RuleOf::allow_in("https", "Tcp", "443"),
            RuleOf::allow_in("datagrams", "Udp", "*"),
            RuleOf::deny_all_in(),
        ];
        GroupOf::new(nic, rules)
    };
    let client = GroupOf::new("red1", vec![RuleOf::deny_all_in()]);
    let [blue1, blue2] = SERVERS.map(group);
    Spec::pair("tc", false).yaml_with(&[client, blue1, blue2])
}

/// The flow of a connection as its server's host lists it.
async fn flow(deployment: &Deployment, host: &str, connection: &Connection) -> FlowRecord {
    let query = FlowQuery {
        network_interface: None,
        protocol: Some(6),
        remote: Some(connection.local().ip().into()),
        limit: 1_000,
    };
    let list = deployment.agent(host).flows(&query).await.expect("the agent answers");
    let mut flows = list.flows.into_iter().filter(|flow| flow.local_port == Some(HTTPS));
    let found = flows.find(|flow| flow.remote_port == Some(connection.local().port()));
    found.expect("the flow is listed")
}

#[tokio::test]
async fn a_killed_agent_interrupts_nothing() {
    if !kernel::available() {
        return;
    }
    let mut deployment = Deployment::up("s-kill", &document()).await;
    let [red1, blue2] = ["red1", "blue2"].map(|name| deployment.guest(name));
    let servers = serve(&deployment, &["blue2"], HTTPS);
    let running: Vec<_> =
        servers.iter().map(|it| Connection::open(&red1, it.address()).run()).collect();
    let stream = Stream::start(&red1, &blue2, true, DATAGRAMS, PER_SECOND);
    stream.reach(DATAGRAMS / 8).await;
    kill_and_restart(&mut deployment, "host-a", &stream).await;
    kill_and_restart(&mut deployment, "host-b", &stream).await;
    let report = stream.finish();
    report.assert_whole();
    for running in running {
        let (mut connection, longest) = running.stop();
        println!("longest exchange while agents were killed: {longest:?}");
        connection.exchange().expect("it goes on");
        let flow = flow(&deployment, "host-b", &connection).await;
        assert_eq!(flow.state, "Established");
        assert!(flow.age_seconds >= 1, "it is the one from before: {flow:?}");
        let rule = flow.rules.first().and_then(|rule| rule.name.as_deref());
        assert_eq!(rule, Some("securityRules/https"), "{flow:?}");
    }
    for server in &servers {
        Connection::open(&red1, server.address()).exchange().expect("a new one works");
    }
}
