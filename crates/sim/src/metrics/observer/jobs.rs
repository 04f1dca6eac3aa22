//! What is counted of arrivals, all of them and those of each class: how many there are, how long they wait, and Little's law.
//! A class is an `[[arrivals]]` table.

use sched::{Span, Time};

use super::definitions::{mean, quantile, ratio};
use super::{Area, Once};
use crate::fact::JobNo;

/// Everything that arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    pub rows: Vec<Arrived>,
    /// What is counted of each class since the warm-up.
    classes: Vec<Window>,
}

/// An arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub class: u32,
    pub arrived: Time,
    /// When the first of its containers ran, and on which node.
    pub started: Once,
    pub node: u32,
    /// When it was gone, and why.
    pub gone: Once,
    pub fate: Fate,
}

/// What became of an arrival.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Open,
    Done,
    Lost,
    Abandoned,
}

impl Fate {
    /// As it stands in `jobs.csv`.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Open => "open",
            Fate::Done => "done",
            Fate::Lost => "lost",
            Fate::Abandoned => "abandoned",
        }
    }
}

/// What is counted of a class since a time, the end of the warm-up.
#[derive(Clone, Debug, Default)]
struct Window {
    since: Time,
    /// Those that are there, and those of them that did not run yet.
    present: Area,
    waiting: Area,
    arrived: u64,
    lost: u64,
    abandoned: u64,
    done: u64,
    waited: u64,
    /// From the arrival until it ran, of each that first ran in the window, in order of their starts.
    waits: Vec<Span>,
    /// From the arrival to the end, of each that ended in the window. Those that arrived in it alone would be the short ones.
    times: Vec<Span>,
    /// Nanoseconds that those spent here that are gone.
    spent: u128,
}

/// What was counted of some arrivals in the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Whether one ever came, in the warm-up or after it.
    any: bool,
    /// Nanoseconds that were counted.
    span: f64,
    arrived: u64,
    lost: u64,
    abandoned: u64,
    done: u64,
    open: u64,
    waited: u64,
    /// Nanoseconds times number present, and not yet running.
    present: u128,
    waiting: u128,
    /// Nanoseconds that each spent here, added up.
    spent: u128,
    /// In order of length.
    waits: Vec<Span>,
    times: Vec<Span>,
}

/// The name of a metric, and the function that gives its value.
type Value = (&'static str, fn(&Counted) -> Option<f64>);

/// The metrics of arrivals, which there are of all and of each class.
pub(super) const VALUES: &[Value] = &[
    ("jobs_arrived", |jobs| jobs.count(jobs.arrived)),
    ("jobs_lost_ratio", |jobs| jobs.share(jobs.lost)),
    ("jobs_abandoned_ratio", |jobs| jobs.share(jobs.abandoned)),
    ("jobs_done", |jobs| jobs.count(jobs.done)),
    ("jobs_open", |jobs| jobs.count(jobs.open)),
    ("jobs_present_mean", |jobs| jobs.time_average(jobs.present)),
    ("jobs_waiting_mean", |jobs| jobs.time_average(jobs.waiting)),
    ("job_waited_ratio", |jobs| ratio(jobs.waited as f64, jobs.waits.len() as f64)),
    ("job_wait_mean_s", |jobs| mean(&jobs.waits)),
    ("job_wait_p50_s", |jobs| quantile(&jobs.waits, 0.5)),
    ("job_wait_p90_s", |jobs| quantile(&jobs.waits, 0.9)),
    ("job_wait_p95_s", |jobs| quantile(&jobs.waits, 0.95)),
    ("job_wait_p99_s", |jobs| quantile(&jobs.waits, 0.99)),
    ("job_time_mean_s", |jobs| mean(&jobs.times)),
    ("job_time_p50_s", |jobs| quantile(&jobs.times, 0.5)),
    ("job_time_p90_s", |jobs| quantile(&jobs.times, 0.9)),
    ("job_time_p95_s", |jobs| quantile(&jobs.times, 0.95)),
    ("job_time_p99_s", |jobs| quantile(&jobs.times, 0.99)),
    ("little_gap_s", |jobs| jobs.any.then(|| jobs.present.abs_diff(jobs.spent) as f64 / 1e9)),
];

impl Counted {
    /// The value of a metric of [`VALUES`].
    pub fn value(&self, metric: &str) -> Option<f64> {
        let (_, value) = VALUES.iter().find(|(name, _)| *name == metric).expect("it is in the list");
        value(self)
    }

    /// What was counted of several classes together.
    pub fn together(classes: &[Counted]) -> Counted {
        let mut all = Counted::default();
        for class in classes {
            all.any |= class.any;
            all.span = class.span;
            all.arrived += class.arrived;
            all.lost += class.lost;
            all.abandoned += class.abandoned;
            all.done += class.done;
            all.open += class.open;
            all.waited += class.waited;
            all.present += class.present;
            all.waiting += class.waiting;
            all.spent += class.spent;
            all.waits.extend_from_slice(&class.waits);
            all.times.extend_from_slice(&class.times);
        }
        all.waits.sort_unstable();
        all.times.sort_unstable();
        all
    }

    fn count(&self, count: u64) -> Option<f64> {
        self.any.then_some(count as f64)
    }

    fn share(&self, count: u64) -> Option<f64> {
        ratio(count as f64, self.arrived as f64)
    }

    fn time_average(&self, area: u128) -> Option<f64> {
        ratio(area as f64, self.span).filter(|_| self.any)
    }
}

impl Jobs {
    /// Nothing arrived of so many classes.
    pub fn new(classes: usize) -> Jobs {
        Jobs { rows: Vec::new(), classes: vec![Window::default(); classes] }
    }

    pub fn arrived(&mut self, now: Time, job: JobNo, class: u32) {
        assert_eq!(job.row(), self.rows.len(), "arrivals come in order");
        let (started, gone) = (Once::NOT_YET, Once::NOT_YET);
        self.rows.push(Arrived { class, arrived: now, started, node: u32::MAX, gone, fate: Fate::Open });
        let window = &mut self.classes[class as usize];
        window.arrived += 1;
        window.present.add(now, 1);
        window.waiting.add(now, 1);
    }

    pub fn lost(&mut self, now: Time, job: JobNo) {
        let window = self.leave(now, job, Fate::Lost);
        window.lost += 1;
    }

    /// The first of its containers runs, or another one.
    pub fn started(&mut self, now: Time, job: JobNo, node: Option<usize>) {
        let row = &mut self.rows[job.row()];
        if row.fate != Fate::Open || row.started != Once::NOT_YET {
            return;
        }
        (row.started, row.node) = (Once(now), node.map_or(u32::MAX, |node| node as u32));
        let window = &mut self.classes[row.class as usize];
        window.waiting.add(now, -1);
        window.waits.push(now - row.arrived);
        window.waited += u64::from(row.arrived < now);
    }

    /// It went away before it ran. That its service is removed is no end of its own.
    pub fn abandoned(&mut self, now: Time, job: JobNo) {
        let arrived = self.rows[job.row()].arrived;
        let window = self.leave(now, job, Fate::Abandoned);
        // Of those that came in the warm-up nobody counts how many there were.
        window.abandoned += u64::from(arrived >= window.since);
    }

    pub fn done(&mut self, now: Time, job: JobNo) {
        if self.rows[job.row()].fate != Fate::Open {
            return;
        }
        let time = now - self.rows[job.row()].arrived;
        let window = self.leave(now, job, Fate::Done);
        window.done += 1;
        window.times.push(time);
    }

    fn leave(&mut self, now: Time, job: JobNo, fate: Fate) -> &mut Window {
        let row = &mut self.rows[job.row()];
        (row.gone, row.fate) = (Once(now), fate);
        let window = &mut self.classes[row.class as usize];
        window.spent += u128::from(now.since(row.arrived.max(window.since)).as_nanos());
        window.present.add(now, -1);
        if row.started == Once::NOT_YET {
            window.waiting.add(now, -1);
        }
        window
    }

    pub fn warmed_up(&mut self, now: Time) {
        for window in &mut self.classes {
            let (present, waiting) = (Area::begin(now, window.present.value), Area::begin(now, window.waiting.value));
            *window = Window { since: now, present, waiting, ..Window::default() };
        }
    }

    /// Samples that are kept.
    pub fn samples(&self) -> usize {
        self.classes.iter().map(|window| window.waits.len() + window.times.len()).sum()
    }

    /// What was counted of each class until `now`.
    pub fn counted(&self, now: Time) -> Vec<Counted> {
        let sorted = |samples: &[Span]| {
            let mut samples = samples.to_vec();
            samples.sort_unstable();
            samples
        };
        let of = |window: &Window| Counted {
            span: (now - window.since).as_nanos() as f64,
            arrived: window.arrived,
            lost: window.lost,
            abandoned: window.abandoned,
            done: window.done,
            waited: window.waited,
            present: window.present.total(now),
            waiting: window.waiting.total(now),
            spent: window.spent,
            waits: sorted(&window.waits),
            times: sorted(&window.times),
            ..Counted::default()
        };
        let mut classes: Vec<Counted> = self.classes.iter().map(of).collect();
        for row in &self.rows {
            let class = &mut classes[row.class as usize];
            class.any = true;
            if row.fate == Fate::Open {
                class.open += 1;
                let since = self.classes[row.class as usize].since;
                class.spent += u128::from((now - row.arrived.max(since)).as_nanos());
            }
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_times_are_of_the_window_in_which_they_end() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut jobs = Jobs::new(2);
        jobs.arrived(at(0), JobNo(0), 0);
        jobs.arrived(at(4), JobNo(1), 1);
        jobs.started(at(6), JobNo(0), Some(0));
        jobs.warmed_up(at(10));
        jobs.started(at(12), JobNo(1), Some(0));
        jobs.done(at(14), JobNo(0));
        // One runs at once, one waits, and one finds no place.
        jobs.arrived(at(15), JobNo(2), 1);
        jobs.started(at(15), JobNo(2), Some(0));
        jobs.arrived(at(16), JobNo(3), 0);
        jobs.started(at(18), JobNo(3), Some(0));
        jobs.arrived(at(19), JobNo(4), 0);
        jobs.lost(at(19), JobNo(4));
        jobs.done(at(20), JobNo(1));
        jobs.done(at(21), JobNo(2));
        let classes = jobs.counted(at(30));
        let all = Counted::together(&classes);
        let of = |jobs: &Counted, names: [&str; 3]| names.map(|name| jobs.value(name).unwrap());
        assert_eq!(of(&all, ["jobs_arrived", "jobs_lost_ratio", "jobs_done"]), [3.0, 1.0 / 3.0, 3.0]);
        assert_eq!(of(&all, ["job_waited_ratio", "job_wait_mean_s", "job_wait_p99_s"]), [2.0 / 3.0, 10.0 / 3.0, 8.0]);
        assert_eq!(of(&all, ["job_time_mean_s", "job_time_p50_s", "jobs_open"]), [12.0, 14.0, 1.0]);
        // Present: two from 10 to 14, one more from 15 to 20 and from 16 on, one less from 21 on; the last stays.
        let averages = of(&all, ["jobs_present_mean", "jobs_waiting_mean", "little_gap_s"]);
        assert_eq!(averages, [(4.0 + 10.0 + 6.0 + 14.0) / 20.0, (2.0 + 2.0) / 20.0, 0.0]);
        assert_eq!(of(&classes[0], ["jobs_arrived", "job_wait_mean_s", "little_gap_s"]), [2.0, 2.0, 0.0]);
        assert_eq!(of(&classes[1], ["jobs_done", "job_wait_mean_s", "job_time_mean_s"]), [2.0, 4.0, 11.0]);
        assert_eq!(Jobs::new(1).counted(at(30))[0].value("jobs_arrived"), None);
    }
}
