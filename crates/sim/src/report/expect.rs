//! Verdicts: what a scenario expects against what came out.

use super::manifest::Expected;
use super::results::Runs;
use super::text;
use crate::outside;
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
    /// The bounds in words.
    pub bounds: String,
}

/// Compares every expectation with every strategy that it is about, in order. A replication without a value leaves the
/// expectation unmet: "never recovered" must not pass as "recovered soon".
pub fn verdicts(expected: &[Expected], strategies: &[String], runs: &Runs) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for expected in expected {
        let mut about: Vec<&String> =
            strategies.iter().filter(|name| expected.strategy.as_ref().is_none_or(|meant| meant == *name)).collect();
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
    let half = stats::half_width(&present).unwrap_or(0.0);
    let held = mean.is_some_and(|mean| {
        expected.min.is_none_or(|min| min <= mean)
            && expected.max.is_none_or(|max| mean <= max)
            && expected.theory.is_none_or(|theory| agrees(&present, mean, theory))
            && expected.within.is_none_or(|within| half <= within)
    });
    let mut bounds = match (expected.min, expected.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {}", text::exact(min)),
        (Some(min), Some(max)) => format!("{} to {}", text::exact(min), text::exact(max)),
        (Some(min), None) => format!("at least {}", text::exact(min)),
        (None, Some(max)) => format!("at most {}", text::exact(max)),
        (None, None) if expected.theory.is_some() => String::new(),
        (None, None) => "any value".into(),
    };
    if let Some(theory) = expected.theory {
        bounds += if bounds.is_empty() { "" } else { " and " };
        bounds += &format!("{} in theory", text::exact(theory));
    }
    if let Some(within) = expected.within {
        bounds += &format!(" within {}", text::exact(within));
    }
    let why = match mean {
        // Rounding must not hide how far a mean is from its theory, nor by how little a bound was missed.
        Some(mean) if expected.theory.or(expected.within).is_some() => {
            format!("mean {}, expected {bounds}", text::in_full(mean, half))
        }
        Some(mean) if held => format!("mean {}, expected {bounds}", text::short(mean)),
        Some(mean) => format!("mean {}, expected {bounds}", text::exact(mean)),
        None if !runs.metrics.contains(&expected.metric) => {
            format!("there is no metric '{}'", outside::shown(&expected.metric))
        }
        None if values.is_empty() => format!("strategy '{}' was not run", outside::shown(strategy)),
        None => {
            format!("no value in {} of {} replications, expected {bounds}", values.len() - present.len(), values.len())
        }
    };
    Verdict {
        text: expected.text.clone(),
        strategy: strategy.into(),
        metric: expected.metric.clone(),
        mean,
        held,
        why,
        bounds,
    }
}

/// A mean may miss its theory by as many standard errors as chance makes it miss no more often than once in a thousand
/// times: 3.66 with 30 replications, 637 with two.
const CERTAINTY: f64 = 0.999;
/// Without any variation a mean must agree to this share: theory is written with a few digits.
const DIGITS: f64 = 1e-9;

/// Whether chance explains by how much a mean misses its theory.
fn agrees(values: &[f64], mean: f64, theory: f64) -> bool {
    let errors = stats::student_quantile(values.len(), CERTAINTY).unwrap_or(0.0);
    let error = stats::sd(values).unwrap_or(0.0) / (values.len() as f64).sqrt();
    (mean - theory).abs() <= (errors * error).max(DIGITS * theory.abs())
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

    fn judge(strategy: Option<&str>, metric: &str, min: Option<f64>, max: Option<f64>) -> Vec<(String, bool, String)> {
        let strategy = strategy.map(String::from);
        let (text, metric) = ("it".into(), metric.into());
        let expected = [Expected { text, strategy, metric, min, max, theory: None, within: None }];
        verdicts(&expected, &["spread".into(), "binpack".into()], &runs())
            .into_iter()
            .map(|checked| (checked.strategy, checked.held, checked.why))
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
            let expected = Expected {
                text: "it".into(),
                strategy: Some("spread".into()),
                metric: "time_s".into(),
                min: None,
                max: None,
                theory: Some(theory),
                within,
            };
            verdicts(&[expected], &["spread".into()], &runs()).remove(0)
        };
        // Values 4 and 6: the mean is 5, its standard error 1, half its interval 12.7; Student's t with one degree of freedom
        // goes beyond 636.6 once in a thousand times.
        assert!(judge(641.6, None).held && judge(-631.6, None).held);
        assert!(!judge(641.7, None).held && !judge(-631.7, None).held);
        assert!(judge(5.0, Some(12.71)).held && !judge(5.0, Some(12.70)).held);
        assert_eq!(judge(5.0, Some(1.0)).why, "mean 5 ± 13, expected 5 in theory within 1");
    }

    #[test]
    fn thirty_replications_may_miss_theory_by_3_66_standard_errors() {
        // Their standard deviation is 1.017, its error 0.1857.
        let values: Vec<f64> = (0..30).map(|run| f64::from(run % 2) * 2.0 - 1.0).collect();
        assert!(agrees(&values, 0.0, 0.679) && !agrees(&values, 0.0, 0.680));
    }

    #[test]
    fn without_chance_theory_is_met_to_nine_digits() {
        assert!(agrees(&[1.0 / 3.0, 1.0 / 3.0], 1.0 / 3.0, 0.333_333_333_3));
        assert!(!agrees(&[1.0 / 3.0, 1.0 / 3.0], 1.0 / 3.0, 0.333_333));
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
