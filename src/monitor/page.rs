//! A page in Prometheus's text format, version 0.0.4.

use std::fmt::{self, Display, Write as _};

/// A page of metrics that is being written.
///
/// It is well-formed whatever the labels' values are: what comes from modules
/// is escaped and cut to a bounded length.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, while the process lives. By convention its name ends in
    /// `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(u64),
    /// Any other.
    Real(f64),
}

/// The longest value of a label, in characters.
const MAX_LABEL: usize = 200;

impl Page {
    /// A page without metrics.
    #[must_use]
    pub fn new() -> Page {
        Page::default()
    }

    /// Adds a metric with one value, or none if there is no value.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: Option<impl Into<Number>>) {
        self.family(name, kind, help, value.map(|value| ([], value)));
    }

    /// Adds a metric with a value for each set of labels, which must differ. A
    /// page may have a name once. Without values nothing is added.
    pub fn family<const N: usize, V: Into<Number>>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], V)>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        // Writing to a String does not fail.
        let _ = write!(
            self.text,
            "# HELP {name} {}\n# TYPE {name} {kind}\n",
            help.replace('\\', "\\\\").replace('\n', "\\n")
        );
        for (labels, value) in values {
            self.text.push_str(name);
            for (at, (label, value)) in labels.iter().enumerate() {
                self.text.push_str(if at == 0 { "{" } else { "," });
                self.label(label, value);
            }
            if !labels.is_empty() {
                self.text.push('}');
            }
            let _ = writeln!(self.text, " {}", value.into());
        }
    }

    fn label(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        self.text.push_str("=\"");
        for character in value.chars().take(MAX_LABEL) {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                // Not forbidden, but nothing that a reader should see.
                other if other.is_control() => self.text.push('\u{fffd}'),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    /// The page's text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        })
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(value) => value.fmt(f),
            Number::Real(value) if value.is_nan() => f.write_str("NaN"),
            Number::Real(value) if value.is_infinite() => {
                f.write_str(if *value > 0.0 { "+Inf" } else { "-Inf" })
            }
            Number::Real(value) => value.fmt(f),
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::Whole(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Number {
        Number::Whole(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        u64::try_from(value).map_or(Number::Real(f64::INFINITY), Number::Whole)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Number {
        Number::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        Number::Real(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_help_and_type_and_escaped_labels() {
        let mut page = Page::new();
        page.single("up", Kind::Gauge, "Whether\nit \\ runs.", Some(true));
        page.single("none", Kind::Gauge, "Nothing.", None::<u64>);
        page.family(
            "seen_total",
            Kind::Counter,
            "Things.",
            [
                ([("a", "x\"y".to_owned()), ("b", String::new())], 0.25),
                ([("a", "\\\n\u{1b}".to_owned()), ("b", "é".to_owned())], 1e9),
            ],
        );
        assert_eq!(
            page.into_text(),
            "# HELP up Whether\\nit \\\\ runs.\n# TYPE up gauge\nup 1\n\
             # HELP seen_total Things.\n# TYPE seen_total counter\n\
             seen_total{a=\"x\\\"y\",b=\"\"} 0.25\n\
             seen_total{a=\"\\\\\\n\u{fffd}\",b=\"é\"} 1000000000\n"
        );
    }

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let written = |number: Number| number.to_string();
        assert_eq!(written(u64::MAX.into()), "18446744073709551615");
        assert_eq!(written(f64::INFINITY.into()), "+Inf");
        assert_eq!(written(f64::NEG_INFINITY.into()), "-Inf");
        assert_eq!(written(f64::NAN.into()), "NaN");
        assert_eq!(written((-0.5).into()), "-0.5");
    }

    #[test]
    fn long_labels_are_cut() {
        let mut page = Page::new();
        let long = "é".repeat(10_000);
        page.family("m", Kind::Gauge, "M.", [([("name", long)], 1u64)]);
        assert!(page.into_text().len() < 600);
    }
}
