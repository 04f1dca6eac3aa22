//! Laws of random times.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha8Rng;
use sched::Span;

use super::chance::unit;

/// How a span of time is distributed. Sampled by inversion from one uniform draw, with `libm`, so that the values are
/// the same on every platform and every version.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Law {
    /// Always the same.
    Fixed(Span),
    /// Anything between two spans with equal chance.
    Uniform {
        /// The shortest.
        min: Span,
        /// The longest.
        max: Span,
    },
    /// Memoryless.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// Its logarithm is normal.
    Lognormal {
        /// The median.
        median: Span,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// Decreasing hazard for a shape below 1, exponential at 1.
    Weibull {
        /// The shape.
        shape: f64,
        /// The mean (not the scale).
        mean: Span,
    },
    /// The sum of as many exponential stages: more regular than one.
    Erlang {
        /// How many, at least 1.
        stages: u32,
        /// The mean of the whole.
        mean: Span,
    },
    /// One of two exponential times: more variable than one.
    Hyperexponential {
        /// Probability of the short one.
        chance: f64,
        /// Mean of the short one.
        short: Span,
        /// Mean of the long one.
        long: Span,
    },
    /// A tail that falls as a power: longer than `x` with probability (scale / x)^shape. Without a mean for a shape of 1 or
    /// less, without a variance for 2 or less.
    Pareto {
        /// The shortest.
        scale: Span,
        /// The shape, above 0.
        shape: f64,
    },
    /// One of these, each with the same chance; ascending, at least one. See [`Law::empirical`].
    Empirical(&'static [Span]),
}

/// Every list of an empirical law so far. A law is copied with every task, so its list cannot belong to it; each is kept once,
/// until the program ends.
static LISTS: Mutex<BTreeSet<&'static [Span]>> = Mutex::new(BTreeSet::new());

impl Law {
    /// One of these values, each with the same chance; `None` if there are none.
    pub fn empirical(mut values: Vec<Span>) -> Option<Law> {
        values.sort_unstable();
        let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lists.get(values.as_slice()).copied();
        let list = known.unwrap_or_else(|| {
            let list: &'static [Span] = values.leak();
            lists.insert(list);
            list
        });
        (!list.is_empty()).then_some(Law::Empirical(list))
    }

    /// Draws a span. Every law takes exactly one number from the stream.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Span {
        self.quantile(unit(rng))
    }

    /// Draws what is left of a span at a random instant within it (the equilibrium law of a renewal process): what an
    /// observer waits who comes at any time. Needs more than one number, how many depends on the law.
    pub fn residual(&self, rng: &mut ChaCha8Rng) -> Span {
        let whole = match *self {
            Law::Fixed(span) => nanos(span),
            // Longer ones are met more often, so that the tail is one power heavier. Without a mean there is no such law:
            // the longest of all times is met.
            Law::Pareto { scale, shape } if shape > 1.0 => nanos(Law::Pareto { scale, shape: shape - 1.0 }.sample(rng)),
            Law::Pareto { .. } => nanos(LONGEST),
            Law::Empirical(values) => {
                let mut point = unit(rng) * values.iter().map(|value| nanos(*value)).sum::<f64>();
                let met = values.iter().find(|value| {
                    point -= nanos(**value);
                    point < 0.0
                });
                met.or(values.last()).map_or(0.0, |value| nanos(*value))
            }
            // Long spans are met more often: the density is that of the law times the length.
            Law::Uniform { min, max } => {
                let (min, max) = (nanos(min), nanos(max));
                (min * min + unit(rng) * (max * max - min * min)).sqrt()
            }
            Law::Exponential { .. } => return self.sample(rng),
            Law::Lognormal { median, sigma } => {
                nanos(median) * libm::exp(sigma * sigma + sigma * normal_quantile(unit(rng)))
            }
            Law::Weibull { shape, mean } => scale(shape, mean) * libm::pow(gamma(1.0 + 1.0 / shape, rng), 1.0 / shape),
            Law::Erlang { stages, mean } => nanos(mean) / f64::from(stages) * gamma(f64::from(stages) + 1.0, rng),
            // What is left of an exponential time is like the whole; the long one is met more often.
            Law::Hyperexponential { chance, short, long } => {
                let (short_share, long_share) = (chance * nanos(short), (1.0 - chance) * nanos(long));
                let mean = if unit(rng) * (short_share + long_share) < short_share { short } else { long };
                return Law::Exponential { mean }.sample(rng);
            }
        };
        span(whole * unit(rng))
    }

    /// The span that is not exceeded with probability `p`, 0 < p < 1.
    pub fn quantile(&self, p: f64) -> Span {
        match *self {
            Law::Fixed(span) => span,
            Law::Uniform { min, max } => span(nanos(min) + p * (nanos(max) - nanos(min))),
            Law::Exponential { mean } => span(-nanos(mean) * libm::log1p(-p)),
            Law::Lognormal { median, sigma } => span(nanos(median) * libm::exp(sigma * normal_quantile(p))),
            Law::Weibull { shape, mean } => span(scale(shape, mean) * libm::pow(-libm::log1p(-p), 1.0 / shape)),
            Law::Erlang { stages, mean } => {
                let survival = |x: f64| {
                    // e^-x times the first terms of the series of e^x.
                    let (mut term, mut sum) = (libm::exp(-x), 0.0);
                    for stage in 1..=stages {
                        sum += term;
                        term *= x / f64::from(stage);
                    }
                    sum
                };
                span(nanos(mean) / f64::from(stages) * inverse(survival, 1.0 - p))
            }
            Law::Hyperexponential { chance, short, long } => {
                let (short, long) = (nanos(short).max(1.0), nanos(long).max(1.0));
                let (unit, ratio) = (long.max(short), long.max(short) / short);
                let ratio_long = unit / long;
                let survival = |x: f64| chance * libm::exp(-x * ratio) + (1.0 - chance) * libm::exp(-x * ratio_long);
                span(unit * inverse(survival, 1.0 - p))
            }
            Law::Pareto { scale, shape } => span(nanos(scale) * libm::exp(-libm::log1p(-p) / shape)),
            Law::Empirical(values) => {
                let row = (p * values.len() as f64) as usize;
                values.get(row).or(values.last()).copied().unwrap_or(Span::ZERO)
            }
        }
    }

    /// The mean; the longest of all times if there is none.
    pub fn mean(&self) -> Span {
        match *self {
            Law::Pareto { scale, shape } if shape > 1.0 => span(nanos(scale) * shape / (shape - 1.0)),
            Law::Pareto { .. } => LONGEST,
            Law::Empirical(values) => {
                span(values.iter().map(|value| nanos(*value)).sum::<f64>() / values.len().max(1) as f64)
            }
            Law::Fixed(span) => span,
            Law::Uniform { min, max } => span((nanos(min) + nanos(max)) / 2.0),
            Law::Exponential { mean } | Law::Weibull { mean, .. } | Law::Erlang { mean, .. } => mean,
            Law::Lognormal { median, sigma } => span(nanos(median) * libm::exp(sigma * sigma / 2.0)),
            Law::Hyperexponential { chance, short, long } => span(chance * nanos(short) + (1.0 - chance) * nanos(long)),
        }
    }
}

/// The longest of all times, which stands for one without end.
pub const LONGEST: Span = Span::from_nanos(u64::MAX);

fn nanos(span: Span) -> f64 {
    span.as_nanos() as f64
}

fn span(nanos: f64) -> Span {
    // `as` saturates: no law gives a negative span, and too long is the longest.
    Span::from_nanos(nanos.round() as u64)
}

/// Where a survival function that falls from 1 at 0 has a value: bisection down to neighbouring numbers.
fn inverse(survival: impl Fn(f64) -> f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while survival(high) > value {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || high <= middle {
            return middle;
        }
        if survival(middle) > value { low = middle } else { high = middle }
    }
}

/// The scale of a Weibull law: its mean is scale * Gamma(1 + 1/shape).
fn scale(shape: f64, mean: Span) -> f64 {
    nanos(mean) / libm::tgamma(1.0 + 1.0 / shape)
}

/// Draws from the gamma law of a shape of at least 1 and scale 1 (Marsaglia and Tsang 2000).
fn gamma(shape: f64, rng: &mut ChaCha8Rng) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal_quantile(unit(rng));
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if v > 0.0 && libm::log(unit(rng)) < x * x / 2.0 + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// Inverse of the standard normal distribution: Wichura's algorithm AS 241 (1988), good to 16 digits.
#[allow(clippy::excessive_precision)] // As published.
fn normal_quantile(p: f64) -> f64 {
    let ratio = |r: f64, a: [f64; 8], b: [f64; 8]| {
        let polynomial = |c: [f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
        polynomial(a) / polynomial(b)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        const A: [f64; 8] = [
            3.3871328727963666080e0,
            1.3314166789178437745e2,
            1.9715909503065514427e3,
            1.3731693765509461125e4,
            4.5921953931549871457e4,
            6.7265770927008700853e4,
            3.3430575583588128105e4,
            2.5090809287301226727e3,
        ];
        const B: [f64; 8] = [
            1.0,
            4.2313330701600911252e1,
            6.8718700749205790830e2,
            5.3941960214247511077e3,
            2.1213794301586595867e4,
            3.9307895800092710610e4,
            2.8729085735721942674e4,
            5.2264952788528545610e3,
        ];
        return q * ratio(0.180625 - q * q, A, B);
    }
    let r = (-libm::log(p.min(1.0 - p))).sqrt();
    let tail = if r <= 5.0 {
        const C: [f64; 8] = [
            1.42343711074968357734e0,
            4.63033784615654529590e0,
            5.76949722146069140550e0,
            3.64784832476320460504e0,
            1.27045825245236838258e0,
            2.41780725177450611770e-1,
            2.27238449892691845833e-2,
            7.74545014278341407640e-4,
        ];
        const D: [f64; 8] = [
            1.0,
            2.05319162663775882187e0,
            1.67638483018380384940e0,
            6.89767334985100004550e-1,
            1.48103976427480074590e-1,
            1.51986665636164571966e-2,
            5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ];
        ratio(r - 1.6, C, D)
    } else {
        const E: [f64; 8] = [
            6.65790464350110377720e0,
            5.46378491116411436990e0,
            1.78482653991729133580e0,
            2.96560571828504891230e-1,
            2.65321895265761230930e-2,
            1.24266094738807843860e-3,
            2.71155556874348757815e-5,
            2.01033439929228813265e-7,
        ];
        const F: [f64; 8] = [
            1.0,
            5.99832206555887937690e-1,
            1.36929880922735805310e-1,
            1.48753612908506148525e-2,
            7.86869131145613259100e-4,
            1.84631831751005468180e-5,
            1.42151175831644588870e-7,
            2.04426310338993978564e-15,
        ];
        ratio(r - 5.0, E, F)
    };
    if q < 0.0 { -tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::{Seeds, Stream};

    /// The laws, those that are known by a list last.
    fn laws() -> [Law; 10] {
        [
            Law::Fixed(Span::from_secs(3)),
            Law::Uniform { min: Span::from_secs(2), max: Span::from_secs(10) },
            Law::Exponential { mean: Span::from_secs(60) },
            Law::Lognormal { median: Span::from_secs(5), sigma: 0.5 },
            Law::Weibull { shape: 0.7, mean: Span::from_secs(100) },
            Law::Weibull { shape: 2.0, mean: Span::from_secs(100) },
            Law::Erlang { stages: 4, mean: Span::from_secs(20) },
            Law::Hyperexponential { chance: 0.75, short: Span::from_secs(3), long: Span::from_secs(11) },
            Law::Pareto { scale: Span::from_secs(6), shape: 4.0 },
            Law::empirical([2, 15, 1, 2].map(Span::from_secs).to_vec()).unwrap(),
        ]
    }

    fn rng() -> ChaCha8Rng {
        Seeds::of(1, 1).stream(Stream::Task, 0)
    }

    /// Mean in seconds of many draws.
    fn mean_of(mut draw: impl FnMut() -> Span) -> f64 {
        const N: usize = 200_000;
        (0..N).map(|_| draw().as_secs_f64()).sum::<f64>() / N as f64
    }

    #[test]
    fn normal_quantiles_are_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959963984540054),
            (0.99, 2.3263478740408408),
            (0.001, -3.090232306167813),
            (1e-12, -7.034483825301131),
            (0.25, -0.6744897501960817),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-13, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn quantiles_are_the_formulas() {
        let laws = laws();
        let secs = |law: &Law, p| law.quantile(p).as_secs_f64();
        assert_eq!(laws[0].quantile(0.9), Span::from_secs(3));
        assert!((secs(&laws[1], 0.25) - 4.0).abs() < 1e-9);
        assert!((secs(&laws[2], 0.5) - 60.0 * 2f64.ln()).abs() < 1e-8);
        assert!((secs(&laws[3], 0.5) - 5.0).abs() < 1e-9);
        // Lognormal with median 54 and mean 355 minutes: p90 is 649 minutes.
        let repair = Law::Lognormal { median: Span::from_secs(54 * 60), sigma: 1.9407 };
        assert!((secs(&repair, 0.9) / 60.0 - 649.0).abs() < 1.0, "{}", secs(&repair, 0.9) / 60.0);
        // Weibull of shape 2: the scale is the mean over Gamma(1.5) = 0.886226925452758.
        let scale = 100.0 / 0.886226925452758;
        assert!((secs(&laws[5], 0.5) - scale * 2f64.ln().sqrt()).abs() < 1e-8);
        // The median of a gamma law of shape 4 and scale 5: 5 * 3.672060748850897.
        assert!((secs(&laws[6], 0.5) - 5.0 * 3.672060748850897).abs() < 1e-8, "{}", secs(&laws[6], 0.5));
        let one = Law::Erlang { stages: 1, mean: Span::from_secs(60) };
        assert!((secs(&one, 0.9) - secs(&laws[2], 0.9)).abs() < 1e-8);
        let x = secs(&laws[7], 0.9);
        assert!((0.75 * (-x / 3.0).exp() + 0.25 * (-x / 11.0).exp() - 0.1).abs() < 1e-9, "{x}");
        // A Pareto time is longer than twice its scale with probability 2^-4.
        assert!((secs(&laws[8], 1.0 - 1.0 / 16.0) - 12.0).abs() < 1e-8);
        assert_eq!([0.1, 0.3, 0.74, 0.76].map(|p| secs(&laws[9], p)), [1.0, 2.0, 2.0, 15.0]);
        let endless = Law::Pareto { scale: Span::from_secs(1), shape: 1.0 };
        assert_eq!(endless.mean(), LONGEST);
        assert!(secs(&laws[6], 1.0 - 1e-16) > secs(&laws[6], 0.999999), "the far end does not go on for ever");
    }

    #[test]
    fn draws_have_the_mean_of_the_law() {
        for law in laws() {
            let mut rng = rng();
            let (drawn, mean) = (mean_of(|| law.sample(&mut rng)), law.mean().as_secs_f64());
            assert!((drawn / mean - 1.0).abs() < 0.02, "{law:?}: {drawn} instead of {mean}");
        }
    }

    #[test]
    fn what_is_left_has_the_mean_of_renewal_theory() {
        // E[X^2] / (2 E[X]).
        let second = |law: &Law| match *law {
            Law::Fixed(_) => 9.0,
            Law::Uniform { .. } => 36.0 + 64.0 / 12.0,
            Law::Exponential { .. } => 2.0 * 3600.0,
            Law::Lognormal { .. } => 25.0 * (2.0f64 * 0.25).exp(),
            Law::Weibull { shape, mean } => {
                let scale = scale(shape, mean) / 1e9;
                scale * scale * libm::tgamma(1.0 + 2.0 / shape)
            }
            Law::Erlang { .. } => 400.0 * (1.0 + 1.0 / 4.0),
            Law::Hyperexponential { .. } => 2.0 * (0.75 * 9.0 + 0.25 * 121.0),
            Law::Pareto { .. } => 36.0 * 4.0 / 2.0,
            Law::Empirical(_) => (1.0 + 4.0 + 4.0 + 225.0) / 4.0,
        };
        for law in laws() {
            let mut rng = rng();
            let (drawn, mean) = (mean_of(|| law.residual(&mut rng)), second(&law) / law.mean().as_secs_f64() / 2.0);
            assert!((drawn / mean - 1.0).abs() < 0.02, "{law:?}: {drawn} instead of {mean}");
        }
    }

    #[test]
    fn one_draw_takes_one_number() {
        for law in laws() {
            let mut rng = rng();
            law.sample(&mut rng);
            assert_eq!(rng.get_word_pos(), 2, "{law:?}");
        }
    }

    #[test]
    fn the_draws_are_these() {
        let mut rng = rng();
        let drawn = laws().map(|law| law.sample(&mut rng).as_nanos());
        assert_eq!(
            drawn,
            [
                3_000_000_000,
                8_295_614_620,
                18_982_710_498,
                7_904_153_700,
                114_145_947_389,
                151_831_454_276,
                19_038_935_068,
                2_449_891_313,
                7_157_245_859,
                2_000_000_000
            ],
            "a release that draws other times gives other results"
        );
    }
}
