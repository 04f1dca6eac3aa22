//! What is kept of a run in the order of time, for pictures: points of the series, and marks.

use sched::Time;

use crate::fact::Fact;
use crate::metrics::{Mark, Point};

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

/// Counts at the times at which a point is due.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(pub Vec<Point>);

impl Series {
    /// Something happened, and `counts` says how things stand; its time and rate are not looked at.
    pub fn see(&mut self, now: Time, fact: &Fact, counts: impl FnOnce() -> Point) {
        if let Fact::Sampled(registry_bytes_per_s) = fact {
            let registry_bytes_per_s = *registry_bytes_per_s;
            self.0.push(Point { time_s: now.as_secs_f64(), registry_bytes_per_s, ..counts() });
        }
    }
}
