//! What is counted of each service by itself: what it lost, and what was done about that.

use sched::{Span, Time};

use super::Area;

/// Services that are counted by themselves: the first of a run. Arrivals may bring millions.
pub(super) const MOST: usize = 10_000;

/// One service since the end of the warm-up, or the first convergence.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Jobs are never below a quorum, nor do they stand still.
    pub is_job: bool,
    pub wanted: Area,
    pub missing: Area,
    /// Replicas lost with their machines, and those of them of which the manager knows.
    pub lost: Area,
    pub noticed: Area,
    pub duplicates: Area,
    pub spares: Area,
    /// Tasks that wait for a node; since when any does, and the longest time without a break in which some did.
    pub pending: Area,
    pub pending_since: Time,
    pub pending_longest: Span,
    /// Whether it has fewer running tasks than its quorum, and whether it has none.
    pub below: Area,
    pub still: Area,
    /// When it had all that it wants for the last time.
    pub whole_until: Time,
    /// The number of tasks that it had once, of those that it wants: a service that grows has lost nothing.
    pub established: u64,
    /// How many of them are missing; whether fewer than its quorum, or than half of them, run, and whether none does.
    pub fallen: Area,
    pub short: Area,
    pub down: Area,
    /// Running tasks now.
    pub running: u64,
    pub running_min: u64,
    pub losses: u64,
    pub restarts: u64,
    pub moves: u64,
    pub node_changes: u64,
    pub failovers: Vec<Span>,
}

impl Tally {
    /// A service that wants nothing so far.
    pub fn new(now: Time, is_job: bool) -> Tally {
        let none = || Area::begin(now, 0);
        Tally {
            is_job,
            wanted: none(),
            missing: none(),
            lost: none(),
            noticed: none(),
            duplicates: none(),
            spares: none(),
            pending: none(),
            pending_since: now,
            pending_longest: Span::ZERO,
            below: none(),
            still: none(),
            whole_until: now,
            established: 0,
            fallen: none(),
            short: none(),
            down: none(),
            running: 0,
            running_min: 0,
            losses: 0,
            restarts: 0,
            moves: 0,
            node_changes: 0,
            failovers: Vec::new(),
        }
    }

    /// Counting begins anew; what is integrated keeps the values that it has.
    pub fn anew(&self, now: Time) -> Tally {
        let anew = |area: &Area| Area::begin(now, area.value);
        Tally {
            wanted: anew(&self.wanted),
            missing: anew(&self.missing),
            lost: anew(&self.lost),
            noticed: anew(&self.noticed),
            duplicates: anew(&self.duplicates),
            spares: anew(&self.spares),
            pending: anew(&self.pending),
            below: anew(&self.below),
            still: anew(&self.still),
            whole_until: self.whole_until,
            established: self.established,
            fallen: anew(&self.fallen),
            short: anew(&self.short),
            down: anew(&self.down),
            running_min: self.running,
            ..Tally { running: self.running, ..Tally::new(now, self.is_job) }
        }
    }

    /// All that depends on the number of running tasks counts from `since` on, a time from which on nothing changed.
    pub fn rebase(&mut self, since: Time, now: Time) {
        for area in [&mut self.wanted, &mut self.missing, &mut self.below, &mut self.still] {
            area.rebase(since, now);
        }
        self.running_min = self.running;
    }

    /// So many of its tasks more, or less, wait for a node.
    pub fn count_pending(&mut self, now: Time, change: i64) {
        if self.pending.value == 0 {
            self.pending_since = now;
        }
        self.pending_longest = self.pending_longest_by(now);
        self.pending.add(now, change);
    }

    /// The longest time without a break in which tasks waited, that which goes on included.
    pub fn pending_longest_by(&self, now: Time) -> Span {
        let goes_on = if self.pending.value > 0 { now.since(self.pending_since) } else { Span::ZERO };
        self.pending_longest.max(goes_on)
    }

    /// For how long it has had fewer running tasks than it wants.
    pub fn incomplete_for(&self, now: Time) -> Span {
        if self.running < self.wanted.value { now.since(self.whole_until) } else { Span::ZERO }
    }

    /// The service wants and has so many running tasks. Without a quorum of its own it needs half of what it wants.
    pub fn set(&mut self, now: Time, wants: u64, running: u64, quorum: Option<u64>) {
        let needs = quorum.unwrap_or(wants.div_ceil(2)).min(wants);
        if self.running >= self.wanted.value {
            self.whole_until = now;
        }
        self.wanted.set(now, wants);
        self.missing.set(now, wants.saturating_sub(running));
        self.below.set(now, u64::from(running < needs && !self.is_job));
        self.still.set(now, u64::from(running == 0 && wants > 0 && !self.is_job));
        self.established = if running >= wants { wants } else { self.established.min(wants) };
        let kept = quorum.unwrap_or(self.established.div_ceil(2)).min(self.established);
        let counts = !self.is_job && self.established > 0;
        self.fallen.set(now, if self.is_job { 0 } else { self.established.saturating_sub(running) });
        self.short.set(now, u64::from(counts && running < kept));
        self.down.set(now, u64::from(counts && running == 0));
        self.running = running;
        self.running_min = self.running_min.min(running);
    }
}

#[cfg(test)]
mod tests {
    use sched::Span;

    use super::*;

    #[test]
    fn without_a_quorum_half_of_what_a_service_wants_rounded_up_is_enough() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        // How many of ten seconds are below for what runs of three wanted, with and without a quorum.
        let below = |running, quorum| {
            let mut tally = Tally::new(at(0), false);
            tally.set(at(0), 3, running, quorum);
            tally.below.total(at(10)) / 1_000_000_000
        };
        assert_eq!([0, 1, 2, 3].map(|running| below(running, None)), [10, 10, 0, 0]);
        assert_eq!([0, 1, 2, 3].map(|running| below(running, Some(1))), [10, 0, 0, 0]);
        // Nobody misses more than is wanted.
        assert_eq!([2, 3].map(|running| below(running, Some(9))), [10, 0]);
    }
}
