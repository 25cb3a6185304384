//! Expected and seen connectivity side by side.

mod junit;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
    path::PathBuf,
};

use serde::Serialize;

use super::{
    command::Runner,
    error::LabError,
    expected::{Expectation, Packet, Paths, services},
    probe::{self, Guest, Probe, Protocol, Seen},
};
use crate::topology::{
    model::{NicIndex, Topology},
    state::State,
};

/// More differences than this are not listed one by one.
const DIFFERENCES_MAX: usize = 40;

/// A wider table has numbers instead of names above its columns.
const WIDTH_MAX: usize = 120;

/// Who reaches whom, expected and seen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// Names of the NICs, in the order of the document.
    pub nics: Vec<String>,
    /// One for every NIC, address of another NIC, protocol and port.
    pub cells: Vec<Cell>,
}

/// One address of one NIC, tried from another NIC by one protocol at one port.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The NIC that asked.
    pub from: String,
    /// The NIC that was meant.
    pub to: String,
    /// Its address that was asked.
    pub address: IpAddr,
    /// How.
    pub protocol: Protocol,
    /// The port that was asked; 0 for ICMP.
    pub port: u16,
    /// The NIC that should answer.
    pub expected: Option<String>,
    /// The NIC that answered.
    pub seen: Option<String>,
    /// NICs that received the request and should not have.
    pub leaked_to: Vec<String>,
    /// What it looks like on its way, if it differs and captures were asked for.
    pub capture: Option<PathBuf>,
}

impl Cell {
    /// Whether what was seen is what was expected.
    pub fn is_equal(&self) -> bool {
        self.expected == self.seen && self.leaked_to.is_empty()
    }

    /// The protocol, and the port if it is not the lab's own.
    fn service(&self) -> String {
        match self.port {
            0 | probe::PORT => self.protocol.to_string(),
            port => format!("{} port {port}", self.protocol),
        }
    }

    /// What was expected and what was seen, in words.
    fn difference(&self) -> String {
        let who = |nic: &Option<String>| nic.clone().unwrap_or_else(|| "nobody".to_owned());
        let mut text = format!(
            "{} to {} ({}) by {}: {} should answer, {} did",
            self.from,
            self.to,
            self.address,
            self.service(),
            who(&self.expected),
            who(&self.seen)
        );
        if !self.leaked_to.is_empty() {
            let _ = write!(text, "; leaked to {}", self.leaked_to.join(", "));
        }
        if let Some(capture) = &self.capture {
            let _ = write!(text, "; see {}", capture.display());
        }
        text
    }

    /// Whether the NIC that was meant should answer.
    pub fn is_expected(&self) -> bool {
        self.expected.as_ref() == Some(&self.to)
    }

    /// Whether the NIC that was meant answered.
    pub fn is_reached(&self) -> bool {
        self.seen.as_ref() == Some(&self.to)
    }
}

/// Tries every address of every NIC from every other NIC. `namespaces` are the NICs' own, in the
/// order of the topology.
pub(super) async fn measure(
    topology: &Topology,
    state: &State,
    namespaces: &[&str],
    runner: Runner<'_>,
) -> Result<Matrix, LabError> {
    let paths = Paths::new(topology, state)?;
    let guests = guests(topology, namespaces);
    let services = services(topology);
    let mut probes = Vec::new();
    let mut expectations = Vec::new();
    for (from, to) in pairs(&guests) {
        for destination in &to.addresses {
            let same_family = |it: &&IpAddr| it.is_ipv4() == destination.is_ipv4();
            let Some(source) = from.addresses.iter().find(same_family) else { continue };
            for (protocol, port) in services.iter().copied() {
                let request = Packet::request(protocol, port, *source, *destination);
                // What depends on the hash of a flow cannot be predicted, and is not tried.
                let Some(expectation) = paths.expect(from.nic, &request) else { continue };
                probes.push(Probe {
                    from: from.nic,
                    source: *source,
                    destination: *destination,
                    protocol,
                    port,
                    should_answer: expectation.answering().is_some(),
                });
                expectations.push((to.nic, expectation));
            }
        }
    }
    let seen = probe::run(&guests, &probes, runner).await?;
    let names = names(topology);
    let results = probes.iter().zip(expectations).zip(seen);
    let cells =
        results.map(|((probe, (to, expected)), seen)| cell(&names, probe, to, expected, &seen));
    Ok(Matrix { cells: cells.collect(), nics: names })
}

/// Sends the probes of some cells once more, all at once.
pub(super) async fn again(
    topology: &Topology,
    namespaces: &[&str],
    cells: &[Cell],
    runner: Runner<'_>,
) -> Result<(), LabError> {
    let (guests, names) = (guests(topology, namespaces), names(topology));
    let probes = cells.iter().filter_map(|cell| {
        let from = guests.get(names.iter().position(|name| *name == cell.from)?)?;
        let is_same_family = |it: &&IpAddr| it.is_ipv4() == cell.address.is_ipv4();
        Some(Probe {
            from: from.nic,
            source: *from.addresses.iter().find(is_same_family)?,
            destination: cell.address,
            protocol: cell.protocol,
            port: cell.port,
            should_answer: cell.expected.is_some(),
        })
    });
    let probes: Vec<Probe> = probes.collect();
    probe::run(&guests, &probes, runner).await.map(drop)
}

fn guests(topology: &Topology, namespaces: &[&str]) -> Vec<Guest> {
    let nics = topology.nics.iter().zip(namespaces).enumerate();
    nics.map(|(index, (nic, namespace))| Guest {
        nic: NicIndex(index),
        namespace: (*namespace).to_owned(),
        addresses: nic.addresses.clone(),
    })
    .collect()
}

fn pairs(guests: &[Guest]) -> impl Iterator<Item = (&Guest, &Guest)> {
    let pairs = guests.iter().flat_map(|from| guests.iter().map(move |to| (from, to)));
    pairs.filter(|(from, to)| from.nic != to.nic)
}

fn cell(names: &[String], probe: &Probe, to: NicIndex, expected: Expectation, seen: &Seen) -> Cell {
    let name = |nic: NicIndex| names.get(nic.0).cloned().unwrap_or_default();
    let strayed = seen.received_by.iter().filter(|nic| Some(**nic) != expected.receiver);
    Cell {
        from: name(probe.from),
        to: name(to),
        address: probe.destination,
        protocol: probe.protocol,
        port: probe.port,
        expected: expected.answering().map(name),
        seen: seen.answered_by.map(name),
        leaked_to: strayed.copied().map(name).collect(),
        capture: None,
    }
}

/// Names of the NICs; the whole id where two have the same name.
fn names(topology: &Topology) -> Vec<String> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for nic in &topology.nics {
        *count.entry(nic.id.name()).or_default() += 1;
    }
    let unique = |name: &str| count.get(name) == Some(&1);
    let nics = topology.nics.iter();
    nics.map(|nic| if unique(nic.id.name()) { nic.id.name() } else { nic.id.as_str() }.to_owned())
        .collect()
}

impl Matrix {
    /// Whether everything that was seen was expected.
    pub fn all_equal(&self) -> bool {
        self.cells.iter().all(Cell::is_equal)
    }

    /// A table of all pairs, a line for every protocol, and every difference.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.render_pairs(&mut text);
        text.push('\n');
        self.render_protocols(&mut text);
        self.render_differences(&mut text);
        text
    }

    fn render_pairs(&self, text: &mut String) {
        let widest = self.nics.iter().map(String::len).max().unwrap_or(0);
        let narrow =
            self.nics.iter().map(|it| it.len().max(5) + 2).sum::<usize>() + widest > WIDTH_MAX;
        let rows = self.nics.iter().enumerate().map(|(index, name)| {
            if narrow { format!("{:>3} {name}", index + 1) } else { name.clone() }
        });
        let rows: Vec<String> = rows.collect();
        let columns: Vec<String> = if narrow {
            (1..=rows.len()).map(|number| number.to_string()).collect()
        } else {
            rows.clone()
        };
        let left = rows.iter().map(String::len).max().unwrap_or(0).max("from \\ to".len());
        let _ = write!(text, "{:<left$}", "from \\ to");
        for column in &columns {
            let _ = write!(text, "  {:>width$}", column, width = column.len().max(5));
        }
        text.push('\n');
        for (row, from) in rows.iter().zip(&self.nics) {
            let _ = write!(text, "{row:<left$}");
            for (column, to) in columns.iter().zip(&self.nics) {
                let width = column.len().max(5);
                let _ = write!(text, "  {:>width$}", self.pair(from, to));
            }
            text.push('\n');
        }
        text.push_str("a/b: of the NIC's addresses by TCP, UDP and ICMP, a should answer, b did\n");
        let is_named = |port: &u16| *port != 0 && *port != probe::PORT;
        let ports: BTreeSet<u16> =
            self.cells.iter().map(|cell| cell.port).filter(is_named).collect();
        if !ports.is_empty() {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "also tried, as rules name them: ports {}", ports.join(", "));
        }
    }

    fn pair(&self, from: &str, to: &str) -> String {
        let cells = self.cells.iter().filter(|cell| cell.from == from && cell.to == to);
        let cells: Vec<&Cell> = cells.collect();
        if cells.is_empty() {
            return "-".to_owned();
        }
        let count = |is: fn(&Cell) -> bool| cells.iter().filter(|cell| is(cell)).count();
        let mark = if cells.iter().all(|cell| cell.is_equal()) { "" } else { "!" };
        format!("{mark}{}/{}", count(Cell::is_expected), count(Cell::is_reached))
    }

    fn render_protocols(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:<12}{:>12}{:>12}{:>16}{:>16}",
            "", "expected yes", "seen yes", "expected no", "seen no"
        );
        for (family, is_v4) in [("IPv4", true), ("IPv6", false)] {
            for protocol in Protocol::ALL {
                let is_it =
                    |cell: &&Cell| cell.address.is_ipv4() == is_v4 && cell.protocol == protocol;
                let cells: Vec<&Cell> = self.cells.iter().filter(is_it).collect();
                if cells.is_empty() {
                    continue;
                }
                let expected = cells.iter().filter(|cell| cell.is_expected()).count();
                let seen = cells.iter().filter(|cell| cell.is_reached()).count();
                let (not_expected, not_seen) = (cells.len() - expected, cells.len() - seen);
                let name = format!("{family} {protocol}");
                let _ = writeln!(
                    text,
                    "{name:<12}{expected:>12}{seen:>12}{not_expected:>16}{not_seen:>16}"
                );
            }
        }
    }

    fn render_differences(&self, text: &mut String) {
        let different: Vec<&Cell> = self.cells.iter().filter(|cell| !cell.is_equal()).collect();
        if different.is_empty() {
            let _ = writeln!(text, "all {} verdicts are as expected", self.cells.len());
            return;
        }
        let _ = writeln!(text, "{} of {} verdicts differ:", different.len(), self.cells.len());
        for cell in different.iter().take(DIFFERENCES_MAX) {
            let _ = write!(text, "  {}", cell.difference());
            text.push('\n');
        }
        if different.len() > DIFFERENCES_MAX {
            let _ = writeln!(text, "  and {} more", different.len() - DIFFERENCES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(from: &str, to: &str, expected: Option<&str>, seen: Option<&str>) -> Cell {
        Cell {
            from: from.to_owned(),
            to: to.to_owned(),
            address: IpAddr::from([10, 0, 1, 4]),
            protocol: Protocol::Udp,
            port: 7_007,
            expected: expected.map(str::to_owned),
            seen: seen.map(str::to_owned),
            leaked_to: Vec::new(),
            capture: None,
        }
    }

    fn matrix(cells: Vec<Cell>) -> Matrix {
        Matrix { nics: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], cells }
    }

    #[test]
    fn equal_verdicts_are_summed() {
        let cells = vec![cell("a", "b", Some("b"), Some("b")), cell("b", "a", None, None)];
        let text = matrix(cells).render();
        assert!(text.contains("1/1") && text.contains("0/0"), "{text}");
        assert!(text.contains("all 2 verdicts are as expected"), "{text}");
    }

    #[test]
    fn differences_are_failures_of_a_report() {
        let cells = vec![cell("a", "b", Some("b"), Some("b")), cell("a", "c", None, Some("<c>"))];
        let xml = matrix(cells).junit().unwrap();
        assert!(xml.contains(r#"tests="2""#) && xml.contains(r#"failures="1""#), "{xml}");
        assert!(
            xml.contains("a to c (10.0.1.4) by UDP: nobody should answer, &lt;c&gt; did"),
            "{xml}"
        );
    }

    #[test]
    fn the_answer_of_another_nic_with_the_address_is_not_the_right_one() {
        let cells = vec![cell("a", "b", Some("b"), Some("c"))];
        let matrix = matrix(cells);
        assert!(!matrix.all_equal());
        assert!(matrix.render().contains("!1/0"));
        assert!(matrix.render().contains("a to b (10.0.1.4) by UDP: b should answer, c did"));
        // A NIC of another network with the same address answers for both.
        assert!(cell("a", "c", Some("b"), Some("b")).is_equal());
    }

    #[test]
    fn a_request_that_strayed_is_a_difference_without_an_answer() {
        let mut leak = cell("a", "b", None, None);
        leak.leaked_to.push("c".to_owned());
        assert!(matrix(vec![leak]).render().contains("leaked to c"));
    }
}
