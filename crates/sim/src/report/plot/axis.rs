//! Axes: which range, which ticks, which words.

use super::crisp;
use super::sheet::TEXT;
use crate::report::text;

/// A direction of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Value at the left or lower end.
    pub low: f64,
    /// Value at the other end.
    pub high: f64,
    /// Whether equal steps are equal ratios.
    pub log: bool,
    /// Values with their labels.
    pub ticks: Vec<(f64, String)>,
    /// Whether ticks have grid lines.
    pub grid: bool,
    /// What it shows, with the unit.
    pub title: String,
}

impl Axis {
    /// An axis from `low` to `high`, about `ticks` ticks at round values.
    pub fn linear(low: f64, high: f64, ticks: usize, title: &str) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / ticks.max(1) as f64);
        let first = (low / step - 1e-9).ceil() as i64;
        let values = (first..).map(|at| at as f64 * step).take_while(|value| *value <= high + step * 1e-9);
        let ticks = values.take(50).map(|value| (value, text::short(value))).collect();
        Axis { low, high, log: false, ticks, grid: true, title: title.into() }
    }

    /// An axis from zero to a round value that is not below `high`.
    pub fn from_zero(high: f64, ticks: usize, title: &str) -> Axis {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high / ticks.max(1) as f64);
        Axis::linear(0.0, (high / step - 1e-9).ceil() * step, ticks, title)
    }

    /// A logarithmic axis over the positive range `low` to `high`, widened to 1, 2 or 5 times a power of ten.
    pub fn logarithmic(low: f64, high: f64, title: &str) -> Axis {
        let all: Vec<f64> = (-12..16)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * libm::pow(10.0, f64::from(power))))
            .collect();
        let low = all.iter().copied().rfind(|value| *value <= low * (1.0 + 1e-9)).unwrap_or(low);
        let high = all.iter().copied().find(|value| high <= *value * (1.0 + 1e-9)).unwrap_or(high);
        let inside: Vec<f64> = all.into_iter().filter(|value| (low..=high).contains(value)).collect();
        let many = inside.len() > 12;
        let decades = |value: &f64| !many || text::exact(*value).trim_matches(['0', '.']).starts_with('1');
        let ticks = inside.into_iter().filter(decades).map(|value| (value, text::short(value))).collect();
        Axis { low, high, log: true, ticks, grid: true, title: title.into() }
    }

    /// An axis of simulated time from 0 to `end` seconds in a unit that suits it. Its values are in that unit: divide by
    /// the second result.
    pub fn time(end: f64, ticks: usize) -> (Axis, f64) {
        let (seconds, unit) = match end {
            end if end <= 600.0 => (1.0, "s"),
            end if end <= 3.0 * 3600.0 => (60.0, "min"),
            end if end <= 3.0 * 86400.0 => (3600.0, "h"),
            _ => (86400.0, "d"),
        };
        (Axis::linear(0.0, end / seconds, ticks, &format!("simulated time ({unit})")), seconds)
    }

    /// An axis of `count` named places at 0.5, 1.5, …
    pub fn named(names: impl IntoIterator<Item = String>, title: &str) -> Axis {
        let ticks: Vec<(f64, String)> =
            names.into_iter().enumerate().map(|(at, name)| (at as f64 + 0.5, name)).collect();
        Axis { low: 0.0, high: ticks.len().max(1) as f64, log: false, ticks, grid: false, title: title.into() }
    }

    /// The same axis without words, for panels above others.
    pub fn silent(&self) -> Axis {
        let ticks = self.ticks.iter().map(|(value, _)| (*value, String::new())).collect();
        Axis { ticks, title: String::new(), ..self.clone() }
    }

    /// The same axis, with so few of its numbers that they do not touch along a length in canvas pixels, side by side or one
    /// above the other. Names all stay.
    pub fn thinned(mut self, length: i32, side_by_side: bool) -> Axis {
        let words = |tick: &(f64, String)| crisp::text_width(&tick.1, f64::from(TEXT), false) + 30;
        let each = if side_by_side { self.ticks.iter().map(words).max().unwrap_or(1) } else { TEXT };
        let span = self.share(self.ticks.last().map_or(1.0, |tick| tick.0))
            - self.share(self.ticks.first().map_or(0.0, |tick| tick.0));
        let room = (f64::from(length) * span / f64::from(each)) as usize;
        let every = (self.ticks.len().saturating_sub(1)).div_ceil(room.max(1));
        if self.grid && every > 1 {
            self.ticks.iter_mut().enumerate().filter(|(at, _)| at % every != 0).for_each(|(_, tick)| tick.1.clear());
        }
        self
    }

    /// Where a value lies between the ends: 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        if self.log {
            libm::log(value.max(self.low) / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(step)));
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| step <= digit * power * (1.0 + 1e-9)).unwrap_or(10.0);
    digit * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Axis::from_zero(47.0, 5, "")), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(labels(&Axis::linear(93.0, 101.0, 4, "")), ["94", "96", "98", "100"]);
        assert_eq!(labels(&Axis::logarithmic(0.3, 40.0, "")), ["0.2", "0.5", "1", "2", "5", "10", "20", "50"]);
        assert_eq!(labels(&Axis::logarithmic(0.01, 1000.0, "")), ["0.01", "0.1", "1", "10", "100", "1000"]);
        let (axis, unit) = Axis::time(1800.0, 6);
        assert_eq!((labels(&axis), unit), (vec!["0", "5", "10", "15", "20", "25", "30"], 60.0));
    }

    #[test]
    fn numbers_that_would_touch_go() {
        let axis = Axis::from_zero(50.0, 5, "");
        assert_eq!(labels(&axis.clone().thinned(2000, true)), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(labels(&axis.clone().thinned(300, true)), ["0", "", "20", "", "40", ""]);
        assert_eq!(labels(&axis.thinned(120, false)), ["0", "", "", "30", "", ""]);
    }

    #[test]
    fn an_empty_range_is_still_an_axis() {
        assert_eq!(labels(&Axis::from_zero(0.0, 2, "")), ["0", "0.5", "1"]);
        assert!(Axis::linear(3.0, 3.0, 4, "").share(3.0) == 0.0);
    }
}
