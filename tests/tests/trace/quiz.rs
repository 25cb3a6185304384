//! The broken-network quiz: `trace` and `connectivity-check` name the one thing that is wrong with a network, the
//! resource and how to mend it; and say nothing once it is mended.

use std::{fs, net::IpAddr, path::PathBuf};

use serde_json::Value;
use vnetpeer_userspace::{
    document::load,
    explanation,
    simulate::{
        self, Packet, Protocol,
        trace::{Check, Trace, Tracer, Verdict, check},
    },
    topology::{
        facts::NetworkFacts,
        model::Topology,
        network::Network,
        state::{State, advance},
    },
};

/// As many cases as were asked for.
const CASES_MIN: usize = 30;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("quiz")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect("a file of the quiz")
}

fn cases() -> Vec<Value> {
    serde_saphyr::from_str(&read("cases.yaml")).expect("the cases are YAML")
}

/// A document with texts replaced, each of which is there once.
fn changed(text: &str, edits: &Value, name: &str) -> String {
    let edits = edits.as_array().map_or(&[][..], Vec::as_slice);
    edits.iter().fold(text.to_owned(), |text, edit| {
        let (find, replace) = (edit["find"].as_str(), edit["replace"].as_str());
        let (find, replace) = (find.expect("a text"), replace.expect("a text"));
        assert_eq!(text.matches(find).count(), 1, "{name}: {find}");
        text.replace(find, replace)
    })
}

fn topology(text: &str, name: &str) -> Topology {
    match load("quiz.yaml", text) {
        Ok(loaded) => loaded.topology,
        Err(problems) => panic!("{name}: {problems}"),
    }
}

/// What `trace` and `connectivity-check` say; hosts that had the document `earlier` have `now`.
fn answers(
    earlier: Option<&Topology>,
    now: &Topology,
    ask: &Value,
    fault: &Value,
) -> (Trace, Check) {
    let state = State::default();
    let state = earlier.map_or(state.clone(), |it| advance(&state, it).expect("numbers"));
    let state = advance(&state, now).expect("numbers");
    let network = Network::new(now, &state).expect("a network");
    let facts = NetworkFacts::default();
    let simulated = simulate::Network::new(now, &state, &facts).expect("maps");
    let property = |name: &str| if fault[name].is_null() { &ask[name] } else { &fault[name] };
    let address =
        |name: &str| property(name).as_str().map(|it| it.parse::<IpAddr>().expect("an address"));
    let from = now.nics.iter().find(|nic| Some(nic.id.name()) == ask["from"].as_str());
    let from = from.expect("a NIC");
    let to = address("to").expect("a destination");
    let own = from.addresses.iter().copied().find(|it| it.is_ipv4() == to.is_ipv4());
    let source = address("source").or(own).expect("a source");
    let number = |name: &str| property(name).as_u64().map(|it| u16::try_from(it).expect("16 bits"));
    let packet = Packet::request(Protocol::Tcp, source, to, number("port").expect("a port"));
    let packet = Packet { payload: number("payload").unwrap_or(0), ..packet };
    let tracer = Tracer::new(&network, &simulated);
    let trace = tracer.trace(from, &packet).expect("a numbered network");
    let check = check(&tracer, &trace);
    (trace, check)
}

#[test]
fn every_fault_is_named_and_none_once_it_is_mended() {
    let healthy = read("network.yaml");
    let control = topology(&healthy, "the healthy network");
    let all = cases();
    assert!(all.len() >= CASES_MIN, "{} cases", all.len());
    let mut wrong = Vec::new();
    for case in &all {
        let name = case["name"].as_str().expect("a name");
        let ask = &case["ask"];
        let (trace, check) = answers(None, &control, ask, &Value::Null);
        let leaves = case["leaves"] == true;
        let is_green = match (trace.verdict, check.connection_status) {
            (Verdict::Connected, Verdict::Connected) => trace.findings.is_empty() && !leaves,
            // What is behind a gateway is not known here.
            (Verdict::Degraded, Verdict::Degraded) => {
                leaves && trace.findings.iter().all(|it| it.code == "LeftNetwork")
            }
            _ => false,
        };
        if !is_green {
            wrong.push(format!("{name}: mended, and {}: {:?}", trace.summary, trace.findings));
        }
        let broken = changed(&healthy, &case["break"], name);
        if let Some(problem) = case["problem"].as_str() {
            let problems = load("quiz.yaml", &broken).expect_err(name).to_string();
            if !problems.contains(problem) {
                wrong.push(format!("{name}: {problems}"));
            }
            continue;
        }
        let broken = topology(&broken, name);
        let earlier = &case["earlier"];
        let earlier = earlier.is_array().then(|| topology(&changed(&healthy, earlier, name), name));
        let (trace, check) = answers(earlier.as_ref(), &broken, ask, &case["fault"]);
        wrong.extend(
            judge(case, &trace, &check).map(|it| format!("{name}: {it}\n  {}", trace.summary)),
        );
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// What is not as the case says.
fn judge(case: &Value, trace: &Trace, check: &Check) -> Option<String> {
    let Some(found) = trace.findings.first() else { return Some("nothing is found".to_owned()) };
    let code = case["code"].as_str().expect("a code");
    if found.code != code {
        return Some(format!("found {:?}", trace.findings));
    }
    let object = found.object.as_ref().map(|id| id.name().to_owned());
    if let Some(expected) = case["object"].as_str()
        && object.as_deref() != Some(expected)
    {
        return Some(format!("about {object:?}"));
    }
    if object.is_none() {
        return Some("about nothing".to_owned());
    }
    if let Some(rule) = case["rule"].as_str()
        && found.context.get("RuleName").map(String::as_str) != Some(rule)
    {
        return Some(format!("rule {:?}", found.context));
    }
    let explained = explanation::find(code).expect("every code is in the catalogue");
    if found.fix != explained.fix || found.fix.is_empty() {
        return Some(format!("fix {}", found.fix));
    }
    let issues: Vec<_> = check.hops.iter().flat_map(|hop| &hop.issues).collect();
    if issues.first().map(|it| it.finding.code) != Some(code) {
        return Some(format!("connectivity-check says {issues:?}"));
    }
    (check.connection_status == Verdict::Connected).then(|| "the check is green".to_owned())
}
