//! How evenly running tasks lie on the nodes that may be given tasks.

use sched::{Span, Time};

/// A cluster is uneven while the coefficient of variation is so much above what it was at the first convergence.
const UNEVEN: f64 = 0.05;

/// The coefficient of variation (population standard deviation by mean) of running tasks per node, over time. Each change
/// costs O(1).
#[derive(Clone, Debug, Default)]
pub(super) struct Balance {
    nodes: u64,
    running: u64,
    squares: u128,
    since: Time,
    /// From where on it is integrated, and what it was at the first convergence, once there was one.
    base: Option<(Time, f64)>,
    /// Variation times seconds.
    area: f64,
    uneven: Span,
}

impl Balance {
    /// A node may be given tasks from now on, or not any more.
    pub fn turn(&mut self, now: Time, eligible: bool, running: u64) {
        self.advance(now);
        let square = u128::from(running) * u128::from(running);
        if eligible {
            (self.nodes, self.running, self.squares) = (self.nodes + 1, self.running + running, self.squares + square);
        } else {
            (self.nodes, self.running, self.squares) = (self.nodes - 1, self.running - running, self.squares - square);
        }
    }

    /// A node that may be given tasks runs another number of them.
    pub fn change(&mut self, now: Time, before: u64, after: u64) {
        self.advance(now);
        let square = |running: u64| u128::from(running) * u128::from(running);
        self.running = self.running - before + after;
        self.squares = self.squares - square(before) + square(after);
    }

    /// The cluster converged for the first time at `since`, and nothing ran or stopped from there to now.
    pub fn converged(&mut self, since: Time, now: Time) {
        self.base = Some((since, self.variation()));
        (self.area, self.uneven, self.since) = (0.0, Span::ZERO, since);
        self.advance(now);
    }

    /// The warm-up is over.
    pub fn warmed_up(&mut self, now: Time) {
        self.advance(now);
        (self.area, self.uneven) = (0.0, Span::ZERO);
        self.base = self.base.map(|(_, variation)| (now, variation));
    }

    /// The mean over time, and how long the cluster was uneven, both from the first convergence or the end of the warm-up
    /// on; nothing without a convergence.
    pub fn of(&self, now: Time) -> Option<(f64, Span)> {
        let mut end = self.clone();
        end.advance(now);
        let (from, _) = end.base?;
        (from < now).then(|| (end.area / (now - from).as_secs_f64(), end.uneven))
    }

    fn advance(&mut self, now: Time) {
        if now <= self.since {
            return;
        }
        let span = now - std::mem::replace(&mut self.since, now);
        if let Some((_, base)) = self.base {
            let variation = self.variation();
            self.area += variation * span.as_secs_f64();
            if base + UNEVEN < variation {
                self.uneven = self.uneven + span;
            }
        }
    }

    /// 0 where nothing runs.
    fn variation(&self) -> f64 {
        let sum = u128::from(self.running);
        // n·Σx² − (Σx)² is not negative, and exact.
        let spread = (u128::from(self.nodes) * self.squares).saturating_sub(sum * sum);
        if sum == 0 { 0.0 } else { (spread as f64).sqrt() / sum as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_node_makes_a_cluster_uneven_until_it_is_filled() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut balance = Balance::default();
        [4, 4, 4, 3, 3].into_iter().for_each(|running| balance.turn(at(0), true, running));
        assert!((balance.variation() - 0.489897948556636 / 3.6).abs() < 1e-12);
        assert_eq!(balance.of(at(9)), None);
        balance.converged(at(10), at(10));
        // For five seconds a sixth node is empty.
        balance.turn(at(20), true, 0);
        balance.change(at(25), 0, 4);
        let (mean, uneven) = balance.of(at(30)).expect("it converged");
        assert_eq!(uneven, Span::from_secs(5));
        let variations = [0.489897948556636 / 3.6, 2f64.sqrt() / 3.0, 0.4714045207910317 * 6.0 / 22.0];
        let expected = (10.0 * variations[0] + 5.0 * variations[1] + 5.0 * variations[2]) / 20.0;
        assert!((mean - expected).abs() < 1e-9, "{mean} is not {expected}");
    }

    #[test]
    fn after_the_warm_up_the_mean_is_of_what_follows() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut balance = Balance::default();
        [1, 3].into_iter().for_each(|running| balance.turn(at(0), true, running));
        balance.converged(at(10), at(10));
        balance.change(at(20), 3, 1);
        balance.warmed_up(at(30));
        // One and one until 35 s, from then on one and three: half of 0 and half of 0.5.
        balance.change(at(35), 1, 3);
        let (mean, uneven) = balance.of(at(40)).expect("it converged");
        assert!((mean - 0.25).abs() < 1e-12, "{mean}");
        // It was as uneven when it converged.
        assert_eq!(uneven, Span::ZERO);
    }
}
