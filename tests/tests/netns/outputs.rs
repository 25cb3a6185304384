//! What every reading command prints, in each format: real output of one lab, and of the examples where the lab
//! has nothing of the kind. `INSTA_UPDATE=always` writes the snapshots anew.

mod cases;
mod terminal;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::SocketAddr,
    panic::catch_unwind,
    path::Path,
    process::{Command, Output},
};

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, program},
};
use vnetpeer_userspace::cli;

use self::cases::{CASES, Case, WITHOUT};

const FORMATS: [&str; 3] = ["table", "json", "yaml"];

/// Texts that are different every time, and what stands for them.
const VARYING: [(&str, &str); 10] = [
    (r"t-outputs-\d+", "LAB"),
    (r"vn[a-z]-[0-9a-f]{6,}", "NAMESPACE"),
    (r"/tmp/\.tmp\w+", "TMP"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    (r"\b[0-9a-f]{16,64}\b", "DIGEST"),
    (r"\bABI \d+", "ABI N"),
    (r#"(abiVersion"?: )\d+"#, "${1}N"),
    (r#"(\b(?:id|requestId)"?: "?)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"#, "${1}GUID"),
    (r"/v\d+/", "/vN/"),
    (r#"(\bversion"?:? "?)\d+\.\d+\.\d+"#, "${1}N"),
];

/// Numbers that are different every time, in JSON and YAML.
const VARYING_NUMBERS: &str = r#"("?(?:ageSeconds|idleSeconds|ifindex|used|flows|halfOpen|eventsLost|driftMended|pid|started|startTime|\w+Bytes|\w+Packets|packets|bytes|balance|localPort|remotePort|latencyMs|\w+LatencyInMs|sequence|compared|intervalSeconds|\w+PerSecond|epoch|time|uid)"?: )(?:-?\d[\d.]*|null)"#;

/// What the datapath is made of is not of the command line: fill of maps, entry by entry.
const MAPS: [(&str, &str); 4] = [
    (
        r#"(?m)^ *\{\n(?: *"host": "[^"]*",\n)? *"(?:name|map)": "[A-Z0-9_]+",\n *"used": N,\n *"capacity": \d+\n *\},?\n"#,
        "",
    ),
    (r"(?m)^ *- (?:host: \S+\n +map|name): [A-Z0-9_]+\n +used: N\n +capacity: \d+\n", ""),
    (r"maps: [A-Z].*", "maps: MAPS"),
    (r"(?m)^host-[ab] [A-Z0-9_]+ N N N\n", ""),
];

/// What `doctor` finds of the machine, and not of the lab.
const MACHINE: [(&str, &str); 4] = [
    (
        r"(?m)^(?:ok|warning|ERROR) (\S+) (kernel version|BTF|memory|clock|offloads|conntrack) .*(?:\nfix: .*)?",
        "LEVEL $1 $2 FOUND",
    ),
    (
        r#"("check": "(?:kernel version|BTF|memory|clock|offloads|conntrack)",\n +"level": )"\w+"(,\n +"found": ).*(\n +"fix": ).*"#,
        "${1}LEVEL${2}FOUND${3}FIX",
    ),
    (
        r"(check: (?:kernel version|BTF|memory|clock|offloads|conntrack)\n  level: )\w+(\n  found: ).*(?:\n    .*)*(\n  fix: ).*(?:\n    .*)*",
        "${1}LEVEL${2}FOUND${3}FIX",
    ),
    (r"\bversion \d+ on both", "version N on both"),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs a command about the lab, where the examples are.
fn run(deployment: &Deployment, command: &str, format: &str) -> Output {
    let mut vnetpeer = Command::new(program());
    vnetpeer.args(command.split_whitespace()).args(["-o", format]);
    vnetpeer.args(["--lab", &deployment.lab.record().name]).current_dir(root());
    vnetpeer.env("NO_COLOR", "1").output().expect("run vnetpeer")
}

/// What a terminal shows of it.
fn shown(deployment: &Deployment, case: &Case) -> String {
    let mut text = String::new();
    for format in FORMATS {
        let output = run(deployment, case.command, format);
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        if format == "table" && case.varies {
            // A number with more digits moves the columns.
            said = said.lines().map(squeezed).collect::<Vec<_>>().join("\n");
        }
        let end = output.status.code().unwrap_or(-1);
        let stderr = String::from_utf8_lossy(&output.stderr);
        // 1: failed, 2: called wrongly. All others are answers too.
        assert_eq!(matches!(end, 1 | 2), case.fails, "{}: {stderr}", case.command);
        // What is kept is what a command does, and not that it was called wrongly.
        assert!(!stderr.contains("try '--help'"), "{}: {stderr}", case.command);
        let _ = write!(text, "$ vnetpeer {} -o {format}\n{}\n", case.command, said.trim_end());
        if !stderr.is_empty() {
            let _ = write!(text, "--- standard error\n{}\n", stderr.trim_end());
        }
        if end != 0 {
            let _ = writeln!(text, "--- exit code {end}");
        }
        text.push('\n');
    }
    text
}

/// Words with one space between them, and `N` for those that are numbers.
fn squeezed(line: &str) -> String {
    let is_number = |it: &&str| {
        let it = it.trim_matches(['#', ',', ':', '(', ')']);
        let digits = it.bytes().filter(u8::is_ascii_digit).count();
        digits > 0 && it.bytes().all(|it| b"0123456789smh/-%".contains(&it))
    };
    let word = |it: &str| match it.parse::<SocketAddr>() {
        Ok(it) => format!("{}:N", it.ip()),
        Err(_) if is_number(&it) => "N".to_owned(),
        Err(_) => it.to_owned(),
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn assert_case(deployment: &Deployment, case: &Case) -> bool {
    let text = shown(deployment, case);
    let mut filters: Vec<(&str, &str)> = VARYING.to_vec();
    if case.varies {
        filters.push((VARYING_NUMBERS, "${1}N"));
        filters.extend(MAPS);
        filters.extend(MACHINE);
    }
    let check = || {
        insta::with_settings!({
            filters => filters.clone(), snapshot_path => "outputs/snapshots",
            prepend_module_to_snapshot => false, omit_expression => true,
        }, {
            insta::assert_snapshot!(case.name(), text.clone());
        });
    };
    catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
}

#[tokio::test]
async fn every_reading_command_prints_what_it_did() {
    if !kernel::available() {
        return;
    }
    let document = std::fs::read_to_string(root().join("examples/quickstart.yaml"));
    let deployment = Deployment::up("outputs", &document.expect("the example")).await;
    // Something to show: packets over a peering, and one that is dropped.
    let guest = deployment.guest("hub-vm1");
    assert!(guest.pings("10.1.1.4".parse().expect("an address")));
    assert!(guest.pings_in_vain("10.99.0.1".parse().expect("an address")));
    deployment.ask("peering sync hub/hub-to-spoke1");
    let wrong: Vec<&str> =
        CASES.iter().filter(|it| !assert_case(&deployment, it)).map(|it| it.command).collect();
    assert!(wrong.is_empty(), "different now, see above: {wrong:#?}");
    terminal::names_are_completed(&deployment);
    terminal::top_gives_the_terminal_back(&deployment);
}

/// A new command needs a line in `cases.rs`.
#[test]
fn every_command_has_an_output_or_a_reason() {
    let mut leaves = BTreeSet::new();
    collect("", cli::commands().get_subcommands(), &mut leaves);
    let covered = |leaf: &&String| {
        let is_of =
            |it: &&Case| it.command == **leaf || it.command.starts_with(&format!("{leaf} "));
        CASES.iter().any(|it| is_of(&it)) || WITHOUT.iter().any(|(it, _)| it == *leaf)
    };
    let missing: Vec<&String> = leaves.iter().filter(|it| !covered(it)).collect();
    assert!(missing.is_empty(), "no output snapshot and no reason: {missing:?}");
    for (command, reason) in WITHOUT {
        assert!(leaves.contains(*command) && !reason.is_empty(), "`{command}` is no command");
    }
}

/// A snapshot that no command is compared with says nothing.
#[test]
fn every_snapshot_is_of_one_command() {
    let names: BTreeSet<String> = CASES.iter().map(Case::name).collect();
    assert_eq!(names.len(), CASES.len(), "two commands have one name");
    let folder = root().join("tests/tests/netns/outputs/snapshots");
    let files = std::fs::read_dir(folder).expect("the snapshots");
    let files = files.filter_map(|it| {
        let file = it.expect("a file").file_name().into_string().ok()?;
        file.strip_suffix(".snap").map(ToOwned::to_owned)
    });
    assert_eq!(names, files.collect(), "commands; files");
}

fn collect<'a>(
    path: &str,
    commands: impl Iterator<Item = &'a clap::Command>,
    leaves: &mut BTreeSet<String>,
) {
    for it in commands.filter(|it| it.get_name() != "help") {
        let path = format!("{path} {}", it.get_name()).trim_start().to_owned();
        if it.has_subcommands() {
            collect(&path, it.get_subcommands(), leaves);
        } else {
            leaves.insert(path);
        }
    }
}
