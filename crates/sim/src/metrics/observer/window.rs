//! What is counted from the end of the warm-up on: one value, which is replaced as a whole when the warm-up is over. What
//! must survive that is in [`super::Observer`].

use sched::{Span, Time};

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
    /// Nodes in the cluster.
    pub members: Area,
    /// Whether managers lack a leader, and a majority.
    pub leaderless: Area,
    pub minority: Area,
    /// For each service, whether it has as many running tasks as its quorum says.
    pub enough: Vec<Area>,
    // Counts.
    pub running_min: u64,
    pub created: u64,
    pub restarts: u64,
    pub failures: u64,
    pub moves: u64,
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
            members: anew(&before.members),
            leaderless: anew(&before.leaderless),
            minority: anew(&before.minority),
            enough: before.enough.iter().map(anew).collect(),
            running_min,
            pulled_before,
            ..Window::default()
        }
    }
}
