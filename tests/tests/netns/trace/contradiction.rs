//! A host whose programs and maps say different things. None does, so what one agent answers is changed on its way.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Output},
    thread,
};

use vnetpeer_tests::netns::{Deployment, program};

/// What the core says of a frame to another host, and what is put in its place: equally long, as lengths of answers
/// are told before.
const CORE: [&str; 2] = [r#""maps":"transmitted""#, r#""maps":{"other":"?"}"#];
const BUFFER: usize = 65_536;

/// Hands on what an agent answers, with the core's word changed.
fn answers(mut from: UnixStream, mut to: UnixStream) -> io::Result<()> {
    let [said, instead] = CORE.map(str::as_bytes);
    let mut buffer = vec![0; BUFFER];
    loop {
        let len = from.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        let read = &mut buffer[..len];
        for at in 0..len {
            if read[at..].starts_with(said) {
                read[at..at + said.len()].copy_from_slice(instead);
            }
        }
        to.write_all(read)?;
    }
}

/// Stands before an agent for the rest of the test.
fn stand_before(agent: PathBuf, listener: UnixListener) {
    thread::spawn(move || {
        for caller in listener.incoming() {
            let (mut caller, mut agent) = (caller?, UnixStream::connect(&agent)?);
            let (from, to) = (agent.try_clone()?, caller.try_clone()?);
            thread::spawn(move || answers(from, to));
            thread::spawn(move || io::copy(&mut caller, &mut agent));
        }
        io::Result::Ok(())
    });
}

pub(super) fn is_told(deployment: &Deployment) {
    assert_eq!(CORE[0].len(), CORE[1].len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let liar = folder.path().join("liar.sock");
    let [host_a, host_b] = ["host-a", "host-b"].map(|name| {
        let mut hosts = deployment.lab.record().hosts.iter();
        hosts.find(|it| it.name == name).expect("a host").socket()
    });
    stand_before(host_a, UnixListener::bind(&liar).expect("a socket"));
    let trace = |format: &str| -> Output {
        let mut vnetpeer = Command::new(program());
        vnetpeer.args(["trace", "red1", "red2", "--live", "-o", format]).arg("--socket").arg(&liar);
        vnetpeer.arg("--socket").arg(&host_b).env("NO_COLOR", "1");
        vnetpeer.output().expect("run vnetpeer")
    };
    let (answer, status) = super::read(&trace("json"));
    let live = &answer["live"];
    let disagreements = live["disagreements"].as_array().expect("a list");
    assert_eq!((status, disagreements.len()), (1, 1), "{live:#}");
    let it = &disagreements[0];
    assert_eq!(
        (it["code"].as_str(), it["host"].as_str()),
        (Some("TraceDisagreement"), Some("host-a"))
    );
    let message = it["message"].as_str().expect("a message");
    assert!(message.contains("the programs say Transmitted"), "{message}");
    assert!(message.contains("the datapath core over the same maps Other"), "{message}");
    // What the programs do is still what the document says.
    assert_eq!(live["request"]["code"], "Delivered", "{live:#}");

    let table = trace("table");
    let text = String::from_utf8_lossy(&table.stdout);
    assert!(text.contains("\nTraceDisagreement: on host-a the programs say"), "{text}");
    assert!(!text.contains("agree\n"), "{text}");
    assert_eq!(table.status.code(), Some(1));
}
