//! Statistics of replications: means with Student's t intervals, paired comparisons, quantiles.
//!
//! An observation is one replication, never one task of a run: tasks of a run depend on each other. Values that are not
//! finite are left out everywhere. With fewer than two observations there is no interval, and none is invented.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};

/// Confidence of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// What is known of one metric over replications. The numbers are `None` where too few observations would support them.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Summary {
    /// Observations.
    pub n: u64,
    /// Arithmetic mean; needs one observation.
    pub mean: Option<f64>,
    /// Sample standard deviation; needs two.
    pub sd: Option<f64>,
    /// Lower end of the interval for the mean that is shown; needs two.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
    /// Which interval that is.
    pub ci_kind: Option<Kind>,
    /// Student's t interval, which may reach where no value can be; needs two.
    pub student: Option<(f64, f64)>,
    /// BCa bootstrap interval, which is never outside of the observations; needs [`BCA_LEAST`] that are not all equal.
    pub bca: Option<(f64, f64)>,
    /// If the observations are of two kinds, both: their mean says nothing of either.
    pub humps: Option<Humps>,
    /// Smallest.
    pub min: Option<f64>,
    /// Lower median: an observation, not a mean of two.
    pub median: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// How an interval for a mean was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Student's t.
    Student,
    /// Bootstrap, corrected for bias and acceleration (Efron 1987), because Student's t reaches where no value can be.
    Bca,
    /// Student's t, cut off where no value can be: for a bootstrap there are too few observations, or so many that it would
    /// say the same.
    Cut,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Student, Kind::Bca, Kind::Cut];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Student => "t",
            Kind::Bca => "BCa",
            Kind::Cut => "t cut",
        })
    }
}

/// Observations in two heaps far from each other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Humps {
    /// How many are in the lower heap, and their mean.
    pub low: (u64, f64),
    /// The same of the upper one.
    pub high: (u64, f64),
}

/// Fewest and most observations of a bootstrap.
pub const BCA_LEAST: usize = 5;
/// See there.
pub const BCA_MOST: usize = 1000;
/// Samples that a bootstrap takes.
const RESAMPLES: usize = 2000;

/// Fewest observations of which is said that they have two humps, and fewest of a hump.
const HUMPS_LEAST: usize = 8;
const HUMP_LEAST: usize = 2;
/// Humps are so many times as far from each other as either is wide: the index of Dunn (1974, "Well-separated clusters and
/// optimal fuzzy partitions", Journal of Cybernetics 4), who calls clusters compact and separated from 1 on. With 1 one in four
/// samples of eight from an exponential law would have two; with 2 four in a hundred have, and of ten two.
const DUNN: f64 = 2.0;
/// And so far apart, as a share of the largest observation: less is nothing that anybody would act upon.
const GAP: f64 = 0.2;

impl Summary {
    /// Summarises the finite ones of some values, which may be anywhere.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Summary {
        Summary::within(values, (f64::NEG_INFINITY, f64::INFINITY), 0)
    }

    /// Summarises the finite ones of some values that can only be in a range. The interval that is shown stays in it:
    /// Student's t if that does; otherwise the bootstrap, which draws by `seed`; if there is none, Student's t cut off.
    pub fn within(values: impl IntoIterator<Item = f64>, range: (f64, f64), seed: u64) -> Summary {
        let sorted = sorted(values);
        let mean = mean(&sorted);
        let student = mean.zip(half_width(&sorted)).map(|(mean, half)| (mean - half, mean + half));
        let bca = bca(&sorted, seed);
        let shown = student.map(|(low, high)| match bca {
            _ if range.0 <= low && high <= range.1 => (Kind::Student, (low, high)),
            Some(bca) => (Kind::Bca, bca),
            None => (Kind::Cut, (low.max(range.0), high.min(range.1))),
        });
        Summary {
            n: sorted.len() as u64,
            mean,
            sd: sd(&sorted),
            ci_low: shown.map(|(_, ci)| ci.0),
            ci_high: shown.map(|(_, ci)| ci.1),
            ci_kind: shown.map(|(kind, _)| kind),
            student,
            bca,
            humps: humps(&sorted),
            min: sorted.first().copied(),
            median: quantile(&sorted, 0.5),
            max: sorted.last().copied(),
        }
    }

    /// Half the width of the interval that is shown, if the mean is in the middle of it.
    pub fn half_width(&self) -> Option<f64> {
        let (low, high) = self.student.filter(|_| self.ci_kind == Some(Kind::Student))?;
        Some((high - low) / 2.0)
    }
}

/// What is said of a metric over the replications.
#[derive(Clone, Copy, PartialEq, Debug, Default, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Statistic {
    /// The arithmetic mean.
    #[default]
    Mean,
    /// The sample standard deviation.
    Sd,
    /// The sample variance.
    Variance,
    /// The nearest-rank percentile, 0 < p < 100.
    Percentile(f64),
}

impl Statistic {
    /// The estimate; `None` where there are too few values: one for a quantile or a mean, two for the others.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        match self {
            Statistic::Mean => mean(values),
            Statistic::Sd => sd(values),
            Statistic::Variance => sd(values).map(|sd| sd * sd),
            Statistic::Percentile(p) => quantile(&sorted(values.iter().copied()), p / 100.0),
        }
    }

    /// Where the truth is with this probability; `None` where too few values tell. Of a mean it is Student's interval, of a
    /// variance and its root that of the jackknife of the logarithm (Miller 1968), which assumes no law of the values, of a
    /// quantile that of order statistics by the binomial law, whose ends may be infinite.
    pub fn interval(self, values: &[f64], probability: f64) -> Option<(f64, f64)> {
        match self {
            Statistic::Mean => around(values, probability),
            Statistic::Variance => variance_interval(values, probability),
            Statistic::Sd => {
                let (low, high) = variance_interval(values, probability)?;
                Some((low.sqrt(), high.sqrt()))
            }
            Statistic::Percentile(p) => quantile_interval(&sorted(values.iter().copied()), p / 100.0, probability),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Sd => f.write_str("sd"),
            Statistic::Variance => f.write_str("variance"),
            Statistic::Percentile(p) => write!(f, "p{p}"),
        }
    }
}

impl FromStr for Statistic {
    type Err = String;

    /// The words of [`Statistic`]'s display: `mean`, `sd`, `variance`, and a percentage such as `p50` or `p99.9`.
    fn from_str(text: &str) -> Result<Statistic, String> {
        let percentage = |text: &str| text.parse().ok().filter(|p: &f64| 0.0 < *p && *p < 100.0);
        match text {
            "mean" => Ok(Statistic::Mean),
            "sd" => Ok(Statistic::Sd),
            "variance" => Ok(Statistic::Variance),
            _ => match text.strip_prefix('p').and_then(percentage) {
                Some(p) => Ok(Statistic::Percentile(p)),
                None => Err(format!("no statistic '{text}'")),
            },
        }
    }
}

impl TryFrom<String> for Statistic {
    type Error = String;

    fn try_from(text: String) -> Result<Statistic, String> {
        text.parse()
    }
}

/// Whether `good` of `n` runs show with 95 % confidence that at least this share of all runs is good (`Some(true)`), or that
/// it is not (`Some(false)`): the exact binomial test, to either side.
pub fn share_shown(n: u64, good: u64, share: f64) -> Option<bool> {
    let law = Binomial::new(share, n).ok()?;
    // As many or more by chance, if the share was no more than that; as few or fewer, if it was no less.
    let as_many = if good == 0 { 1.0 } else { law.sf(good - 1) };
    match () {
        () if as_many <= 1.0 - CONFIDENCE => Some(true),
        () if law.cdf(good) <= 1.0 - CONFIDENCE => Some(false),
        () => None,
    }
}

/// The share of all runs that is good at least, with 95 % confidence, if `good` of `n` are (Clopper and Pearson 1934).
pub fn least_share(n: u64, good: u64) -> f64 {
    let (mut low, mut high) = (0.0, good as f64 / n.max(1) as f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if share_shown(n, good, middle) == Some(true) { low = middle } else { high = middle }
    }
    low
}

/// About how many runs would show on which side of a share the good ones are, if they go on being as frequent as `good` of
/// `n`. None if no number below a million would.
pub fn runs_to_show(n: u64, good: u64, share: f64) -> Option<u64> {
    let rate = good as f64 / n as f64;
    let shows = |runs: u64| share_shown(runs, (rate * runs as f64).round() as u64, share).is_some();
    let enough = std::iter::successors(Some(n.max(1)), |runs| Some(runs * 2))
        .take_while(|runs| *runs < 1_000_000)
        .find(|runs| shows(*runs))?;
    let (mut few, mut enough) = (enough / 2, enough);
    while few + 1 < enough {
        let middle = (few + enough) / 2;
        if shows(middle) { enough = middle } else { few = middle }
    }
    Some(enough)
}

/// Student's interval for the mean.
fn around(values: &[f64], probability: f64) -> Option<(f64, f64)> {
    let mean = mean(values)?;
    let half = student_quantile(values.len(), probability)? * sd(values)? / (values.len() as f64).sqrt();
    Some((mean - half, mean + half))
}

fn variance_interval(values: &[f64], probability: f64) -> Option<(f64, f64)> {
    let n = values.len();
    let whole = sd(values)?;
    if whole == 0.0 {
        return Some((0.0, 0.0));
    }
    if n < 3 {
        return None;
    }
    let without = |row: usize| sd(&[&values[..row], &values[row + 1..]].concat());
    let pseudo: Option<Vec<f64>> = (0..n)
        .map(|row| Some(2.0 * (n as f64 * libm::log(whole) - (n - 1) as f64 * libm::log(without(row)?))))
        .collect();
    let pseudo = pseudo.filter(|pseudo| pseudo.iter().all(|value| value.is_finite()))?;
    let (low, high) = around(&pseudo, probability)?;
    Some((libm::exp(low), libm::exp(high)))
}

/// As many values as chance puts below the quantile may be below an end of the interval, and no more.
fn quantile_interval(sorted: &[f64], q: f64, probability: f64) -> Option<(f64, f64)> {
    let n = sorted.len() as u64;
    let below = Binomial::new(q, n).ok().filter(|_| 0 < n)?;
    let tail = (1.0 - probability) / 2.0;
    // The truth is below the value of rank r if fewer than r values are at most the truth.
    let low = (1..=n).take_while(|rank| below.cdf(rank - 1) <= tail).last();
    // It is above the value of rank r if r or more are at most the truth.
    let high = (1..=n).find(|rank| below.sf(rank - 1) <= tail);
    let value = |rank: u64| sorted[rank as usize - 1];
    Some((low.map_or(f64::NEG_INFINITY, value), high.map_or(f64::INFINITY, value)))
}

/// Two strategies in the same worlds: what the second has more than the first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Paired {
    /// Pairs in which both have a value; at least two.
    pub n: u64,
    /// Mean of (second − first).
    pub difference: f64,
    /// Interval for it.
    pub ci: (f64, f64),
    /// Two-sided p value of Student's t test for "no difference". `None` if all pairs are equal, to the last digits that sums
    /// have: there is nothing to test. If they differ by the same in every replication, there is no variation to hold the
    /// difference against; what is left is that all differences have one sign, which happens by chance 2^(1 - n) of the time
    /// (sign test).
    pub p: Option<f64>,
    /// Geometric mean of second / first with its interval, if all values are positive.
    pub ratio: Option<(f64, f64, f64)>,
}

impl Paired {
    /// Compares pairs of one replication each; `None` if fewer than two are complete.
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Paired> {
        let pairs: Vec<(f64, f64)> =
            pairs.into_iter().filter(|(first, second)| first.is_finite() && second.is_finite()).collect();
        let differences: Vec<f64> = pairs.iter().map(|(first, second)| second - first).collect();
        let (difference, half) = (mean(&differences)?, half_width(&differences)?);
        let largest = pairs.iter().fold(0.0_f64, |largest, (first, second)| largest.max(first.abs()).max(second.abs()));
        Some(Paired {
            n: pairs.len() as u64,
            difference,
            ci: (difference - half, difference + half),
            p: p_value(&differences, ROUNDING * largest),
            ratio: ratio(&pairs),
        })
    }
}

/// By this share of the values differences may differ that would be the same without rounding.
const ROUNDING: f64 = 1e-12;

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    // A constant sample has that constant as its mean, to the last bit: division would round it.
    let first = *values.first()?;
    let shift: f64 = values.iter().map(|value| value - first).sum();
    Some(first + shift / values.len() as f64)
}

/// Sample standard deviation (divisor n − 1); `None` of fewer than two values.
pub fn sd(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Half the width of the Student t interval for the mean; `None` of fewer than two values.
pub fn half_width(values: &[f64]) -> Option<f64> {
    let sd = sd(values)?;
    let n = values.len();
    Some(student_quantile(n, CONFIDENCE)? * sd / (n as f64).sqrt())
}

/// The interval of the bootstrap, corrected for bias and acceleration (Efron 1987; Efron and Tibshirani 1993, chapter 14), for
/// the mean of ascending values: quantiles of the means of samples that are drawn from them with replacement.
fn bca(sorted: &[f64], seed: u64) -> Option<(f64, f64)> {
    let n = sorted.len();
    if !(BCA_LEAST..=BCA_MOST).contains(&n) || sorted[0] == sorted[n - 1] {
        return None;
    }
    let mean = mean(sorted)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The bias of a choice among a thousand by 32 bits is below one in a million.
    let mut pick = || sorted[((u64::from(rng.next_u32()) * n as u64) >> 32) as usize];
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| (0..n).map(|_| pick()).sum::<f64>() / n as f64).collect();
    means.sort_by(f64::total_cmp);
    let below = means.partition_point(|one| *one < mean) as f64;
    let equal = means.partition_point(|one| *one <= mean) as f64 - below;
    let normal = Normal::standard();
    // Half of what is equal counts as below; the ends of the distribution stay out of reach.
    let share = ((below + equal / 2.0) / RESAMPLES as f64).clamp(0.5 / RESAMPLES as f64, 1.0 - 0.5 / RESAMPLES as f64);
    let bias = normal.inverse_cdf(share);
    // Without one of the values the mean moves by its distance from the mean over n - 1: the factor cancels.
    let powers = |power: i32| sorted.iter().map(|value| (value - mean).powi(power)).sum::<f64>();
    let acceleration = powers(3) / (6.0 * libm::pow(powers(2), 1.5));
    let end = |probability: f64| {
        let z = bias + normal.inverse_cdf(probability);
        quantile(&means, normal.cdf(bias + z / (1.0 - acceleration * z)))
    };
    let tail = (1.0 - CONFIDENCE) / 2.0;
    end(tail).zip(end(1.0 - tail))
}

/// The two heaps in which ascending values lie, if they do.
pub fn humps(sorted: &[f64]) -> Option<Humps> {
    let n = sorted.len();
    if n < HUMPS_LEAST {
        return None;
    }
    let (least, most) = (sorted[0], sorted[n - 1]);
    let place = (HUMP_LEAST..=n - HUMP_LEAST).max_by(|&one, &other| {
        let gap = |place: usize| sorted[place] - sorted[place - 1];
        gap(one).total_cmp(&gap(other))
    })?;
    let (low, high) = sorted.split_at(place);
    let (below, above) = (low[low.len() - 1], high[0]);
    let width = (below - least).max(most - above);
    let is_wide = DUNN * width < above - below && GAP * least.abs().max(most.abs()) <= above - below;
    let hump = |values: &[f64]| Some((values.len() as u64, mean(values)?));
    if is_wide { Some(Humps { low: hump(low)?, high: hump(high)? }) } else { None }
}

/// Within so many standard errors of the truth is the mean of `n` normal values, with this probability; `None` of fewer than
/// two values.
pub fn student_quantile(n: usize, probability: f64) -> Option<f64> {
    (n > 1).then(|| student((n - 1) as f64).inverse_cdf(0.5 + probability / 2.0))
}

/// Holm's step-down correction: the p values as if each were the only test, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut floor: f64 = 0.0;
    for (rank, &at) in order.iter().enumerate() {
        floor = floor.max((p[at] * (p.len() - rank) as f64).min(1.0));
        corrected[at] = floor;
    }
    corrected
}

/// The finite ones of some values, ascending.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Nearest-rank quantile of ascending values: the smallest that at least a share `q` of them does not exceed.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).wrapping_sub(1)).copied()
}

/// Steps of the empirical distribution of ascending values: (value, how many are not greater), equal values once.
pub fn ecdf(sorted: &[f64]) -> Vec<(f64, u64)> {
    let mut steps: Vec<(f64, u64)> = Vec::new();
    for (before, &value) in sorted.iter().enumerate() {
        match steps.last_mut() {
            Some(last) if last.0 == value => last.1 = before as u64 + 1,
            _ => steps.push((value, before as u64 + 1)),
        }
    }
    steps
}

/// Two-sided p value of Student's t test for mean zero, or of the sign test if nothing but rounding varies.
fn p_value(differences: &[f64], rounding: f64) -> Option<f64> {
    let (mean, sd) = (mean(differences)?, sd(differences)?);
    let n = differences.len() as f64;
    if sd <= rounding {
        return (mean.abs() > rounding).then(|| libm::exp2(1.0 - n));
    }
    let t = mean / (sd / n.sqrt());
    Some(2.0 * student(n - 1.0).cdf(-t.abs()))
}

fn ratio(pairs: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let logs: Option<Vec<f64>> =
        pairs.iter().map(|&(first, second)| (first > 0.0 && second > 0.0).then(|| libm::log(second / first))).collect();
    let logs = logs?;
    let (mean, half) = (mean(&logs)?, half_width(&logs)?);
    Some((libm::exp(mean), libm::exp(mean - half), libm::exp(mean + half)))
}

fn student(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom).expect("at least two observations give at least one degree of freedom")
}

#[cfg(test)]
mod tests {
    use super::*;

    // The numbers come from scipy 1.17: stats.t.ppf, stats.ttest_rel and its confidence_interval.
    const A: [f64; 5] = [12.1, 13.4, 11.8, 15.0, 12.9];
    const B: [f64; 5] = [14.0, 15.1, 13.2, 18.4, 13.3];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "found {found}, expected {expected}");
    }

    #[test]
    fn mean_deviation_and_interval_agree_with_scipy() {
        let summary = Summary::of(A);
        close(summary.mean.unwrap(), 13.04);
        close(summary.sd.unwrap(), 1.2660963628413122);
        close(summary.half_width().unwrap(), 1.5720662719967873);
        assert_eq!((summary.min, summary.median, summary.max), (Some(11.8), Some(12.9), Some(15.0)));
    }

    #[test]
    fn an_interval_stays_where_values_can_be() {
        // Seven rollouts take a while, three hang: Student's t begins below zero.
        let times = [21.0, 19.0, 20.0, 18.5, 22.0, 20.5, 19.5, 213.0, 216.0, 214.0];
        let summary = Summary::within(times, (0.0, f64::INFINITY), 1);
        let (low, high) = summary.student.unwrap();
        assert!(low < 14.0 && 140.0 < high, "{low} to {high}");
        let shares = Summary::within([1.0, 1.0, 0.7, 1.0, 0.99, 1.0], (0.0, 1.0), 1);
        assert_eq!(shares.ci_kind, Some(Kind::Bca));
        assert!(shares.student.unwrap().1 > 1.0 && shares.ci_high.unwrap() <= 1.0, "{shares:?}");
        assert_eq!(shares.half_width(), None, "its mean is not in the middle");
        let few = Summary::within([0.0, 1.0, 50.0], (0.0, f64::INFINITY), 1);
        assert_eq!((few.ci_kind, few.ci_low, few.bca), (Some(Kind::Cut), Some(0.0), None));
        assert_eq!(Summary::within(times, (0.0, f64::INFINITY), 1), summary, "the same seed draws the same");
    }

    #[test]
    fn the_bootstrap_agrees_with_scipy() {
        // scipy.stats.bootstrap((v,), numpy.mean, method="BCa", n_resamples=200000) of scipy 1.17.
        let skewed = [1.2, 0.4, 2.2, 9.1, 3.3, 0.9, 14.8, 5.0, 2.4, 7.7];
        for (values, (low, high)) in [(&skewed[..], (2.58, 8.26)), (&A[..], (12.24, 14.26))] {
            let found = Summary::of(values.iter().copied()).bca.unwrap();
            let width = high - low;
            assert!((found.0 - low).abs() < 0.05 * width && (found.1 - high).abs() < 0.05 * width, "{found:?}");
        }
    }

    #[test]
    fn two_humps_are_seen_and_one_is_not() {
        let times = [21.0, 19.0, 20.0, 18.5, 22.0, 20.5, 19.5, 213.0, 216.0, 214.0];
        let humps = Summary::of(times).humps.expect("three of ten hang");
        assert_eq!((humps.low.0, humps.high.0), (7, 3));
        close(humps.high.1, 643.0 / 3.0);
        // One alone is no hump, nor are two of few; a spread of values is none, and neither is a small step.
        assert_eq!(Summary::of([20.0, 21.0, 20.0, 19.0, 20.0, 21.0, 20.0, 19.0, 215.0]).humps, None);
        assert_eq!(Summary::of([20.0, 20.0, 215.0, 215.0]).humps, None);
        assert_eq!(Summary::of((1..20).map(f64::from)).humps, None);
        assert_eq!(Summary::of([44.0, 44.0, 44.0, 44.0, 45.0, 45.0, 45.0, 45.0, 45.0]).humps, None);
    }

    #[test]
    fn quantiles_of_student_agree_with_scipy() {
        for (freedom, expected) in [
            (1.0, 12.706204736174694),
            (2.0, 4.302652729749462),
            (4.0, 2.7764451051977934),
            (29.0, 2.045229642132703),
            (999.0, 1.9623414611334493),
        ] {
            close(student(freedom).inverse_cdf(0.975), expected);
        }
    }

    #[test]
    fn paired_test_agrees_with_scipy() {
        let paired = Paired::of(A.into_iter().zip(B)).unwrap();
        close(paired.difference, 1.76);
        close(paired.ci.0, 0.4152142604702138);
        close(paired.ci.1, 3.1047857395297846);
        close(paired.p.unwrap(), 0.02208747872362933);
        let (ratio, low, high) = paired.ratio.unwrap();
        close(ratio, 1.130261791599708);
        close(low, 1.0453844319530534);
        close(high, 1.2220305549830033);
    }

    #[test]
    fn one_observation_has_no_interval() {
        let summary = Summary::of([3.0]);
        assert_eq!((summary.n, summary.mean), (1, Some(3.0)));
        assert_eq!((summary.sd, summary.ci_low, summary.ci_high, summary.half_width()), (None, None, None, None));
        assert_eq!(Paired::of([(1.0, 2.0)]), None);
        assert_eq!(Summary::of([]), Summary::default());
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        assert_eq!(Summary::of([1.0, f64::NAN, 3.0, f64::INFINITY]), Summary::of([1.0, 3.0]));
        let pairs = [(1.0, 2.0), (f64::NAN, 9.0), (2.0, 4.0)];
        assert_eq!(Paired::of(pairs), Paired::of([(1.0, 2.0), (2.0, 4.0)]));
        assert_eq!(sorted([2.0, f64::NAN, 1.0]), [1.0, 2.0]);
    }

    #[test]
    fn equal_pairs_leave_nothing_to_test_and_constant_differences_have_a_sign_test() {
        let equal = Paired::of([(0.1, 0.1); 3]).unwrap();
        assert_eq!((equal.difference, equal.ci, equal.p), (0.0, (0.0, 0.0), None));
        let constant = Paired::of([(1.0, 3.0), (2.0, 4.0)]).unwrap();
        assert_eq!((constant.difference, constant.ci, constant.p), (2.0, (2.0, 2.0), Some(0.5)));
        // Two replications show nothing, however large the difference; ten show it.
        let ten = Paired::of((0..10).map(|run| (f64::from(run), f64::from(run) + 0.1))).unwrap();
        close(ten.p.unwrap(), 1.0 / 512.0);
        let rounded = Paired::of([(0.1 + 0.2, 0.3), (0.3, 0.1 + 0.2), (0.3, 0.3)]).unwrap();
        assert_eq!(rounded.p, None);
    }

    #[test]
    fn statistics_have_names() {
        for name in ["mean", "sd", "variance", "p1", "p50", "p99.9", "p29", "p57"] {
            assert_eq!(name.parse::<Statistic>().map(|statistic| statistic.to_string()), Ok(name.to_string()));
        }
        for wrong in ["p0", "p100", "p", "pnan", "median", ""] {
            assert!(wrong.parse::<Statistic>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn intervals_of_statistics_agree_with_other_programs() {
        // The mean as above; the median of ten by the binomial law lies between ranks 2 and 9 (David and Nagaraja, table 7.1).
        let (low, high) = Statistic::Mean.interval(&A, 0.95).unwrap();
        close(high - low, 2.0 * 1.5720662719967873);
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(Statistic::Percentile(50.0).interval(&ten, 0.95), Some((2.0, 9.0)));
        assert_eq!(Statistic::Percentile(90.0).interval(&ten, 0.95), Some((7.0, f64::INFINITY)));
        assert_eq!(Statistic::Percentile(50.0).of(&ten), Some(5.0));
        // Without variation nothing is left to chance; two values tell nothing of their variance.
        assert_eq!(Statistic::Sd.interval(&[2.0; 4], 0.95), Some((0.0, 0.0)));
        assert_eq!(Statistic::Sd.interval(&[1.0, 2.0], 0.95), None);
    }

    #[test]
    fn intervals_of_variances_and_quantiles_cover_as_often_as_promised() {
        use crate::engine::law::Law;
        use crate::engine::rng::{Seeds, Stream};
        // Exponential times: sd 10 s, variance 100 s^2, p90 23.026 s. The jackknife covers a little less than it says.
        let law = Law::Exponential { mean: sched::Span::from_secs(10) };
        let mut rng = Seeds::of(1, 1).stream(Stream::Task, 0);
        let truths = [
            (Statistic::Sd, 10.0, 0.88),
            (Statistic::Variance, 100.0, 0.88),
            (Statistic::Percentile(90.0), 23.0258509, 0.94),
        ];
        let mut covered = [0.0; 3];
        for _ in 0..1000 {
            let values: Vec<f64> = (0..100).map(|_| law.sample(&mut rng).as_secs_f64()).collect();
            for (count, (statistic, truth, _)) in covered.iter_mut().zip(truths) {
                let (low, high) = statistic.interval(&values, 0.95).unwrap();
                *count += f64::from(u8::from(low <= truth && truth <= high)) / 1000.0;
            }
        }
        for (covered, (statistic, _, least)) in covered.into_iter().zip(truths) {
            assert!((least..0.985).contains(&covered), "{statistic}: {covered}");
        }
    }

    #[test]
    fn a_ratio_needs_positive_values() {
        assert_eq!(Paired::of([(0.0, 1.0), (1.0, 2.0)]).unwrap().ratio, None);
    }

    #[test]
    fn holm_multiplies_by_the_tests_that_are_left_and_never_falls() {
        // By hand: 0.01·4, 0.03·3 and 0.04·2 lifted to 0.09, 0.5·1.
        let corrected = holm(&[0.04, 0.01, 0.5, 0.03]);
        for (found, expected) in corrected.iter().zip([0.09, 0.04, 0.5, 0.09]) {
            close(*found, expected);
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn quantiles_take_the_nearest_rank() {
        let values = [1.0, 2.0, 3.0, 4.0];
        for (q, expected) in [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)] {
            assert_eq!(quantile(&values, q), Some(expected), "q = {q}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_empirical_distribution_counts_equal_values_once() {
        assert_eq!(ecdf(&[1.0, 2.0, 2.0, 5.0]), [(1.0, 1), (2.0, 3), (5.0, 4)]);
        assert!(ecdf(&[]).is_empty());
    }
}
