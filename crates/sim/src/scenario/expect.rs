//! `[expect]`: what must come out.
//!
//! A key says of what: a metric, of a class of arrivals or of a service if that stands before it, with the strategy before all if it is about
//! one. Tables in tables mean the same as dots in a key. A value says what must be: a number, a table of [`BOUNDS`], or a list of such.

use super::complaint::suggest;
use super::value::{Entry, Value};
use super::{Expectation, Statistic};
use crate::metrics::{CLASS_METRICS, SERVICE_METRICS};

pub(super) const BOUNDS: &[&str] = &["min", "max", "theory", "within", "statistic", "minus", "in"];
const A_BOUND: &str = "a number, { min = ..., max = ... } or { theory = ..., within = ... }, or a list of such";

/// A part of which something can be expected: how its metrics begin, what it is called, the known names, the known metrics.
struct Part<'a> {
    word: &'static str,
    what: &'static str,
    names: &'a [&'a str],
    metrics: Vec<&'a str>,
}

/// All expectations. `classes`, `services` and `metrics` are the known names.
pub(super) fn expectations(
    value: &Value<'_>,
    text: &str,
    strategies: &[String],
    (classes, services): (&[&str], &[&str]),
    metrics: &[&str],
) -> Vec<Expectation> {
    let parts = [
        Part { word: "class", what: "arrivals", names: classes, metrics: CLASS_METRICS.to_vec() },
        Part {
            word: "service",
            what: "service",
            names: services,
            metrics: SERVICE_METRICS.iter().map(|metric| metric.0).collect(),
        },
    ];
    let reader = Reader { text, strategies, parts, metrics };
    let mut expectations = Vec::new();
    for entry in value.entries() {
        reader.read("", &entry, &mut expectations);
    }
    expectations
}

struct Reader<'a> {
    text: &'a str,
    strategies: &'a [String],
    parts: [Part<'a>; 2],
    metrics: &'a [&'a str],
}

impl Reader<'_> {
    fn is_strategy(&self, name: &str) -> bool {
        self.strategies.iter().any(|strategy| strategy == name)
    }

    /// Reads what stands under a key, whose way from `[expect]` begins with `above`.
    fn read(&self, above: &str, entry: &Entry<'_>, expectations: &mut Vec<Expectation>) {
        let way = if above.is_empty() { entry.key.to_string() } else { format!("{above}.{}", entry.key) };
        let (strategy, metric) = match way.split_once('.') {
            Some((strategy, metric)) if self.parts.iter().all(|part| part.word != strategy) => (Some(strategy), metric),
            _ => (None, way.as_str()),
        };
        let part = self.parts.iter().find_map(|part| {
            let rest = metric.strip_prefix(part.word)?;
            if rest.is_empty() { Some((part, "")) } else { Some((part, rest.strip_prefix('.')?)) }
        });
        let is_part = part.as_ref().is_some_and(|(part, rest)| rest.is_empty() || part.names.contains(rest));
        if self.is_strategy(&way) || is_part && entry.value.is_table() {
            return entry.value.entries().iter().for_each(|inner| self.read(&way, inner, expectations));
        }
        let complain = |what: String, help: Option<String>| {
            entry.value.sink.complain(Some(entry.place), format!("`{}`: {what}", entry.value.path), help);
        };
        if let Some(name) = strategy.filter(|name| !self.is_strategy(name)) {
            let known = self.strategies.iter().map(String::as_str);
            return complain(format!("this scenario does not run the strategy `{name}`"), suggest(name, known));
        }
        let (known, name) = match part.as_ref().and_then(|(part, rest)| Some((part, rest.rsplit_once('.')?))) {
            Some((part, (name, _))) if !part.names.contains(&name) => {
                return complain(format!("no {} `{name}`", part.what), suggest(name, part.names.iter().copied()));
            }
            Some((part, (_, metric))) => (part.metrics.as_slice(), metric),
            None => (self.metrics, metric),
        };
        if !known.contains(&name) {
            let nearest = suggest(name, known.iter().copied()).filter(|help| help.starts_with("did"));
            let of = match part {
                Some((Part { word: "class", .. }, _)) => " of a class of arrivals",
                Some(_) => " of a service",
                None => "",
            };
            return complain(format!("no metric `{name}`{of}"), nearest);
        }
        for bound in entry.value.list_or_one() {
            expectations.extend(self.expectation(&way, strategy, metric, &bound));
        }
    }

    /// One expectation of a metric.
    fn expectation(&self, way: &str, strategy: Option<&str>, metric: &str, value: &Value<'_>) -> Option<Expectation> {
        let bounds = self.text.get(value.place.start..value.place.end).unwrap_or("");
        let bounds = bounds.split_whitespace().collect::<Vec<_>>().join(" ");
        let expectation = Expectation {
            text: format!("{way} = {bounds}"),
            strategy: strategy.map(str::to_string),
            minus: None,
            metric: metric.to_string(),
            statistic: Statistic::Mean,
            min: None,
            max: None,
            theory: None,
            within: None,
            share: None,
        };
        let number = |value: &Value<'_>| value.number(f64::NEG_INFINITY..=f64::INFINITY);
        if value.as_decimal().is_some() {
            let exactly = number(value)?;
            return Some(Expectation { min: Some(exactly), max: Some(exactly), ..expectation });
        }
        if !value.is_table() {
            return value.expected(A_BOUND);
        }
        let table = value.table(BOUNDS)?;
        let (min, max) = (table.read("min", number), table.read("max", number));
        let (theory, within) =
            (table.read("theory", number), table.read("within", |value| value.number(0.0..=f64::INFINITY)));
        match (min, max) {
            (None, None) if theory.is_none() => value.complain("expected min, max or both, or theory"),
            (Some(min), Some(max)) if max < min => value.complain("min is larger than max"),
            _ => {}
        }
        let statistic = table.read("statistic", statistic).unwrap_or_default();
        let minus = table.read("minus", |value| self.other(value, strategy));
        let share = table.read("in", |value| value.number(0.0..=1.0));
        if share == Some(0.0) {
            value.complain("`in` is the least share of the runs: more than 0");
        }
        if let (Some(_), Some(other)) =
            (share, ["theory", "within", "statistic"].into_iter().find(|key| table.get(key).is_some()))
        {
            value.complain(format!("`in` is about each run and `{other}` about all of them: one of the two"));
        }
        Some(Expectation { minus, statistic, min, max, theory, within, share, ..expectation })
    }

    /// The strategy that another is compared with.
    fn other(&self, value: &Value<'_>, strategy: Option<&str>) -> Option<String> {
        let name = value.text()?;
        if !self.is_strategy(name) {
            let known = self.strategies.iter().map(String::as_str);
            value.complain_with(format!("this scenario does not run the strategy `{name}`"), suggest(name, known));
        } else if strategy == Some(name) || self.strategies.len() == 1 {
            value.complain("expected another strategy: it has no more than itself");
        }
        Some(name.to_string())
    }
}

fn statistic(value: &Value<'_>) -> Option<Statistic> {
    let known = value.text()?.parse().ok();
    if known.is_none() {
        value.complain(
            "expected `mean`, `sd`, `variance`, or a quantile over the replications such as `p50` or `p99.9`",
        );
    }
    known
}
