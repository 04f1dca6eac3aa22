//! Verdicts: what a scenario expects against what came out.

use super::manifest::Expected;
use super::results::Runs;
use super::text;
use crate::stats;

/// Whether one strategy met one expectation.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The expectation, as written.
    pub text: String,
    /// The strategy.
    pub strategy: String,
    /// The metric.
    pub metric: String,
    /// Mean over the replications, if every one has a value.
    pub mean: Option<f64>,
    /// Whether the mean is within the bounds.
    pub held: bool,
    /// In words: the mean and the bounds, or why there is no mean.
    pub why: String,
}

/// Compares every expectation with every strategy that it is about, in order. A replication without a value leaves the
/// expectation unmet: "never recovered" must not pass as "recovered soon".
pub fn verdicts(expected: &[Expected], strategies: &[String], runs: &Runs) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for expected in expected {
        let mut about: Vec<&String> =
            strategies.iter().filter(|name| expected.strategy.as_ref().is_none_or(|it| it == *name)).collect();
        if let (true, Some(absent)) = (about.is_empty(), &expected.strategy) {
            about.push(absent);
        }
        verdicts.extend(about.into_iter().map(|strategy| verdict(expected, strategy, runs)));
    }
    verdicts
}

fn verdict(expected: &Expected, strategy: &str, runs: &Runs) -> Verdict {
    let values: Vec<Option<f64>> = runs.values(&expected.metric, strategy).map(|(_, value)| value).collect();
    let present: Vec<f64> = values.iter().copied().flatten().collect();
    let mean = stats::mean(&present).filter(|_| present.len() == values.len());
    let held = mean
        .is_some_and(|mean| expected.min.is_none_or(|min| min <= mean) && expected.max.is_none_or(|max| mean <= max));
    let bounds = match (expected.min, expected.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {}", text::exact(min)),
        (Some(min), Some(max)) => format!("{} to {}", text::exact(min), text::exact(max)),
        (Some(min), None) => format!("at least {}", text::exact(min)),
        (None, Some(max)) => format!("at most {}", text::exact(max)),
        (None, None) => "any value".into(),
    };
    let why = match mean {
        // Rounding must not hide by how little a bound was missed.
        Some(mean) if held => format!("mean {}, expected {bounds}", text::short(mean)),
        Some(mean) => format!("mean {}, expected {bounds}", text::exact(mean)),
        None if !runs.metrics.contains(&expected.metric) => {
            format!("there is no metric '{}'", text::plain(&expected.metric))
        }
        None if values.is_empty() => format!("strategy '{}' was not run", text::plain(strategy)),
        None => {
            format!("no value in {} of {} replications, expected {bounds}", values.len() - present.len(), values.len())
        }
    };
    Verdict { text: expected.text.clone(), strategy: strategy.into(), metric: expected.metric.clone(), mean, held, why }
}

#[cfg(test)]
mod tests {
    use super::super::results::Of;
    use super::*;

    fn runs() -> Runs {
        let run = |strategy: &str, replication, time, detection| Of {
            strategy: strategy.into(),
            replication,
            row: vec![Some(time), detection],
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

    fn judge(strategy: Option<&str>, metric: &str, min: Option<f64>, max: Option<f64>) -> Vec<(String, bool, String)> {
        let strategy = strategy.map(String::from);
        let expected = [Expected { text: "it".into(), strategy, metric: metric.into(), min, max }];
        verdicts(&expected, &["spread".into(), "binpack".into()], &runs())
            .into_iter()
            .map(|it| (it.strategy, it.held, it.why))
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
    fn a_missing_value_is_not_met_and_says_why() {
        let missing = judge(Some("spread"), "detection_s", None, Some(100.0));
        assert!(!missing[0].1);
        assert_eq!(missing[0].2, "no value in 1 of 2 replications, expected at most 100");
        assert_eq!(judge(Some("spread"), "nonsense", None, None)[0].2, "there is no metric 'nonsense'");
        assert_eq!(judge(Some("random"), "time_s", None, None)[0].2, "strategy 'random' was not run");
    }
}
