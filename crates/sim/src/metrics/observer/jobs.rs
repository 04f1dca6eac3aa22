//! What is counted of arrivals: how many there are, how long they wait, and Little's law.

use sched::{Span, Time};

use super::{Area, Mean};
use crate::fact::JobNo;

/// Everything that arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    rows: Vec<Row>,
    /// What starts anew at the end of the warm-up.
    pub window: Window,
}

/// What is counted since the warm-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    since: Time,
    /// Those that are there, and those of them that did not run yet.
    present: Area,
    waiting: Area,
    pub arrived: u64,
    pub lost: u64,
    pub done: u64,
    waited: u64,
    /// From the arrival until it ran, of each that first ran in the window, in order of their starts.
    pub waits: Vec<Span>,
    /// From the arrival to the end, of each that ended in the window. Those that arrived in it alone would be the short ones.
    pub times: Mean,
    /// Nanoseconds that those spent here that are gone.
    spent: u128,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    arrived: Time,
    started: bool,
    gone: bool,
}

impl Jobs {
    pub fn arrived(&mut self, now: Time, job: JobNo) {
        assert_eq!(job.row(), self.rows.len(), "arrivals come in order");
        self.rows.push(Row { arrived: now, started: false, gone: false });
        self.window.arrived += 1;
        self.window.present.add(now, 1);
        self.window.waiting.add(now, 1);
    }

    pub fn lost(&mut self, now: Time, job: JobNo) {
        self.window.lost += 1;
        self.leave(now, job);
    }

    /// The first of its containers runs.
    pub fn started(&mut self, now: Time, job: JobNo) {
        let row = &mut self.rows[job.row()];
        if row.gone || std::mem::replace(&mut row.started, true) {
            return;
        }
        self.window.waiting.add(now, -1);
        self.window.waits.push(now - row.arrived);
        self.window.waited += u64::from(row.arrived < now);
    }

    pub fn done(&mut self, now: Time, job: JobNo) {
        self.window.done += 1;
        self.window.times.add(now - self.rows[job.row()].arrived);
        self.leave(now, job);
    }

    fn leave(&mut self, now: Time, job: JobNo) {
        let row = &mut self.rows[job.row()];
        row.gone = true;
        self.window.spent += u128::from(now.since(row.arrived.max(self.window.since)).as_nanos());
        self.window.present.add(now, -1);
        if !row.started {
            self.window.waiting.add(now, -1);
        }
    }

    pub fn warmed_up(&mut self, now: Time) {
        let (present, waiting) = (self.window.present.value, self.window.waiting.value);
        let (present, waiting) = (Area::begin(now, present), Area::begin(now, waiting));
        self.window = Window { since: now, present, waiting, ..Window::default() };
    }

    pub fn any(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Share of those that began to run that had waited.
    pub fn waited(&self) -> Option<f64> {
        let begun = self.window.waits.len();
        (begun > 0).then(|| self.window.waited as f64 / begun as f64)
    }

    /// Those that are still there.
    pub fn open(&self) -> usize {
        self.rows.iter().filter(|row| !row.gone).count()
    }

    /// Nanoseconds times number present, and not yet running.
    pub fn areas(&self, now: Time) -> (u128, u128) {
        (self.window.present.total(now), self.window.waiting.total(now))
    }

    /// The two sides of Little's law: the time that each spent here, added up, less the number present, integrated. In
    /// nanoseconds; anything but zero is a mistake of the simulator.
    pub fn gap(&self, now: Time) -> u128 {
        let warm = self.window.since;
        let still = self.rows.iter().filter(|row| !row.gone);
        let still: u128 = still.map(|row| u128::from((now - row.arrived.max(warm)).as_nanos())).sum();
        self.window.present.total(now).abs_diff(self.window.spent + still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_times_are_of_the_window_in_which_they_end() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut jobs = Jobs::default();
        jobs.arrived(at(0), JobNo(0));
        jobs.arrived(at(4), JobNo(1));
        jobs.started(at(6), JobNo(0));
        jobs.warmed_up(at(10));
        jobs.started(at(12), JobNo(1));
        jobs.done(at(14), JobNo(0));
        // One runs at once, one waits, and one finds no place.
        jobs.arrived(at(15), JobNo(2));
        jobs.started(at(15), JobNo(2));
        jobs.arrived(at(16), JobNo(3));
        jobs.started(at(18), JobNo(3));
        jobs.arrived(at(19), JobNo(4));
        jobs.lost(at(19), JobNo(4));
        jobs.done(at(20), JobNo(1));
        jobs.done(at(21), JobNo(2));
        assert_eq!((jobs.window.arrived, jobs.window.lost, jobs.window.done), (3, 1, 3));
        assert_eq!((jobs.waited(), &jobs.window.waits[..]), (Some(2.0 / 3.0), &[8, 0, 2].map(Span::from_secs)[..]));
        assert_eq!(jobs.window.times.mean(), Some((14.0 + 16.0 + 6.0) / 3.0));
        assert_eq!(jobs.open(), 1);
        // Present: two from 10 to 14, one more from 15 to 20 and from 16 on, one less from 21 on; the last stays.
        let secs = |nanos: u128| nanos / 1_000_000_000;
        let (present, waiting) = jobs.areas(at(30));
        assert_eq!((secs(present), secs(waiting)), (4 + 10 + 6 + 14, 2 + 2));
        assert_eq!(jobs.gap(at(30)), 0);
    }
}
