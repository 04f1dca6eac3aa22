//! CPU cores that all daemons share when they start containers, as nodes do that are virtual machines of one host.
//!
//! Every job gets a core of its own as long as there are enough of them, and an equal share of all otherwise (egalitarian
//! processor sharing). So all jobs run at the same rate, and one clock counts the work that each of them got: a job is
//! done when the clock reaches its mark.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Span, Time};

use crate::fact::TaskNo;

/// The cores and who works on them.
#[derive(Clone, Debug)]
pub struct Cores {
    cores: f64,
    /// Seconds of work that each job got since the cores were last idle.
    clock: f64,
    now: Time,
    /// Where the clock stands when a job is done. Marks are not negative, so their bits are in their order.
    marks: BTreeSet<(u64, TaskNo)>,
    jobs: BTreeMap<TaskNo, f64>,
}

impl Cores {
    /// Idle cores.
    pub fn new(cores: f64) -> Cores {
        Cores { cores, clock: 0.0, now: Time::ZERO, marks: BTreeSet::new(), jobs: BTreeMap::new() }
    }

    /// A task needs so much work; alone it would take that long.
    pub fn begin(&mut self, now: Time, task: TaskNo, work: Span) {
        self.cancel(now, task);
        let mark = self.clock + work.as_secs_f64();
        self.marks.insert((mark.to_bits(), task));
        self.jobs.insert(task, mark);
    }

    /// A task's work is not needed any more, if it has any.
    pub fn cancel(&mut self, now: Time, task: TaskNo) {
        self.advance(now);
        if let Some(mark) = self.jobs.remove(&task) {
            self.marks.remove(&(mark.to_bits(), task));
        }
    }

    /// When the next job is done, as things are.
    pub fn next(&self) -> Option<Time> {
        let &(mark, _) = self.marks.first()?;
        Some(self.now + Span::from_secs_f64(((f64::from_bits(mark) - self.clock) / self.rate()).max(0.0)))
    }

    /// Takes out a job that is done by now.
    pub fn complete(&mut self, now: Time) -> Option<TaskNo> {
        self.advance(now);
        let &(mark, task) = self.marks.first()?;
        // Times are whole nanoseconds: what is left for less than one is done.
        if self.clock + 1e-9 + self.clock * 1e-15 < f64::from_bits(mark) {
            return None;
        }
        self.cancel(now, task);
        Some(task)
    }

    fn rate(&self) -> f64 {
        (self.cores / self.marks.len() as f64).min(1.0)
    }

    fn advance(&mut self, now: Time) {
        if self.marks.is_empty() {
            self.clock = 0.0;
        } else {
            self.clock += self.rate() * (now - self.now).as_secs_f64();
        }
        self.now = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Time {
        Time::ZERO + Span::from_secs_f64(secs)
    }

    /// Runs until nothing is left; who was done when, in seconds.
    fn finish(mut cores: Cores) -> Vec<(u32, f64)> {
        let mut done = Vec::new();
        while let Some(now) = cores.next() {
            while let Some(task) = cores.complete(now) {
                done.push((task.0, now.as_secs_f64()));
            }
        }
        done
    }

    #[test]
    fn who_has_a_core_takes_as_long_as_the_work() {
        let mut cores = Cores::new(2.0);
        cores.begin(at(1.0), TaskNo(0), Span::from_millis(500));
        cores.begin(at(1.25), TaskNo(1), Span::from_secs(1));
        assert_eq!(finish(cores), [(0, 1.5), (1, 2.25)]);
    }

    #[test]
    fn more_jobs_than_cores_share_them() {
        // Four on two cores: each at half speed; the two short ones are done after 2 s, then the others have a core each.
        let mut cores = Cores::new(2.0);
        for (task, secs) in [(0, 1), (1, 1), (2, 3), (3, 3)] {
            cores.begin(at(0.0), TaskNo(task), Span::from_secs(secs));
        }
        assert_eq!(finish(cores), [(0, 2.0), (1, 2.0), (2, 4.0), (3, 4.0)]);
    }

    #[test]
    fn what_is_broken_off_makes_room() {
        let mut cores = Cores::new(1.0);
        cores.begin(at(0.0), TaskNo(0), Span::from_secs(4));
        cores.begin(at(0.0), TaskNo(1), Span::from_secs(4));
        cores.cancel(at(4.0), TaskNo(0));
        cores.cancel(at(4.0), TaskNo(7));
        assert_eq!(finish(cores), [(1, 6.0)]);
    }

    #[test]
    fn half_a_core_slows_even_one() {
        let mut cores = Cores::new(0.5);
        cores.begin(at(0.0), TaskNo(0), Span::from_secs(1));
        assert_eq!(finish(cores), [(0, 2.0)]);
    }
}
