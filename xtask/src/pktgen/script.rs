//! What is written to `/proc/net/pktgen`.

use super::{Args, Kind, Size};

/// The first source port.
const FIRST_PORT: u32 = 10_000;
/// Port 9, discard.
const PORT: u16 = 9;
/// Bytes of a frame that a network card adds.
const CHECKSUM: u16 = 4;
/// Packets that are handed to a network card at once, and how often each of them is.
const BURST: u32 = 32;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The file in the folder.
    pub(super) file: String,
    /// What is written.
    pub(super) text: String,
}

/// All writes.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// In this order.
    pub(super) before: Vec<Line>,
    /// The last one.
    pub(super) start: Line,
    /// The files that have the results.
    pub(super) devices: Vec<String>,
}

impl Script {
    pub(super) fn new(args: &Args) -> Self {
        let mut before = vec![line("pgctrl", "reset")];
        let mut devices = Vec::new();
        for cpu in 0..args.threads {
            let (thread, device) = (format!("kpktgend_{cpu}"), format!("{}@{cpu}", args.interface));
            before.push(line(&thread, "rem_device_all"));
            before.push(line(&thread, format!("add_device {device}")));
            before.extend(settings(args, cpu).into_iter().map(|text| line(&device, text)));
            devices.push(device);
        }
        Self { before, start: line("pgctrl", "start"), devices }
    }

    /// All writes in their order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.before.iter().chain([&self.start])
    }
}

fn line(file: &str, text: impl Into<String>) -> Line {
    Line { file: file.to_owned(), text: text.into() }
}

/// What a thread sends.
fn settings(args: &Args, cpu: u32) -> Vec<String> {
    let mut texts = vec![format!("count {}", args.packets), "delay 0".to_owned()];
    match args.size {
        Size::Bytes(size) => texts.push(format!("pkt_size {}", size - CHECKSUM)),
        Size::Imix => texts.push("imix_weights 60,7 572,4 1496,1".to_owned()),
    }
    match args.kind {
        Kind::Port => texts.extend([
            format!("clone_skb {BURST}"),
            format!("burst {BURST}"),
            "flag QUEUE_MAP_CPU".to_owned(),
        ]),
        // What a veth is given belongs to the other end.
        Kind::Veth => texts.push("clone_skb 0".to_owned()),
    }
    let (from, to) = (args.from, args.to);
    texts.push(format!("dst_mac {}", args.mac));
    if to.is_ipv4() {
        for (name, address) in [("src", from), ("dst", to)] {
            texts.push(format!("{name}_min {address}"));
            texts.push(format!("{name}_max {address}"));
        }
    } else {
        texts.extend([format!("src6 {from}"), format!("dst6 {to}")]);
    }
    texts.push(format!("udp_dst_min {PORT}"));
    texts.push(format!("udp_dst_max {PORT}"));
    // Ranges of threads do not overlap while there is room.
    let flows = u32::from(args.flows);
    let room = (65_536 - FIRST_PORT) / flows;
    let first = FIRST_PORT + cpu % room * flows;
    texts.push(format!("udp_src_min {first}"));
    // The generator's ranges end before their maximum, unless both are equal.
    let last = if flows == 1 { first } else { (first + flows).min(65_535) };
    texts.push(format!("udp_src_max {last}"));
    texts
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn args() -> Args {
        Args {
            interface: "eth1".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
            from: "10.1.1.4".parse().unwrap(),
            to: "10.2.1.4".parse().unwrap(),
            threads: 2,
            packets: 1_000,
            size: Size::Bytes(64),
            flows: 100,
            kind: Kind::Port,
            print: false,
        }
    }

    fn text(args: &Args) -> Vec<String> {
        let script = Script::new(args);
        script.lines().map(|line| format!("{}: {}", line.file, line.text)).collect()
    }

    #[test]
    fn every_thread_has_a_device_and_flows_of_its_own() {
        let lines = text(&args());
        assert_eq!(lines.first().unwrap(), "pgctrl: reset");
        assert_eq!(lines.last().unwrap(), "pgctrl: start");
        for wanted in [
            "kpktgend_0: add_device eth1@0",
            "kpktgend_1: rem_device_all",
            "kpktgend_1: add_device eth1@1",
            "eth1@0: count 1000",
            "eth1@0: pkt_size 60",
            "eth1@0: dst_mac 02:00:00:00:00:01",
            "eth1@0: src_min 10.1.1.4",
            "eth1@0: dst_max 10.2.1.4",
            "eth1@0: udp_src_min 10000",
            "eth1@0: udp_src_max 10100",
            "eth1@1: udp_src_min 10100",
            "eth1@1: udp_src_max 10200",
            "eth1@1: burst 32",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted}\n{}", lines.join("\n"));
        }
    }

    #[test]
    fn one_flow_is_one_port() {
        let lines = text(&Args { flows: 1, threads: 1, ..args() });
        assert!(lines.contains(&"eth1@0: udp_src_max 10000".to_owned()), "{}", lines.join("\n"));
    }

    #[test]
    fn a_veth_takes_no_packet_twice() {
        let lines = text(&Args { kind: Kind::Veth, ..args() });
        assert!(lines.contains(&"eth1@0: clone_skb 0".to_owned()));
        assert!(!lines.iter().any(|line| line.contains("burst")), "{}", lines.join("\n"));
    }

    #[test]
    fn imix_and_ipv6_have_words_of_their_own() {
        let (from, to) = ("fd00:1::4".parse().unwrap(), "fd00:2::4".parse().unwrap());
        let lines = text(&Args { size: Size::Imix, from, to, ..args() });
        for wanted in [
            "eth1@0: imix_weights 60,7 572,4 1496,1",
            "eth1@0: src6 fd00:1::4",
            "eth1@0: dst6 fd00:2::4",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted}\n{}", lines.join("\n"));
        }
        assert!(!lines.iter().any(|line| line.contains("pkt_size") || line.contains(" dst_min")));
    }

    #[test]
    fn ports_of_many_flows_stay_ports() {
        let lines = text(&Args { flows: 50_000, threads: 8, ..args() });
        assert!(lines.contains(&"eth1@7: udp_src_min 10000".to_owned()), "{}", lines.join("\n"));
        assert!(lines.contains(&"eth1@7: udp_src_max 60000".to_owned()), "{}", lines.join("\n"));
    }
}
