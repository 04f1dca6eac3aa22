//! What is counted from the end of the warm-up on: one value, which is replaced as a whole when the warm-up is over. What
//! must survive that is in [`super::Observer`].

use sched::{Span, Time};

use super::services::Tally;
use super::{Area, Mean};
use crate::model::image::Totals;

/// Counts, integrals and samples since a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Since when.
    pub since: Time,
    // Integrals.
    pub wanted: Area,
    pub missing: Area,
    pub pending: Area,
    pub duplicates: Area,
    pub cpu: Area,
    pub cpu_total: Area,
    pub memory: Area,
    pub memory_total: Area,
    pub down: Area,
    /// Replicas lost with their machines, until a task of their slots runs again, and those of them of which the manager
    /// knows.
    pub lost: Area,
    pub noticed: Area,
    /// Spares with a node, and what they reserve.
    pub spares: Area,
    pub spare_cpu: Area,
    pub spare_memory: Area,
    /// Nodes in the cluster, and those on which a task runs.
    pub members: Area,
    pub used: Area,
    /// Whether managers lack a leader, and a majority.
    pub leaderless: Area,
    pub minority: Area,
    /// For each service, whether it has as many running tasks as its quorum says.
    pub enough: Vec<Area>,
    /// The same of single services, the first ones.
    pub tallies: Vec<Tally>,
    // Counts.
    pub running_min: u64,
    pub created: u64,
    pub restarts: u64,
    pub failures: u64,
    pub moves: u64,
    pub node_changes: u64,
    pub losses: u64,
    pub majority_losses: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    // Samples.
    pub detections: Mean,
    pub failovers: Vec<Span>,
    pub updates: Mean,
    pub returns: Mean,
    pub prepares: Mean,
    pub elections: Mean,
    /// How long requests took.
    pub served: Vec<Span>,
    /// Rounds and time that news took to reach every node.
    pub rounds: Vec<u32>,
    pub told: Mean,
    /// What was pulled before.
    pub pulled_before: Totals,
}

impl Window {
    /// Counting begins now. What is integrated keeps the values that it has; `running_min` is the least number of running
    /// tasks so far.
    pub fn begin(now: Time, before: &Window, running_min: u64, pulled_before: Totals) -> Window {
        let anew = |area: &Area| Area::begin(now, area.value);
        Window {
            since: now,
            wanted: anew(&before.wanted),
            missing: anew(&before.missing),
            pending: anew(&before.pending),
            duplicates: anew(&before.duplicates),
            cpu: anew(&before.cpu),
            cpu_total: anew(&before.cpu_total),
            memory: anew(&before.memory),
            memory_total: anew(&before.memory_total),
            down: anew(&before.down),
            lost: anew(&before.lost),
            noticed: anew(&before.noticed),
            spares: anew(&before.spares),
            spare_cpu: anew(&before.spare_cpu),
            spare_memory: anew(&before.spare_memory),
            tallies: before.tallies.iter().map(|tally| tally.anew(now)).collect(),
            members: anew(&before.members),
            used: anew(&before.used),
            leaderless: anew(&before.leaderless),
            minority: anew(&before.minority),
            enough: before.enough.iter().map(anew).collect(),
            running_min,
            pulled_before,
            ..Window::default()
        }
    }
}

// What is counted of all services and of each by itself.
impl Window {
    /// A slot has a node: whether that is a move, and whether a replica has another node than before.
    pub fn count_move(&mut self, service: usize, is_move: bool, is_change: bool) {
        let (moves, changes) = (u64::from(is_move), u64::from(is_change));
        self.moves += moves;
        self.node_changes += changes;
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.moves += moves;
            tally.node_changes += changes;
        }
    }

    /// So many tasks more, or less, wait for a node.
    pub fn count_pending(&mut self, now: Time, service: usize, change: i64) {
        self.pending.add(now, change);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.count_pending(now, change);
        }
    }

    /// A task is created in place of another one, which no update replaced.
    pub fn count_restart(&mut self, service: usize) {
        self.restarts += 1;
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.restarts += 1;
        }
    }

    /// A task with a node is a spare from now on, or not any more.
    pub fn count_spare(&mut self, now: Time, service: usize, is_spare: bool, cpu: u64, memory: u64) {
        let turn = |area: &mut Area, amount: u64| {
            area.set(now, if is_spare { area.value + amount } else { area.value - amount });
        };
        turn(&mut self.spares, 1);
        turn(&mut self.spare_cpu, cpu);
        turn(&mut self.spare_memory, memory);
        if let Some(tally) = self.tallies.get_mut(service) {
            turn(&mut tally.spares, 1);
        }
    }

    /// There is a container more, or less, in a slot that has another one.
    pub fn count_duplicate(&mut self, now: Time, service: usize, change: i64) {
        self.duplicates.add(now, change);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.duplicates.add(now, change);
        }
    }

    /// A replica is lost with its machine.
    pub fn count_loss(&mut self, now: Time, service: usize) {
        self.losses += 1;
        self.lost.add(now, 1);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.losses += 1;
            tally.lost.add(now, 1);
        }
    }

    /// The manager knows of so many losses more, or of one less because it is over.
    pub fn count_noticed(&mut self, now: Time, service: usize, change: i64) {
        self.noticed.add(now, change);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.noticed.add(now, change);
        }
    }

    /// A loss is over.
    pub fn count_regained(&mut self, now: Time, service: usize, was_noticed: bool) {
        self.lost.add(now, -1);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.lost.add(now, -1);
        }
        if was_noticed {
            self.count_noticed(now, service, -1);
        }
    }

    /// A lost replica runs again, so long after the loss.
    pub fn count_failover(&mut self, service: usize, outage: Span) {
        self.failovers.push(outage);
        if let Some(tally) = self.tallies.get_mut(service) {
            tally.failovers.push(outage);
        }
    }
}
