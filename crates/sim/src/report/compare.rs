//! Comparison of all strategies with all: what each pair shows, which order is certain, and what the best costs.
//!
//! The family of tests over which Holm's correction goes is what is compared here: all pairs of strategies in all headline
//! metrics. So whatever of it is said, all of it holds at once with 95 % confidence.

use std::collections::BTreeMap;
use std::fmt;

use super::results::{Results, Runs};
use super::{headlines, text};
use crate::metrics::Metric;
use crate::stats::{self, Paired, Summary};

/// What a pair of strategies shows in a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The second is better than the first.
    Better,
    /// The second is worse than the first.
    Worse,
    /// The second has more, of something of which neither more nor less is better.
    More,
    /// The second has less of it.
    Less,
    /// Chance explains the difference.
    NotShown,
    /// Both have the same value in every replication.
    Equal,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 6] =
        [Verdict::Better, Verdict::Worse, Verdict::More, Verdict::Less, Verdict::NotShown, Verdict::Equal];

    /// The same, seen from the first strategy.
    pub fn turned(self) -> Verdict {
        match self {
            Verdict::Better => Verdict::Worse,
            Verdict::Worse => Verdict::Better,
            Verdict::More => Verdict::Less,
            Verdict::Less => Verdict::More,
            same => same,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::More => "more",
            Verdict::Less => "less",
            Verdict::NotShown => "no difference shown",
            Verdict::Equal => "equal in every replication",
        })
    }
}

/// One metric of two strategies.
#[derive(Clone, PartialEq, Debug)]
pub struct PairRow {
    /// The metric.
    pub metric: String,
    /// A strategy.
    pub first: String,
    /// One that comes later in the scenario.
    pub second: String,
    /// Replication by replication, second less first.
    pub paired: Paired,
    /// The p value after Holm's correction over all rows.
    pub p_holm: Option<f64>,
    /// What it shows of the second.
    pub verdict: Verdict,
}

/// All pairs of strategies in some metrics, by metric, then first, then second strategy.
pub fn pairs(runs: &Runs, strategies: &[String], names: &[String], metrics: &[Metric]) -> Vec<PairRow> {
    let mut rows = Vec::new();
    for name in names {
        let values: Vec<BTreeMap<u32, f64>> = strategies
            .iter()
            .map(|strategy| runs.values(name, strategy).filter_map(|(run, value)| Some((run, value?))).collect())
            .collect();
        for (at, first) in strategies.iter().enumerate() {
            for (after, second) in strategies.iter().enumerate().skip(at + 1) {
                let both = values[after].iter().filter_map(|(run, value)| Some((*values[at].get(run)?, *value)));
                if let Some(paired) = Paired::of(both) {
                    // A difference may have any sign: ratios are for the baseline's table.
                    let paired = Paired { ratio: None, ..paired };
                    rows.push(PairRow {
                        metric: name.clone(),
                        first: first.clone(),
                        second: second.clone(),
                        paired,
                        p_holm: None,
                        verdict: Verdict::Equal,
                    });
                }
            }
        }
    }
    let p: Vec<f64> = rows.iter().filter_map(|row| row.paired.p).collect();
    let tested = rows.iter_mut().filter(|row| row.paired.p.is_some());
    for (row, p) in tested.zip(stats::holm(&p)) {
        let smaller =
            metrics.iter().find(|metric| metric.name == row.metric).and_then(|metric| metric.smaller_is_better);
        row.p_holm = Some(p);
        row.verdict = verdict(&row.paired, p, smaller);
    }
    rows
}

fn verdict(paired: &Paired, p_holm: f64, smaller_is_better: Option<bool>) -> Verdict {
    let (low, high) = paired.ci;
    let excludes_none = 0.0 < low || high < 0.0;
    if !excludes_none || p_holm >= 1.0 - stats::CONFIDENCE {
        return Verdict::NotShown;
    }
    let is_less = paired.difference < 0.0;
    match smaller_is_better {
        Some(smaller) if smaller == is_less => Verdict::Better,
        Some(_) => Verdict::Worse,
        None if is_less => Verdict::Less,
        None => Verdict::More,
    }
}

/// What strategies are ranked by: replica-seconds lost, for whatever reason.
pub const LOST: &str = "replica_seconds_lost";

/// What it may cost to lose less: metrics, and how to say that a strategy has so much of them.
const COSTS: &[(&str, &str)] = &[
    ("spare_cpu", "of the CPU held by spares"),
    ("spares_mean", "spares"),
    ("pulled_bytes", "pulled"),
    ("node_changes", "tasks that change their node"),
    ("duplicate_seconds", "replica-seconds doubled"),
    ("imbalance_s", "of imbalance"),
];

/// A strategy's place.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The strategy.
    pub strategy: String,
    /// What it loses.
    pub lost: Summary,
    /// The best and the worst place that it may have, from 1: those before it are certainly better.
    pub places: (usize, usize),
}

/// Strategies by what they lose, least first; nothing if nobody loses anything, or there is nothing to compare.
pub fn ranking(results: &Results) -> Vec<Place> {
    let strategies = &results.manifest.strategies;
    let mut ranking: Vec<Place> = Vec::new();
    for strategy in strategies {
        let Some(row) = results.summary_of(LOST, strategy).filter(|row| row.summary.mean.is_some()) else {
            return Vec::new();
        };
        let shown = strategies.iter().filter_map(|other| results.shows(LOST, other, strategy));
        let (better, worse) = shown.fold((0, 0), |(better, worse), verdict| match verdict {
            Verdict::Better => (better + 1, worse),
            Verdict::Worse => (better, worse + 1),
            _ => (better, worse),
        });
        ranking.push(Place {
            strategy: strategy.clone(),
            lost: row.summary,
            places: (1 + worse, strategies.len() - better),
        });
    }
    let loses = |place: &Place| place.lost.mean.unwrap_or(0.0);
    if ranking.len() < 2 || results.manifest.replications < 2 || ranking.iter().all(|place| loses(place) == 0.0) {
        return Vec::new();
    }
    ranking.sort_by(|one, two| loses(one).total_cmp(&loses(two)));
    ranking
}

/// Which strategy loses least and what that costs, in a paragraph; nothing without a [`ranking`].
///
/// `name` writes the name of a strategy as the reader's page wants it.
pub fn finding(results: &Results, name: impl Fn(&str) -> String) -> Option<String> {
    let ranking = ranking(results);
    let (best, rest) = ranking.split_first()?;
    let mean = |place: &Place| text::summary(&place.lost, 1.0).unwrap_or_default();
    // Beside the best of all stands the baseline; beside that, the second.
    let baseline = results.manifest.strategies.first()?;
    let other = rest.iter().find(|place| place.strategy == *baseline).unwrap_or(&rest[0]);
    if rest.iter().all(|place| results.shows(LOST, &place.strategy, &best.strategy) == Some(Verdict::Equal)) {
        return Some(format!("All strategies lose the same: {} replica-seconds.", mean(best)));
    }
    let mut out = format!(
        "{} loses least: {} replica-seconds, {} loses {}.",
        name(&best.strategy),
        mean(best),
        name(&other.strategy),
        mean(other)
    );
    let close: Vec<String> = rest
        .iter()
        .filter(|place| results.shows(LOST, &place.strategy, &best.strategy) != Some(Verdict::Better))
        .map(|place| name(&place.strategy))
        .collect();
    out += &match close.len() {
        0 if rest.len() == 1 => " The difference is certain.".to_string(),
        0 => " That it is the best of all is certain.".to_string(),
        _ => format!(" No difference is shown between it and {}.", listed(&close)),
    };
    let cost = |(metric, words): &(&str, &str)| {
        let verdict = results.shows(metric, &other.strategy, &best.strategy)?;
        let of = |strategy: &str| results.summary_of(metric, strategy);
        let (row, before) = (of(&best.strategy)?, of(&other.strategy)?);
        let (value, before) = (row.summary.mean?, before.summary.mean?);
        let said = |value: f64| match row.unit.as_str() {
            "1" => format!("{} %", text::short(value * 100.0)),
            unit => {
                let (factor, unit) = text::scale(unit, value.max(before));
                let unit = if ["tasks", "s"].contains(&unit.as_str()) && *metric != "imbalance_s" {
                    String::new()
                } else {
                    format!(" {unit}")
                };
                format!("{}{unit}", text::short(value / factor))
            }
        };
        let words = format!("{} {words} instead of {}", said(value), said(before));
        Some((verdict, words))
    };
    let costs: Vec<(Verdict, String)> = COSTS.iter().filter_map(cost).collect();
    let with = |wanted: Verdict| -> Vec<String> {
        costs.iter().filter(|(verdict, _)| *verdict == wanted).map(|(_, words)| words.clone()).collect()
    };
    let (worse, better) = (with(Verdict::Worse), with(Verdict::Better));
    out += &match worse.is_empty() {
        true => format!(" Beside {} no cost is shown.", name(&other.strategy)),
        false => format!(" What that costs: {}.", listed(&worse)),
    };
    if !better.is_empty() {
        out += &format!(" It also saves: {}.", listed(&better));
    }
    Some(out)
}

/// `a, b and c`.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl Results {
    /// What is shown of `second` beside `first`; nothing if they are not compared in this metric.
    pub fn shows(&self, metric: &str, first: &str, second: &str) -> Option<Verdict> {
        let is = |row: &&PairRow, first: &str, second: &str| {
            row.metric == metric && row.first == first && row.second == second
        };
        let straight = self.pairs.iter().find(|row| is(row, first, second)).map(|row| row.verdict);
        straight.or_else(|| Some(self.pairs.iter().find(|row| is(row, second, first))?.verdict.turned()))
    }

    /// Compares all strategies with all in the headline metrics.
    pub(super) fn compare(&mut self, metrics: &[Metric]) {
        if self.manifest.strategies.len() > 1 {
            self.pairs = pairs(&self.runs, &self.manifest.strategies, &headlines(self), metrics);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::OfRun;
    use super::*;

    const METRICS: &[Metric] =
        &[Metric { name: LOST, unit: "s", definition: "It is lost.", smaller_is_better: Some(true) }];

    /// Values of strategies `a`, `b`, ... replication by replication.
    fn compared(values: &[&[f64]]) -> (Vec<String>, Vec<PairRow>) {
        let strategies: Vec<String> =
            ["a", "b", "c", "d"].iter().take(values.len()).map(|name| name.to_string()).collect();
        let rows = strategies.iter().zip(values).flat_map(|(strategy, values)| {
            let run = |(replication, value): (u32, &f64)| OfRun {
                strategy: strategy.as_str().into(),
                replication,
                items: vec![Some(*value)],
            };
            (1..).zip(*values).map(run).collect::<Vec<_>>()
        });
        let runs = Runs { metrics: vec![LOST.into()], rows: rows.collect() };
        let pairs = pairs(&runs, &strategies, &[LOST.into()], METRICS);
        (strategies, pairs)
    }

    #[test]
    fn every_pair_has_a_word() {
        let (_, pairs) = compared(&[&[5.0, 6.0, 7.0], &[2.0, 3.0, 4.1], &[5.0, 6.0, 7.0], &[6.0, 3.0, 9.0]]);
        let words: Vec<(&str, &str, String)> =
            pairs.iter().map(|row| (row.first.as_str(), row.second.as_str(), row.verdict.to_string())).collect();
        let expected = [
            ("a", "b", "better"),
            ("a", "c", "equal in every replication"),
            ("a", "d", "no difference shown"),
            ("b", "c", "worse"),
            ("b", "d", "no difference shown"),
            ("c", "d", "no difference shown"),
        ];
        assert_eq!(words, expected.map(|(first, second, word)| (first, second, word.to_string())));
        assert_eq!(pairs[0].verdict.turned(), Verdict::Worse);
    }

    #[test]
    fn holm_goes_over_all_pairs() {
        // Alone, a difference of 1.05 with p = 0.02 is one; beside two others of the same kind it is not.
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [2.0, 2.4, 4.6, 5.2]);
        let (_, alone) = compared(&[&a, &b]);
        assert_eq!(alone[0].verdict, Verdict::Worse);
        let (_, three) = compared(&[&a, &b, &[1.5, 3.2, 3.1, 4.9]]);
        let same = three.iter().find(|row| row.first == "a" && row.second == "b").expect("it is compared");
        assert_eq!((same.paired, same.verdict), (alone[0].paired, Verdict::NotShown));
        assert!(alone[0].paired.p < same.p_holm);
    }
}
