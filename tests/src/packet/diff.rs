//! Two frames side by side, with the names of the fields that differ.

use std::fmt::Write as _;

/// Where two frames differ; `None` if they are equal.
pub fn diff(expected: &[u8], seen: &[u8]) -> Option<String> {
    if expected == seen {
        return None;
    }
    let mut text = format!("{} bytes expected, {} seen\n", expected.len(), seen.len());
    let fields = fields(expected);
    let end = expected.len().max(seen.len());
    let differs = |index: &usize| expected.get(*index) != seen.get(*index);
    let mut lines = 0;
    for row in (0..end).step_by(16).filter(|row| (*row..row + 16).any(|index| differs(&index))) {
        let _ = writeln!(text, "  {row:04x} expected {}", hex(expected, row));
        let _ = writeln!(text, "       seen     {}", hex(seen, row));
        let names: Vec<&str> = (row..row + 16)
            .filter(differs)
            .filter_map(|index| fields.iter().rev().find(|(at, _)| *at <= index))
            .map(|(_, name)| *name)
            .collect();
        let mut names = names;
        names.dedup();
        let _ = writeln!(text, "       in {}", names.join(", "));
        lines += 1;
        if lines == 12 {
            text.push_str("  …\n");
            break;
        }
    }
    Some(text)
}

fn hex(bytes: &[u8], row: usize) -> String {
    let byte = |index| bytes.get(index).map_or_else(|| "--".to_owned(), |b| format!("{b:02x}"));
    (row..row + 16).map(byte).collect::<Vec<_>>().join(" ")
}

/// Start and name of each field of the outermost headers.
fn fields(frame: &[u8]) -> Vec<(usize, &'static str)> {
    let mut fields = vec![(0, "dst mac"), (6, "src mac"), (12, "ethertype"), (14, "payload")];
    let v4 = frame.get(12..15) == Some(&[8, 0, 0x45]);
    let v6 = frame.get(12..14) == Some(&[0x86, 0xdd]);
    let (ip, next, transport): (&[(usize, &str)], _, _) = if v4 {
        let ip = &[
            (14, "version"),
            (15, "tos"),
            (16, "total length"),
            (18, "id"),
            (20, "fragment"),
            (22, "ttl"),
            (23, "protocol"),
            (24, "header checksum"),
            (26, "src"),
            (30, "dst"),
        ];
        (ip, 23, 34)
    } else if v6 {
        let ip = &[
            (14, "version, class, flow"),
            (18, "payload length"),
            (20, "next header"),
            (21, "hop limit"),
            (22, "src"),
            (38, "dst"),
        ];
        (ip, 20, 54)
    } else {
        return fields;
    };
    fields.pop();
    fields.extend(ip);
    let names: &[(usize, &str)] = match frame.get(next) {
        Some(17) => &[
            (0, "src port"),
            (2, "dst port"),
            (4, "udp length"),
            (6, "udp checksum"),
            (8, "vxlan flags or payload"),
            (12, "vni or payload"),
            (16, "inner dst mac or payload"),
            (22, "inner src mac or payload"),
            (28, "inner ethertype or payload"),
            (30, "inner packet or payload"),
        ],
        Some(1 | 58) => {
            &[(0, "icmp type"), (1, "code"), (2, "icmp checksum"), (4, "rest"), (8, "icmp body")]
        }
        _ => &[(0, "transport")],
    };
    fields.extend(names.iter().map(|(at, name)| (transport + at, *name)));
    fields
}
