//! Laws of random times.

use sched::Span;

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
}
