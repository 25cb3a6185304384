//! The `OpenMetrics` text format. The kept crates for it write no `_created` for counters, and own the
//! values that they write; these live in the kernel.

/// Types of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Grows and shrinks.
    Gauge,
    /// Says something in its labels.
    Info,
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    /// The family that samples belong to.
    name: String,
    kind: Option<Kind>,
}

impl Page {
    /// Begins a family. Its name ends with the unit, if it has one.
    pub(super) fn family(&mut self, name: &str, kind: Kind, unit: &str, help: &str) {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
        };
        self.add(&["# TYPE ", name, " ", word, "\n"]);
        if !unit.is_empty() {
            self.add(&["# UNIT ", name, " ", unit, "\n"]);
        }
        self.add(&["# HELP ", name, " ", help, "\n"]);
        name.clone_into(&mut self.name);
        self.kind = Some(kind);
    }

    /// A sample of a gauge or an info.
    pub(super) fn value(&mut self, labels: &str, value: &str) {
        let suffix = if self.kind == Some(Kind::Info) { "_info" } else { "" };
        self.sample(suffix, labels, value);
    }

    /// A sample of a counter, and since when it counts if that is known (milliseconds since 1970).
    pub(super) fn counter(&mut self, labels: &str, value: u64, created_ms: Option<i64>) {
        self.sample("_total", labels, &value.to_string());
        if let Some(ms) = created_ms {
            let seconds = format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
            self.sample("_created", labels, &seconds);
        }
    }

    fn sample(&mut self, suffix: &str, labels: &str, value: &str) {
        let name = std::mem::take(&mut self.name);
        self.add(&[&name, suffix, labels, " ", value, "\n"]);
        self.name = name;
    }

    fn add(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
    }

    /// The page.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }
}

/// Labels in braces.
pub(super) fn labels(labels: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(96);
    for (name, value) in labels {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_the_order_of_open_metrics() {
        let mut page = Page::default();
        page.family("a_bytes", Kind::Counter, "bytes", "Bytes.");
        page.counter(&labels(&[("x", "a\"b\\c\n")]), 5, Some(1_500));
        page.family("b", Kind::Info, "", "Something.");
        page.value(&labels(&[("y", "z")]), "1");
        page.family("c", Kind::Gauge, "", "Some more.");
        page.value("", "7");
        let expected = "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes Bytes.\n\
            a_bytes_total{x=\"a\\\"b\\\\c\\n\"} 5\na_bytes_created{x=\"a\\\"b\\\\c\\n\"} 1.500\n\
            # TYPE b info\n# HELP b Something.\nb_info{y=\"z\"} 1\n\
            # TYPE c gauge\n# HELP c Some more.\nc 7\n# EOF\n";
        assert_eq!(page.finish(), expected);
    }
}
