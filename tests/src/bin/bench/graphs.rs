//! Graphs of results as SVG, drawn from what `--json` writes: bars of whole systems beside what they are
//! compared with, and lines of what a packet costs with more flows and routes.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 280.0;
const RIGHT: f64 = 700.0;
/// Lines across.
const STEPS: u32 = 4;
/// Told apart by those who see few colours as well, on white and on black.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#999999", "#e69f00"];
const STYLE: &str = "<style>text{font:12px sans-serif;fill:#222}.title{font-size:15px}\
    .axis{stroke:#888;stroke-width:1}.grid{stroke:#8884;stroke-width:1}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}}</style>";

/// A graph.
struct Graph {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Below the axis, each with what stands for `{}` in the names of rows.
    places: &'static [(&'static str, &'static str)],
    /// In the legend, each with the names of its rows and which of their values counts.
    series: &'static [(&'static str, &'static str, &'static str)],
    is_bars: bool,
}

const WAYS: &[(&str, &str)] = &[
    ("local", "one VNet, one host"),
    ("peered", "peered, one host"),
    ("two-hosts", "two hosts"),
    ("two-hosts-wire", "two hosts, wire"),
];
const FLOWS: &[(&str, &str)] =
    &[("1", "1 flow"), ("1000", "1,000"), ("10000", "10,000"), ("100000", "100,000")];
const ROUTES: &[(&str, &str)] = &[("1", "1 route"), ("1000", "1,000 routes")];

const GRAPHS: [Graph; 7] = [
    Graph {
        file: "system-pps.svg",
        title: "Packets of 64 bytes, one CPU sends and forwards",
        unit: "Mpps",
        places: WAYS,
        series: &[
            ("vnetpeer, XDP", "system/pps/xdp/{}", "median"),
            ("minimal XDP", "system/pps/xdp/{}", "floor"),
            ("vnetpeer, TC", "system/pps/tc/{}", "median"),
            ("minimal TC", "system/pps/tc/{}", "floor"),
            ("kernel", "system/pps/tc/{}", "baseline"),
        ],
        is_bars: true,
    },
    Graph {
        file: "system-tcp1.svg",
        title: "One stream of TCP",
        unit: "Gbit/s",
        places: WAYS,
        series: &[
            ("vnetpeer, TC", "system/tcp1/tc/{}", "median"),
            ("minimal TC", "system/tcp1/tc/{}", "floor"),
            ("kernel", "system/tcp1/tc/{}", "baseline"),
        ],
        is_bars: true,
    },
    Graph {
        file: "system-tcp4.svg",
        title: "Four streams of TCP",
        unit: "Gbit/s",
        places: WAYS,
        series: &[
            ("vnetpeer, TC", "system/tcp4/tc/{}", "median"),
            ("minimal TC", "system/tcp4/tc/{}", "floor"),
            ("kernel", "system/tcp4/tc/{}", "baseline"),
        ],
        is_bars: true,
    },
    Graph {
        file: "system-rr.svg",
        title: "A request and its response by TCP, median, one CPU",
        unit: "µs",
        places: WAYS,
        series: &[
            ("vnetpeer, TC", "system/rr-p50/tc/{}", "median"),
            ("minimal TC", "system/rr-p50/tc/{}", "floor"),
            ("kernel", "system/rr-p50/tc/{}", "baseline"),
        ],
        is_bars: true,
    },
    Graph {
        file: "hit-local.svg",
        title: "A packet of a known flow to a NIC of this host, XDP, by flows in turn",
        unit: "ns",
        places: FLOWS,
        series: &[
            ("vnetpeer", "policy/hit/local/{}-flows", "median"),
            ("sketch", "policy/sketch/local/{}-flows", "median"),
        ],
        is_bars: false,
    },
    Graph {
        file: "hit-encap.svg",
        title: "A packet of a known flow to another host, XDP, by flows in turn",
        unit: "ns",
        places: FLOWS,
        series: &[
            ("vnetpeer", "policy/hit/encap/{}-flows", "median"),
            ("sketch", "policy/sketch/encap/{}-flows", "median"),
        ],
        is_bars: false,
    },
    Graph {
        file: "routes.svg",
        title: "A packet of a known flow, XDP, by routes",
        unit: "ns",
        places: ROUTES,
        series: &[
            ("local", "datapath/hit/local/{}-routes", "median"),
            ("encap", "datapath/hit/encap/{}-routes", "median"),
            ("decap", "datapath/hit/decap/{}-routes", "median"),
            ("encap, floor", "datapath/hit/encap/{}-routes", "floor"),
        ],
        is_bars: false,
    },
];

/// Draws what the results are enough for.
pub(crate) fn draw(json: &str, folder: &Path) -> Result<()> {
    let rows: Vec<Value> = serde_json::from_str(json).context("a list of results")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for graph in &GRAPHS {
        let points = graph.points(&rows);
        if points.iter().flatten().all(Option::is_none) {
            continue;
        }
        let path = folder.join(graph.file);
        fs::write(&path, graph.svg(&points))
            .with_context(|| format!("write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

impl Graph {
    /// Values by series and place.
    fn points(&self, rows: &[Value]) -> Vec<Vec<Option<f64>>> {
        let value = |name: &str, which: &str| {
            rows.iter().find(|row| row["name"] == name).and_then(|row| row[which].as_f64())
        };
        let series = self.series.iter().map(|(_, name, which)| {
            let places = self.places.iter();
            places.map(|(place, _)| value(&name.replace("{}", place), which)).collect()
        });
        series.collect()
    }

    fn svg(&self, points: &[Vec<Option<f64>>]) -> String {
        let largest = points.iter().flatten().flatten().copied().fold(0.0, f64::max);
        let top = round_up(largest);
        let y = |value: f64| BOTTOM - value / top * (BOTTOM - TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\
             <title>{title}</title>{STYLE}\n<text class=\"title\" x=\"{LEFT}\" y=\"22\">{title}</text>\n",
            title = self.title
        );
        for step in 0..=STEPS {
            let value = top * f64::from(step) / f64::from(STEPS);
            let class = if step == 0 { "axis" } else { "grid" };
            let unit = if step == STEPS { self.unit } else { "" };
            let _ = writeln!(
                svg,
                "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text x=\"{x}\" y=\"{text:.1}\" text-anchor=\"end\">{value} {unit}</text>",
                y = y(value),
                x = LEFT - 6.0,
                text = y(value) + 4.0,
                value = short(value),
            );
        }
        let width = (RIGHT - LEFT) / count(self.places.len());
        let mut left = LEFT;
        for (_, label) in self.places {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                left + width / 2.0,
                BOTTOM + 18.0
            );
            left += width;
        }
        let legend = (RIGHT - LEFT) / count(self.series.len());
        for (number, (series, values)) in self.series.iter().zip(points).enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let x = LEFT + legend * count(number);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"34\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"44\">{}</text>",
                x + 17.0,
                series.0
            );
            if self.is_bars {
                self.bars(&mut svg, number, values, colour, &y);
            } else {
                lines(&mut svg, values, colour, width, &y);
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The bars of a series, with their values above them.
    fn bars(
        &self,
        svg: &mut String,
        number: usize,
        values: &[Option<f64>],
        colour: &str,
        y: &impl Fn(f64) -> f64,
    ) {
        let width = (RIGHT - LEFT) / count(self.places.len());
        let bar = width * 0.86 / count(self.series.len());
        for (place, value) in values.iter().enumerate() {
            let Some(value) = *value else { continue };
            let x = LEFT + width * (count(place) + 0.07) + bar * count(number);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\" \
                 fill=\"{colour}\"/><text x=\"{middle:.1}\" y=\"{above:.1}\" text-anchor=\"middle\">{text}</text>",
                top = y(value),
                wide = bar - 2.0,
                height = BOTTOM - y(value),
                middle = x + bar / 2.0,
                above = y(value) - 4.0,
                text = short(value),
            );
        }
    }
}

/// The line of a series, with its values above the points.
fn lines(
    svg: &mut String,
    values: &[Option<f64>],
    colour: &str,
    width: f64,
    y: &impl Fn(f64) -> f64,
) {
    let mut path = String::new();
    for (place, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let (x, y) = (LEFT + width * (count(place) + 0.5), y(value));
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y - 8.0,
            short(value)
        );
    }
    let _ =
        writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
}

/// The next of 1, 2, 4, 8 times a power of ten that is not below.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 4.0, 8.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size < 10.0 && size > 0.0 => 2,
        size if size < 100.0 && size > 0.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// A small number of things.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_has_what_was_measured_and_leaves_out_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let json = r#"[{"name": "system/tcp1/tc/local", "median": 13.7, "floor": 14.0, "baseline": null}]"#;
        draw(json, folder.path()).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "graphs without any value are not drawn");
        let svg = fs::read_to_string(folder.path().join("system-tcp1.svg")).unwrap();
        assert!(svg.contains(">13.7<") && svg.contains(">14.0<"), "{svg}");
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert_eq!(svg.matches("<rect").count(), 3 + 2, "a legend of three, two bars");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [(0.94, 1.0), (13.7, 20.0), (210.0, 400.0), (8.5, 10.0)] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }
}
