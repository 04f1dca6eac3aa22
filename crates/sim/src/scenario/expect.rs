//! `[expect]`: what must come out.

use super::Expectation;
use super::complaint::suggest;
use super::value::{Entry, Value};

pub(super) const BOUNDS: &[&str] = &["min", "max", "theory", "within"];

/// All expectations. `metrics` are the known names; while there are none, any name will do.
pub(super) fn expectations(value: &Value<'_>, text: &str, strategies: &[String], metrics: &[&str]) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    let reader = Reader { text, strategies, metrics };
    for entry in value.entries() {
        if reader.is_strategy(entry.key) {
            for inner in entry.value.entries() {
                expectations.extend(reader.expectation(Some(entry.key), inner.key, &inner));
            }
            continue;
        }
        let (strategy, metric) = match entry.key.split_once('.') {
            Some((strategy, metric)) => (Some(strategy), metric),
            None => (None, entry.key),
        };
        expectations.extend(reader.expectation(strategy, metric, &entry));
    }
    expectations
}

struct Reader<'a> {
    text: &'a str,
    strategies: &'a [String],
    metrics: &'a [&'a str],
}

impl Reader<'_> {
    fn is_strategy(&self, name: &str) -> bool {
        self.strategies.iter().any(|strategy| strategy == name)
    }

    fn expectation(&self, strategy: Option<&str>, metric: &str, entry: &Entry<'_>) -> Option<Expectation> {
        let complain = |what: String, help: Option<String>| {
            entry.value.sink.complain(Some(entry.place), format!("`{}`: {what}", entry.value.path), help);
        };
        if let Some(name) = strategy.filter(|name| !self.is_strategy(name)) {
            let known = self.strategies.iter().map(String::as_str);
            complain(format!("this scenario does not run the strategy `{name}`"), suggest(name, known));
            return None;
        }
        if !self.metrics.is_empty() && !self.metrics.contains(&metric) {
            let nearest = suggest(metric, self.metrics.iter().copied()).filter(|help| help.starts_with("did"));
            complain(format!("no metric `{metric}`"), nearest);
            return None;
        }
        let Bounds { min, max, theory, within } = self.bounds(&entry.value)?;
        let bounds = self.text.get(entry.value.place.start..entry.value.place.end).unwrap_or("");
        let bounds = bounds.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = strategy.map_or(metric.to_string(), |strategy| format!("{strategy}.{metric}"));
        Some(Expectation {
            text: format!("{named} = {bounds}"),
            strategy: strategy.map(str::to_string),
            metric: metric.to_string(),
            min,
            max,
            theory,
            within,
        })
    }

    fn bounds(&self, value: &Value<'_>) -> Option<Bounds> {
        let number = |value: &Value<'_>| value.number(f64::NEG_INFINITY..=f64::INFINITY);
        if value.as_decimal().is_some() {
            let exactly = number(value)?;
            return Some(Bounds { min: Some(exactly), max: Some(exactly), ..Bounds::default() });
        }
        if !value.is_table() {
            return value.expected("a number, { min = ..., max = ... } or { theory = ..., within = ... }");
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
        Some(Bounds { min, max, theory, within })
    }
}

#[derive(Default)]
struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
    theory: Option<f64>,
    within: Option<f64>,
}
