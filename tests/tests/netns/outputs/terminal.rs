//! `vnetpeer top` in a terminal of its own, and completions as a shell asks for them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use vnetpeer_tests::netns::{Deployment, program};

/// Shows the screen, and the two modes of a terminal that a screen changes.
pub(super) fn top_gives_the_terminal_back(deployment: &Deployment) {
    let (program, lab) = (program(), &deployment.lab.record().name);
    for how in ["q", "TERM"] {
        let top = format!("{} top --lab {lab} --interval 0.2", program.display());
        let run = match how {
            "q" => top,
            // A signal while it is shown.
            signal => format!("{top} & pid=$!; sleep 1; kill -{signal} $pid; wait $pid"),
        };
        let line = format!(
            "stty rows 20 cols 100; before=$(stty -g); {run}; echo end=$?; \
            [ \"$before\" = \"$(stty -g)\" ] && echo sane"
        );
        let mut script = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux has `script`");
        sleep(Duration::from_millis(1_500));
        let mut keys = script.stdin.take().expect("its input");
        if how == "q" {
            keys.write_all(b"2q").expect("it reads keys");
        }
        let output = script.wait_with_output().expect("it ends");
        drop(keys);
        let text = String::from_utf8_lossy(&output.stdout);
        let (enter, leave) = (text.find("\u{1b}[?1049h"), text.rfind("\u{1b}[?1049l"));
        assert!(enter.is_some() && enter < leave, "{how}: {text}");
        assert!(text.contains("vnetpeer top: quickstart"), "{how}: {text}");
        assert!(text.contains("end=0") && text.contains("sane"), "{how}: {text}");
    }
}

/// What bash is offered for the last word.
fn offered(words: &[&str]) -> Vec<String> {
    let output = Command::new(program())
        .arg("--")
        .args(words)
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .current_dir(super::root())
        .output()
        .expect("run vnetpeer");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

pub(super) fn names_are_completed(deployment: &Deployment) {
    let lab = deployment.lab.record().name.as_str();
    for (words, name) in [
        (&["vnet", "show", "sp"][..], "spoke1"),
        (&["nic", "effective-routes", "hub"], "hub-vm2"),
        (&["peering", "show", "hub/"], "hub/hub-to-spoke2"),
        (&["subnet", "show", "hub"], "hub/workload"),
        (&["trace", "spoke1-vm1", "spoke2"], "spoke2-vm1"),
        (&["observe", "--peering", "spoke1"], "spoke1/spoke1-to-hub"),
        (&["explain", "NoR"], "NoRoute"),
        (&["lab", "down", "t-out"], lab),
    ] {
        let all = [&["vnetpeer", "--lab", lab], words].concat();
        let found = offered(&all);
        assert!(found.iter().any(|it| it == name), "{words:?}: {found:?}");
    }
    for (words, name) in [
        ("nsg show -f examples/security-groups.yaml w", "web-subnet"),
        ("route-table show -f examples/service-chain.yaml s", "spoke1-to-spoke2"),
        ("load-balancer show --file=examples/load-balancer.yaml w", "web"),
        ("run -f examples/quickstart.yaml --host h", "host-b"),
    ] {
        let found = offered(&[&["vnetpeer"], &*words.split(' ').collect::<Vec<_>>()].concat());
        assert!(found.iter().any(|it| it == name), "{words}: {found:?}");
    }
}
