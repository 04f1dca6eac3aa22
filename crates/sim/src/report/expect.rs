//! Verdicts: what a scenario expects against what came out.

use std::collections::BTreeMap;
use std::fmt;

use super::manifest::Expected;
use super::results::Runs;
use super::text;
use crate::outside;
use crate::stats::{self, Statistic};

/// Whether one strategy met one expectation.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The expectation, as written.
    pub text: String,
    /// The strategy.
    pub strategy: String,
    /// The metric.
    pub metric: String,
    /// In words of what: `mean`, `p95 of the difference to spread`.
    pub what: String,
    /// The statistic over the replications, if every one has a value.
    pub value: Option<f64>,
    /// Whether that is within the bounds.
    pub ruling: Ruling,
    /// In words: the value and the bounds, or why there is none.
    pub why: String,
    /// The bounds in words.
    pub bounds: String,
}

/// What came of an expectation; a worse one is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ruling {
    /// It holds.
    Held,
    /// The replications are too few to tell.
    Undecided,
    /// It does not hold.
    Missed,
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ruling::Held => "held",
            Ruling::Undecided => "undecided",
            Ruling::Missed => "missed",
        })
    }
}

impl Verdict {
    /// Whether the expectation holds.
    pub fn held(&self) -> bool {
        self.ruling == Ruling::Held
    }
}

/// Compares every expectation with every strategy that it is about, in order. A replication without a value leaves the
/// expectation unmet: "never recovered" must not pass as "recovered soon".
pub fn verdicts(expected: &[Expected], strategies: &[String], runs: &Runs) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for expected in expected {
        let is_meant = |name: &&String| match &expected.strategy {
            Some(meant) => meant == *name,
            // Compared with one of them, it is about the others.
            None => expected.minus.as_ref() != Some(*name),
        };
        let mut about: Vec<&String> = strategies.iter().filter(is_meant).collect();
        if let (true, Some(absent)) = (about.is_empty(), &expected.strategy) {
            about.push(absent);
        }
        verdicts.extend(about.into_iter().map(|strategy| verdict(expected, strategy, runs)));
    }
    verdicts
}

/// The values of a metric, or what a strategy has more of it than another in the same replication.
fn values(expected: &Expected, strategy: &str, runs: &Runs) -> Vec<Option<f64>> {
    let own = runs.values(&expected.metric, strategy);
    let Some(minus) = &expected.minus else { return own.map(|(_, value)| value).collect() };
    let others: BTreeMap<u32, Option<f64>> = runs.values(&expected.metric, minus).collect();
    own.map(|(replication, value)| Some(value? - others.get(&replication).copied().flatten()?)).collect()
}

fn verdict(expected: &Expected, strategy: &str, runs: &Runs) -> Verdict {
    let values = values(expected, strategy, runs);
    if let Some(share) = expected.share.filter(|_| !values.is_empty() && runs.metrics.contains(&expected.metric)) {
        return by_chance(expected, share, strategy, &values);
    }
    let present: Vec<f64> = values.iter().copied().flatten().collect();
    let statistic = expected.statistic;
    let value = statistic.of(&present).filter(|_| present.len() == values.len());
    let half = statistic.interval(&present, stats::CONFIDENCE).map(|(low, high)| (high - low) / 2.0);
    // One replication has no width, and says no more than that it is one.
    let half = half.unwrap_or(if statistic == Statistic::Mean { 0.0 } else { f64::INFINITY });
    let held = value.is_some_and(|value| {
        expected.min.is_none_or(|min| min <= value)
            && expected.max.is_none_or(|max| value <= max)
            && expected.theory.is_none_or(|theory| agrees(statistic, &present, value, theory))
            && expected.within.is_none_or(|within| half <= within)
    });
    let has_bounds = expected.min.or(expected.max).is_some();
    let mut bounds = if has_bounds || expected.theory.is_none() { bounds_of(expected) } else { String::new() };
    if let Some(theory) = expected.theory {
        bounds += if bounds.is_empty() { "" } else { " and " };
        bounds += &format!("{} in theory", text::exact(theory));
    }
    if let Some(within) = expected.within {
        bounds += &format!(" within {}", text::exact(within));
    }
    let what = match &expected.minus {
        Some(minus) => format!("{statistic} of the difference to {}", outside::shown(minus)),
        None => statistic.to_string(),
    };
    let why = match value {
        // Rounding must not hide how far a value is from its theory, nor by how little a bound was missed.
        Some(value) if expected.theory.or(expected.within).is_some() => {
            format!("{what} {}, expected {bounds}", text::in_full(value, half))
        }
        Some(value) if held => format!("{what} {}, expected {bounds}", text::short(value)),
        Some(value) => format!("{what} {}, expected {bounds}", text::exact(value)),
        None if !runs.metrics.contains(&expected.metric) => {
            format!("there is no metric '{}'", outside::shown(&expected.metric))
        }
        None if values.is_empty() => format!("strategy '{}' was not run", outside::shown(strategy)),
        None if present.len() == values.len() => {
            format!("{} too few for the {statistic}, expected {bounds}", replications(values.len()))
        }
        None => {
            format!("no value in {} of {} replications, expected {bounds}", values.len() - present.len(), values.len())
        }
    };
    Verdict {
        text: expected.text.clone(),
        strategy: strategy.into(),
        metric: expected.metric.clone(),
        what,
        value,
        ruling: if held { Ruling::Held } else { Ruling::Missed },
        why,
        bounds,
    }
}

/// Whether the values are within the bounds in at least this share of all runs there could be. A run without a value is not.
fn by_chance(expected: &Expected, share: f64, strategy: &str, values: &[Option<f64>]) -> Verdict {
    let is_within =
        |value: f64| expected.min.is_none_or(|min| min <= value) && expected.max.is_none_or(|max| value <= max);
    let (n, good) = (values.len() as u64, values.iter().flatten().filter(|value| is_within(**value)).count() as u64);
    let what = match &expected.minus {
        Some(minus) => format!("the difference to {} is", outside::shown(minus)),
        None => "it is".to_owned(),
    };
    let ruling = match stats::share_shown(n, good, share) {
        // Of all runs nothing else can be seen than that the next one is, too.
        _ if share == 1.0 => {
            if good == n {
                Ruling::Held
            } else {
                Ruling::Missed
            }
        }
        Some(true) => Ruling::Held,
        Some(false) => Ruling::Missed,
        None => Ruling::Undecided,
    };
    let bounds = format!("{} in at least {} % of the runs", bounds_of(expected), text::short(share * 100.0));
    let least = stats::least_share(n, good);
    let least = format!("so in at least {} % with 95 % confidence", text::short((least * 1e3).floor() / 10.0));
    let mut why = format!("{what} so in {good} of {n} runs, {least}, expected {bounds}");
    if share == 1.0 {
        why = format!("{what} so in {good} of {n} runs, expected {} in every run", bounds_of(expected));
    }
    if ruling == Ruling::Undecided {
        why += &match stats::runs_to_show(n, good, share) {
            Some(needed) => format!(": not decided with {n} runs, about {needed} are needed"),
            None => format!(": not decided with {n} runs, and as it looks not with any number of them"),
        };
    }
    Verdict {
        text: expected.text.clone(),
        strategy: strategy.into(),
        metric: expected.metric.clone(),
        what: "share of the runs".into(),
        value: Some(good as f64 / n as f64),
        ruling,
        why,
        bounds,
    }
}

/// The least and the greatest value in words.
fn bounds_of(expected: &Expected) -> String {
    match (expected.min, expected.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {}", text::exact(min)),
        (Some(min), Some(max)) => format!("{} to {}", text::exact(min), text::exact(max)),
        (Some(min), None) => format!("at least {}", text::exact(min)),
        (None, Some(max)) => format!("at most {}", text::exact(max)),
        (None, None) => "any value".into(),
    }
}

fn replications(count: usize) -> String {
    if count == 1 { "one replication is".into() } else { format!("{count} replications are") }
}

/// A statistic may miss its theory by as much as chance makes it miss no more often than once in a thousand times: a mean by
/// 3.66 standard errors with 30 replications, by 637 with two.
const CERTAINTY: f64 = 0.999;
/// Without any variation a statistic must agree to this share: theory is written with a few digits.
const DIGITS: f64 = 1e-9;

/// Whether chance explains by how much a statistic misses its theory.
fn agrees(statistic: Statistic, values: &[f64], value: f64, theory: f64) -> bool {
    let explained = statistic.interval(values, CERTAINTY).is_some_and(|(low, high)| low <= theory && theory <= high);
    explained || (value - theory).abs() <= DIGITS * theory.abs()
}

#[cfg(test)]
mod tests {
    use super::super::results::OfRun;
    use super::*;

    fn runs() -> Runs {
        let run = |strategy: &str, replication, time, detection| OfRun {
            strategy: strategy.into(),
            replication,
            items: vec![Some(time), detection],
        };
        Runs {
            metrics: vec!["time_s".into(), "detection_s".into()],
            rows: vec![
                run("spread", 1, 4.0, Some(15.0)),
                run("spread", 2, 6.0, None),
                run("binpack", 1, 10.0, Some(15.0)),
                run("binpack", 2, 10.0, Some(16.0)),
            ],
        }
    }

    fn about(metric: &str) -> Expected {
        Expected {
            text: "it".into(),
            strategy: None,
            minus: None,
            metric: metric.into(),
            statistic: Statistic::Mean,
            min: None,
            max: None,
            theory: None,
            within: None,
            share: None,
        }
    }

    fn judge(strategy: Option<&str>, metric: &str, min: Option<f64>, max: Option<f64>) -> Vec<(String, bool, String)> {
        let strategy = strategy.map(String::from);
        let expected = [Expected { strategy, min, max, ..about(metric) }];
        verdicts(&expected, &["spread".into(), "binpack".into()], &runs())
            .into_iter()
            .map(|checked| (checked.strategy.clone(), checked.held(), checked.why))
            .collect()
    }

    #[test]
    fn bounds_are_on_the_mean_and_inclusive() {
        let both = judge(None, "time_s", Some(5.0), Some(9.0));
        assert_eq!(both[0], ("spread".into(), true, "mean 5, expected 5 to 9".into()));
        assert_eq!(both[1], ("binpack".into(), false, "mean 10, expected 5 to 9".into()));
        assert_eq!(judge(Some("binpack"), "time_s", None, Some(10.0)).len(), 1);
        assert!(judge(Some("binpack"), "time_s", None, Some(10.0))[0].1);
    }

    #[test]
    fn theory_is_met_if_chance_explains_the_rest_and_the_interval_is_narrow() {
        let judge = |theory, within| {
            let strategy = Some("spread".into());
            let expected = Expected { strategy, theory: Some(theory), within, ..about("time_s") };
            verdicts(&[expected], &["spread".into()], &runs()).remove(0)
        };
        // Values 4 and 6: the mean is 5, its standard error 1, half its interval 12.7; Student's t with one degree of freedom
        // goes beyond 636.6 once in a thousand times.
        assert!(judge(641.6, None).held() && judge(-631.6, None).held());
        assert!(!judge(641.7, None).held() && !judge(-631.7, None).held());
        assert!(judge(5.0, Some(12.71)).held() && !judge(5.0, Some(12.70)).held());
        assert_eq!(judge(5.0, Some(1.0)).why, "mean 5 ± 13, expected 5 in theory within 1");
    }

    #[test]
    fn thirty_replications_may_miss_theory_by_3_66_standard_errors() {
        // Their standard deviation is 1.017, its error 0.1857.
        let values: Vec<f64> = (0..30).map(|run| f64::from(run % 2) * 2.0 - 1.0).collect();
        assert!(agrees(Statistic::Mean, &values, 0.0, 0.679) && !agrees(Statistic::Mean, &values, 0.0, 0.680));
    }

    #[test]
    fn without_chance_theory_is_met_to_nine_digits() {
        let agrees = |theory| agrees(Statistic::Mean, &[1.0 / 3.0, 1.0 / 3.0], 1.0 / 3.0, theory);
        assert!(agrees(0.333_333_333_3) && !agrees(0.333_333));
    }

    #[test]
    fn statistics_and_differences_are_judged() {
        // Values 4 and 6 of spread, 10 and 10 of binpack.
        let judge = |expected: Expected| {
            let all = verdicts(&[expected], &["spread".into(), "binpack".into()], &runs());
            all.into_iter().map(|checked| (checked.strategy.clone(), checked.held(), checked.why)).collect::<Vec<_>>()
        };
        let sd = judge(Expected { statistic: Statistic::Sd, max: Some(1.5), ..about("time_s") });
        assert_eq!(sd[0], ("spread".into(), true, "sd 1.414, expected at most 1.5".into()));
        assert_eq!(sd[1], ("binpack".into(), true, "sd 0, expected at most 1.5".into()));
        let less = judge(Expected { minus: Some("binpack".into()), max: Some(-5.1), ..about("time_s") });
        let why = "mean of the difference to binpack -5, expected at most -5.1";
        assert_eq!(less, [("spread".into(), false, why.into())]);
        let lower =
            Expected { statistic: Statistic::Percentile(50.0), minus: Some("spread".into()), ..about("time_s") };
        assert!(judge(Expected { min: Some(4.0), max: Some(4.0), ..lower })[0].1);
        let missing = judge(Expected { minus: Some("spread".into()), min: Some(0.0), ..about("detection_s") });
        assert_eq!(missing[0].2, "no value in 1 of 2 replications, expected at least 0");
    }

    #[test]
    fn a_share_of_the_runs_is_decided_by_the_binomial_law_or_not_at_all() {
        let judge = |good: usize, n: usize, share: f64| {
            let run = |at: usize| OfRun {
                strategy: "spread".into(),
                replication: at as u32,
                items: vec![(at != 0).then_some(if at < n - good { 1.0 } else { 20.0 })],
            };
            let runs = Runs { metrics: vec!["least".into()], rows: (0..n).map(run).collect() };
            let expected = Expected { min: Some(20.0), share: Some(share), ..about("least") };
            let verdict = verdicts(&[expected], &["spread".into()], &runs).remove(0);
            (verdict.ruling, verdict.why)
        };
        // A run without a value is no good one.
        assert_eq!(judge(58, 59, 0.9).0, Ruling::Held);
        let (ruling, why) = judge(29, 30, 0.8);
        assert_eq!(ruling, Ruling::Held);
        let says = "it is so in 29 of 30 runs, so in at least 85.1 % with 95 % confidence, expected at least 20 in at least \
                    80 % of the runs";
        assert_eq!(why, says);
        let (ruling, why) = judge(29, 30, 0.95);
        assert_eq!(ruling, Ruling::Undecided);
        assert!(why.contains(": not decided with 30 runs, about ") && why.ends_with(" are needed"), "{why}");
        assert_eq!(judge(15, 30, 0.95).0, Ruling::Missed);
        assert_eq!(judge(29, 30, 1.0).0, Ruling::Missed);
        assert!(judge(18, 20, 0.9).1.ends_with("and as it looks not with any number of them"));
    }

    #[test]
    fn a_missing_value_is_not_met_and_says_why() {
        let missing = judge(Some("spread"), "detection_s", None, Some(100.0));
        assert!(!missing[0].1);
        assert_eq!(missing[0].2, "no value in 1 of 2 replications, expected at most 100");
        assert_eq!(judge(Some("spread"), "nonsense", None, None)[0].2, "there is no metric 'nonsense'");
        assert_eq!(judge(Some("random"), "time_s", None, None)[0].2, "strategy 'random' was not run");
    }
}
