//! CPU cores that containers are created, started and stopped with: those of one machine, or those of a host that several
//! machines share as its virtual machines.
//!
//! Every job gets a core of its own as long as there are enough of them, and an equal share of all otherwise (egalitarian
//! processor sharing). As long as nobody shares, a job is over when its work is, and whoever began it may as well wait by the
//! clock. While jobs share, all run at the same rate, and one count of the work that each of them got tells when a job is done:
//! when the count reaches its mark.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Span, Time};

use crate::fact::TaskNo;

/// What the engines work with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CoreModel {
    /// Each machine has its own: those of its pool, or as many as it has CPUs.
    Own,
    /// So many cores of one host, which all machines share that have none of their own.
    Shared(f64),
    /// Each container has a core, whatever the machine has.
    Unlimited,
}

/// Cores and who works on them. Everything is in whole numbers, so that a job that shares with nobody takes its work to the
/// nanosecond.
#[derive(Clone, Debug)]
pub struct Cores {
    /// Millionths of a core.
    micros: u64,
    /// Jobs that have a core each, and when they are done; some are over already.
    alone: Vec<(Time, TaskNo)>,
    shared: Option<Box<Shared>>,
}

/// Jobs of which each has less than a core.
#[derive(Clone, Default, Debug)]
struct Shared {
    /// Work that each job got since they began to share, in [`GRAINS`] of a nanosecond.
    count: u128,
    now: Time,
    /// What the count is when a job is done.
    marks: BTreeSet<(u128, TaskNo)>,
    jobs: BTreeMap<TaskNo, u128>,
}

/// Parts of a nanosecond in which shared work is counted.
const GRAINS: u128 = 256;
const CORE: u64 = 1_000_000;

/// How a job begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begun {
    /// It has a core for itself: it takes as long as its work.
    Alone,
    /// It shares, as everybody does from now on; these had cores for themselves until now.
    Shares(Vec<TaskNo>),
}

impl Cores {
    /// Idle cores, at least a hundredth of one.
    pub fn new(cores: f64) -> Cores {
        let micros = ((cores * CORE as f64) as u64).max(CORE / 100);
        Cores { micros, alone: Vec::new(), shared: None }
    }

    /// A task needs so much work, which takes that long with a core for itself.
    pub fn begin(&mut self, now: Time, task: TaskNo, work: Span) -> Begun {
        self.cancel(now, task);
        let mut moved = Vec::new();
        if self.shared.is_none() {
            self.alone.retain(|(end, _)| now < *end);
            if self.is_enough_for(self.alone.len() + 1) {
                self.alone.push((now + work, task));
                return Begun::Alone;
            }
            let mut shared = Box::new(Shared { now, ..Shared::default() });
            for (end, other) in self.alone.drain(..) {
                shared.add(other, end - now);
                moved.push(other);
            }
            self.shared = Some(shared);
        }
        self.advance(now);
        self.shared.as_mut().expect("they share").add(task, work);
        Begun::Shares(moved)
    }

    /// A task's work is not needed any more, if it has any. Whoever shares cores is done sooner then.
    pub fn cancel(&mut self, now: Time, task: TaskNo) {
        self.advance(now);
        match &mut self.shared {
            None => self.alone.retain(|(_, other)| *other != task),
            Some(shared) => shared.remove(task),
        }
    }

    /// When the next of the jobs that share is done, as things are.
    pub fn next(&self) -> Option<Time> {
        let shared = self.shared.as_ref()?;
        let (mark, _) = shared.marks.first()?;
        let (share, of) = self.rate();
        let nanos = ((mark - shared.count.min(*mark)) * of).div_ceil(GRAINS * share);
        Some(shared.now + Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes out a job that shared and is done by now.
    pub fn complete(&mut self, now: Time) -> Option<TaskNo> {
        self.advance(now);
        let shared = self.shared.as_mut()?;
        let (mark, task) = *shared.marks.first()?;
        if shared.count < mark {
            return None;
        }
        shared.remove(task);
        Some(task)
    }

    /// Ends the sharing if there are enough cores for all jobs again. These have one each from now on, and need so long.
    pub fn part(&mut self, now: Time) -> Vec<(TaskNo, Span)> {
        self.advance(now);
        let enough = self.shared.as_ref().is_some_and(|shared| self.is_enough_for(shared.jobs.len()));
        let Some(shared) = self.shared.take_if(|_| enough) else { return Vec::new() };
        let rest = |mark: u128| Span::from_nanos((mark - shared.count.min(mark)).div_ceil(GRAINS) as u64);
        let parted: Vec<(TaskNo, Span)> = shared.marks.iter().map(|(mark, task)| (*task, rest(*mark))).collect();
        self.alone = parted.iter().map(|(task, rest)| (now + *rest, *task)).collect();
        parted
    }

    /// How many jobs there are for each core.
    pub fn load(&self, now: Time) -> f64 {
        let alone = self.alone.iter().filter(|(end, _)| now < *end).count();
        let jobs = alone + self.shared.as_ref().map_or(0, |shared| shared.jobs.len());
        jobs as f64 * CORE as f64 / self.micros as f64
    }

    fn is_enough_for(&self, jobs: usize) -> bool {
        jobs as u64 * CORE <= self.micros
    }

    /// What each job gets of a core, as a fraction.
    fn rate(&self) -> (u128, u128) {
        let jobs = self.shared.as_ref().map_or(0, |shared| shared.jobs.len());
        if self.is_enough_for(jobs) { (1, 1) } else { (u128::from(self.micros), jobs as u128 * u128::from(CORE)) }
    }

    fn advance(&mut self, now: Time) {
        let (share, of) = self.rate();
        if let Some(shared) = &mut self.shared {
            shared.count += u128::from((now - shared.now).as_nanos()) * GRAINS * share / of;
            shared.now = now;
        }
    }
}

impl Shared {
    fn add(&mut self, task: TaskNo, work: Span) {
        let mark = self.count + u128::from(work.as_nanos()) * GRAINS;
        self.marks.insert((mark, task));
        self.jobs.insert(task, mark);
    }

    fn remove(&mut self, task: TaskNo) {
        if let Some(mark) = self.jobs.remove(&task) {
            self.marks.remove(&(mark, task));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Time {
        Time::ZERO + Span::from_secs_f64(secs)
    }

    /// Cores, and who waits by the clock and until when.
    struct Lab(Cores, Vec<(Time, u32)>);

    impl Lab {
        fn begin(&mut self, secs: f64, task: u32, work: f64) {
            let work = Span::from_secs_f64(work);
            match self.0.begin(at(secs), TaskNo(task), work) {
                Begun::Alone => self.1.push((at(secs) + work, task)),
                Begun::Shares(moved) => self.1.retain(|(_, waits)| !moved.contains(&TaskNo(*waits))),
            }
        }

        fn part(&mut self, now: Time) {
            self.1.extend(self.0.part(now).into_iter().map(|(task, rest)| (now + rest, task.0)));
        }

        /// Runs until nothing is left; who was done when, in seconds.
        fn finish(mut self) -> Vec<(u32, f64)> {
            let mut done = Vec::new();
            while let Some(now) = self.0.next() {
                while let Some(task) = self.0.complete(now) {
                    done.push((task.0, now.as_secs_f64()));
                }
                self.part(now);
            }
            done.extend(self.1.iter().map(|(end, task)| (*task, end.as_secs_f64())));
            done.sort_by(|one, other| one.1.total_cmp(&other.1).then(one.0.cmp(&other.0)));
            done
        }
    }

    fn lab(cores: f64) -> Lab {
        Lab(Cores::new(cores), Vec::new())
    }

    #[test]
    fn who_has_a_core_takes_as_long_as_the_work() {
        let mut lab = lab(2.0);
        lab.begin(1.0, 0, 0.5);
        lab.begin(1.25, 1, 1.0);
        // The first is over by then.
        lab.begin(1.75, 2, 1.0);
        assert_eq!(lab.0.next(), None, "nobody shares");
        assert_eq!(lab.finish(), [(0, 1.5), (1, 2.25), (2, 2.75)]);
    }

    #[test]
    fn more_jobs_than_cores_share_them() {
        // Four on two cores: each at half speed; the two short ones are done after 2 s, then the others have a core each.
        let mut lab = lab(2.0);
        for (task, secs) in [(0, 1.0), (1, 1.0), (2, 3.0), (3, 3.0)] {
            lab.begin(0.0, task, secs);
        }
        assert_eq!(lab.0.load(at(0.0)), 2.0);
        assert_eq!(lab.finish(), [(0, 2.0), (1, 2.0), (2, 4.0), (3, 4.0)]);
    }

    #[test]
    fn who_comes_later_slows_those_that_are_there() {
        // Alone for 1 s of 3; then two on one core; the second is done after 2 s more, and the first has 1 s left.
        let mut lab = lab(1.0);
        lab.begin(0.0, 0, 3.0);
        lab.begin(1.0, 1, 1.0);
        assert_eq!(lab.finish(), [(1, 3.0), (0, 4.0)]);
    }

    #[test]
    fn what_is_broken_off_makes_room() {
        let mut lab = lab(1.0);
        lab.begin(0.0, 0, 4.0);
        lab.begin(0.0, 1, 4.0);
        lab.0.cancel(at(4.0), TaskNo(0));
        lab.0.cancel(at(4.0), TaskNo(7));
        lab.part(at(4.0));
        assert_eq!(lab.finish(), [(1, 6.0)]);
    }

    #[test]
    fn half_a_core_slows_even_one() {
        let mut lab = lab(0.5);
        lab.begin(0.0, 0, 1.0);
        assert_eq!(lab.finish(), [(0, 2.0)]);
    }
}
