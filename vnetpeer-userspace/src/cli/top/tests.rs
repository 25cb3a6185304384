//! The screen as drawn from what agents answer.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    report::Report,
    sample::Sample,
    screen::{Screen, Then},
};

const NETWORK: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";

fn vnet(name: &str) -> String {
    format!("{NETWORK}/virtualNetworks/{name}")
}

fn nic(name: &str) -> String {
    format!("{NETWORK}/networkInterfaces/{name}")
}

/// What `GET /v1/meters` answers, `times` times the traffic of a second later.
fn meters(times: u64) -> Value {
    let link = |from: &str, to: &str, number: u32, egress: u64, ingress: u64| {
        json!({
            "peering": format!("{}/virtualNetworkPeerings/{from}-to-{to}", vnet(from)),
            "virtualNetwork": vnet(from), "remoteVirtualNetwork": vnet(to), "link": number,
            "egressBytes": 1_000_000 + egress * times, "egressPackets": 1_000 + egress * times / 1_250,
            "ingressBytes": 500_000 + ingress * times, "ingressPackets": 500 + ingress * times / 1_250,
        })
    };
    json!([
        link("hub", "spoke1", 1, 125_000_000, 2_500_000),
        link("hub", "spoke2", 2, 12_500, 0),
        link("spoke1", "hub", 3, 2_500_000, 125_000_000),
        link("spoke2", "hub", 4, 0, 12_500),
    ])
}

fn drops(times: u64) -> Value {
    json!([
        { "networkInterface": nic("spoke1-vm1"), "reason": "NoRoute",
            "meaning": "no effective route covers the destination",
            "packets": 40 + 12 * times, "bytes": 0 },
        { "networkInterface": null, "reason": "VxlanInvalid",
            "meaning": "the VXLAN header or what follows it is invalid", "packets": 3, "bytes": 0 },
    ])
}

fn status() -> Value {
    let flows = |name: &str, flows: u64, half_open: u64| {
        json!({ "networkInterface": nic(name), "flows": flows, "flowsMax": 500_000,
            "halfOpen": half_open, "halfOpenMax": 50_000 })
    };
    json!({
        "host": "host-a", "ready": true, "version": "0.1.0", "abiVersion": 4,
        "deployment": "quickstart", "serial": 7, "stateDigest": "", "pinDirectory": "",
        "adopted": false, "interfaces": [], "missingInterfaces": [], "vteps": [],
        "maps": [
            { "name": "ROUTES_V4", "used": 1_234, "capacity": 65_536 },
            { "name": "FLOWS_V4", "used": 950_000, "capacity": 1_000_000 },
        ],
        "flows": [flows("hub-vm1", 12, 0), flows("spoke1-vm1", 4_321, 17)],
        "driftMended": 0, "lastError": null, "eventsLost": 0,
    })
}

fn sample(at: Instant, times: u64) -> Sample {
    let read = "what the API has";
    Sample {
        at,
        meters: serde_json::from_value(meters(times)).expect(read),
        drops: serde_json::from_value(drops(times)).expect(read),
        statuses: vec![serde_json::from_value(status()).expect(read)],
        errors: Vec::new(),
    }
}

fn report() -> Report {
    let begin = Instant::now();
    Report::new(&sample(begin, 0), &sample(begin + Duration::from_secs(1), 1))
}

fn press(screen: &mut Screen, code: KeyCode) -> Then {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE))
}

/// The screen after some keys.
pub(in crate::cli) fn drawn(keys: &[KeyCode]) -> Buffer {
    let mut screen = Screen::new();
    screen.update(Ok(report()));
    for key in keys {
        assert_eq!(press(&mut screen, *key), Then::GoOn);
    }
    let mut terminal = Terminal::new(TestBackend::new(90, 12)).expect("a terminal");
    terminal.draw(|frame| screen.draw(frame)).expect("it is drawn");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_tab_shows_the_busiest_rows_first() {
    insta::with_settings!({
        snapshot_path => "../snapshots/top", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        let tabs = [("links", '1'), ("nics", '2'), ("drops", '3'), ("maps", '4')];
        for (name, key) in tabs {
            insta::assert_snapshot!(name, lines(&drawn(&[KeyCode::Char(key)])));
        }
        insta::assert_snapshot!("once", super::render(&report()));
    });
}

#[test]
fn keys_choose_tab_and_order() {
    let first = |keys: &[KeyCode]| {
        let text = lines(&drawn(keys));
        let row = text.lines().nth(4).unwrap_or_default().to_owned();
        row.split_whitespace().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first(&[]), "hub/hub-to-spoke1");
    assert_eq!(first(&[KeyCode::Char('s')]), "spoke1/spoke1-to-hub", "by ingress");
    assert_eq!(first(&[KeyCode::Char('r')]), "spoke2/spoke2-to-hub", "the least egress");
    assert_eq!(first(&[KeyCode::Tab]), "spoke1-vm1");
    assert_eq!(first(&[KeyCode::Left]), "host-a", "from the first tab to the last");
    assert_eq!(first(&[KeyCode::Down; 9]), "hub/hub-to-spoke1", "all rows fit");
}

#[test]
fn q_escape_and_ctrl_c_end_it() {
    let mut screen = Screen::new();
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Then::Quit);
    assert_eq!(press(&mut screen, KeyCode::Esc), Then::Quit);
    assert_eq!(press(&mut screen, KeyCode::Char('c')), Then::GoOn);
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.press(key), Then::Quit);
}

#[test]
fn an_error_is_shown_and_the_numbers_stay() {
    let mut screen = Screen::new();
    screen.update(Ok(report()));
    screen.update(Err(anyhow::anyhow!("no agent answers")));
    let mut terminal = Terminal::new(TestBackend::new(90, 12)).expect("a terminal");
    terminal.draw(|frame| screen.draw(frame)).expect("it is drawn");
    let text = lines(terminal.backend().buffer());
    assert!(text.contains("no agent answers") && text.contains("hub/hub-to-spoke1"), "{text}");
}
