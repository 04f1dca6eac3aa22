//! What is kept of a run in the order of time, for pictures: the series, interval by interval, and marks.

use sched::{Span, Time};

use crate::fact::Fact;
use crate::metrics::{Band, Mark, Point};

/// Marks that are kept of a run that was aborted.
const MARKS_MAX: usize = 1000;

/// Things that happened to the cluster, in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(pub Vec<Mark>);

impl Marks {
    /// Something happened.
    pub fn see(&mut self, now: Time, fact: &Fact) {
        if let Fact::Note(note) = fact {
            self.add(now, note.kind, note.label.as_str());
        }
    }

    /// The run was aborted, for a reason.
    pub fn aborted(&mut self, now: Time, reason: &str) {
        self.0.truncate(MARKS_MAX);
        self.add(now, "error", reason);
    }

    fn add(&mut self, now: Time, kind: &str, label: &str) {
        self.0.push(Mark { time_s: now.as_secs_f64(), kind: kind.into(), label: label.into() });
    }
}

/// What the counts of a run did, interval by interval. Everything that a count was in an interval is in its band, also what
/// it was for no time at all: a dip that is over in the instant in which it began was one.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// The intervals that are over.
    pub points: Vec<Point>,
    since: Time,
    /// Bytes that the registry had sent when the interval began.
    sent: u64,
    /// Desired, running, believed and pending tasks, and nodes that are down.
    counts: [Swing; 5],
}

/// A count within an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Swing {
    value: u64,
    least: u64,
    most: u64,
    since: Time,
    /// Value times nanoseconds.
    sum: u128,
}

impl Series {
    /// The counts are these from now on.
    #[inline]
    pub fn set(&mut self, now: Time, counts: [u64; 5]) {
        for (swing, value) in self.counts.iter_mut().zip(counts) {
            if swing.value != value {
                swing.set(now, value);
            }
        }
    }

    /// The interval ends, and another begins; the registry has sent so many bytes.
    pub fn end(&mut self, now: Time, sent: u64) {
        if now == self.since {
            return;
        }
        let span = now - self.since;
        let [desired, running, believed, pending, nodes_down] =
            self.counts.each_mut().map(|swing| swing.end(now, span));
        // What transfers under way have got is rounded: it never falls.
        let sent = sent.max(self.sent);
        let registry_bytes = sent - std::mem::replace(&mut self.sent, sent);
        let (time_s, until_s) = (std::mem::replace(&mut self.since, now).as_secs_f64(), now.as_secs_f64());
        self.points.push(Point { time_s, until_s, desired, running, believed, pending, nodes_down, registry_bytes });
    }

    /// As many numbers as are kept.
    pub fn samples(&self) -> usize {
        self.points.len() * size_of::<Point>() / size_of::<Span>()
    }
}

impl Swing {
    fn set(&mut self, now: Time, value: u64) {
        self.sum += u128::from((now - self.since).as_nanos()) * u128::from(self.value);
        (self.since, self.value) = (now, value);
        (self.least, self.most) = (self.least.min(value), self.most.max(value));
    }

    fn end(&mut self, now: Time, span: Span) -> Band {
        let Swing { value, least, most, since, sum } = *self;
        *self = Swing { value, least: value, most: value, since: now, sum: 0 };
        // A count that stays is that count, to the last bit.
        let mean = match least == most {
            true => value as f64,
            false => {
                let sum = sum + u128::from((now - since).as_nanos()) * u128::from(value);
                sum as f64 / span.as_nanos() as f64
            }
        };
        Band { least, mean, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_what_happened_in_it() {
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let mut series = Series::default();
        let count = |running| [0, running, 0, 0, 0];
        series.set(at(0), count(4));
        series.end(at(0), 0);
        // A dip for a quarter of a second, and one for no time at all.
        series.set(at(500), count(1));
        series.set(at(750), count(4));
        series.set(at(800), count(0));
        series.set(at(800), count(4));
        series.end(at(1000), 70);
        series.end(at(2000), 69);
        series.end(at(2500), 100);
        let running = [
            Band { least: 0, mean: 3.25, most: 4 },
            Band { least: 4, mean: 4.0, most: 4 },
            Band { least: 4, mean: 4.0, most: 4 },
        ];
        assert_eq!(series.points.iter().map(|point| point.running).collect::<Vec<_>>(), running);
        let bytes: Vec<u64> = series.points.iter().map(|point| point.registry_bytes).collect();
        assert_eq!(bytes, [70, 0, 30], "nothing is sent twice, and nothing is taken back");
        let times: Vec<(f64, f64)> = series.points.iter().map(|point| (point.time_s, point.until_s)).collect();
        assert_eq!(times, [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]);
    }
}
