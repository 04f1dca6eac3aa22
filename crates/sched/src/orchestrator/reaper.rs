//! The task reaper: deletes records that nobody needs any more (SwarmKit `manager/orchestrator/taskreaper`).

use std::collections::BTreeSet;

use crate::cluster::{Change, Cluster, Timer};
use crate::id::{ServiceId, Slot, TaskId};
use crate::spec::Mode;
use crate::task::{DesiredState, TaskState};
use crate::time::Span;

/// SwarmKit `reaperBatchingInterval`.
const BATCH: Span = Span::from_millis(250);
/// SwarmKit `maxDirty`: more than this is cleaned up at once.
const MAX_DIRTY: usize = 1000;

/// Slots whose history may have grown too long, and tasks that may be deleted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Reaper {
    #[cfg_attr(feature = "snapshot", serde(skip))]
    history: i64,
    /// Slots that got their first task since the last batch. Nearly all tasks of a large service come like this.
    fresh: Vec<(ServiceId, Slot)>,
    dirty: BTreeSet<(ServiceId, Slot)>,
    /// Those of them that may have changed since they were looked at. A slot whose task is on a lost node stays dirty for
    /// as long as the node is lost, and there may be many.
    changed: BTreeSet<(ServiceId, Slot)>,
    cleanup: BTreeSet<(u64, TaskId)>,
    armed: bool,
    #[cfg_attr(feature = "snapshot", serde(deserialize_with = "crate::snapshot::counter"))]
    generation: u64,
}

impl Reaper {
    /// Keeps `history` records per slot, the living one included; negative keeps all.
    pub(crate) fn new(history: i64) -> Reaper {
        Reaper {
            history,
            fresh: Vec::new(),
            dirty: BTreeSet::new(),
            changed: BTreeSet::new(),
            cleanup: BTreeSet::new(),
            armed: false,
            generation: 0,
        }
    }

    /// Keeps another number of records per slot, where it looks from now on.
    pub(crate) fn keep(&mut self, history: i64) {
        self.history = history;
    }

    /// The same as it was in a snapshot, with this limit.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recalled(self, history: i64) -> Reaper {
        Reaper { history, ..self }
    }

    pub(crate) fn observe(&mut self, cluster: &mut Cluster, change: Change) {
        match change {
            Change::TaskCreated(id) => {
                let Some(task) = cluster.task(id) else { return };
                if task.instance == 1 {
                    self.fresh.push((task.service, task.slot));
                } else {
                    self.dirty.insert((task.service, task.slot));
                    self.changed.insert((task.service, task.slot));
                }
            }
            Change::TaskPromoted(id) => {
                let Some(task) = cluster.task(id) else { return };
                self.dirty.insert((task.service, task.slot));
                self.changed.insert((task.service, task.slot));
            }
            Change::TaskUpdated { task, desired: DesiredState::Remove, state }
                if state < TaskState::Assigned || state >= TaskState::Complete =>
            {
                let Some(record) = cluster.task(task) else { return };
                self.cleanup.insert((record.sequence, task));
                self.look_again(record.service, record.slot);
            }
            // Any event about a task starts a batch, even one that leaves nothing to clean up. No record is of less use
            // because its task was assigned.
            Change::TasksAssigned => {}
            Change::TaskUpdated { task, .. } => {
                if let Some(record) = cluster.task(task) {
                    self.look_again(record.service, record.slot);
                }
            }
            Change::TasksExplained(service) => self.look_at_all_of(service),
            Change::TaskDeleted { service, slot, .. } => return self.look_again(service, slot),
            Change::ServiceUpdated(service) | Change::ServiceRemoved(service) => {
                self.look_at_all_of(service);
                return;
            }
            _ => return,
        }
        if self.fresh.len() + self.dirty.len() + self.cleanup.len() > MAX_DIRTY {
            self.armed = false;
            self.generation += 1;
            self.tick(cluster);
        } else if !self.armed {
            self.armed = true;
            self.generation += 1;
            let at = cluster.now() + BATCH;
            cluster.wake(at, Timer::Reap(self.generation));
        }
    }

    pub(crate) fn wake(&mut self, cluster: &mut Cluster, timer: Timer) {
        if timer == Timer::Reap(self.generation) && self.armed {
            self.armed = false;
            self.tick(cluster);
        }
    }

    fn look_at_all_of(&mut self, service: ServiceId) {
        let slots = self.dirty.range((service, Slot::Number(0))..);
        self.changed.extend(slots.take_while(|(other, _)| *other == service));
    }

    fn look_again(&mut self, service: ServiceId, slot: Slot) {
        if !self.dirty.is_empty() && self.dirty.contains(&(service, slot)) {
            self.changed.insert((service, slot));
        }
    }

    fn tick(&mut self, cluster: &mut Cluster) {
        let mut doomed: BTreeSet<(u64, TaskId)> = std::mem::take(&mut self.cleanup);
        for (service, slot) in self.fresh.drain(..) {
            if prune(cluster, self.history, service, slot, &mut doomed) {
                self.dirty.insert((service, slot));
            }
        }
        for (service, slot) in std::mem::take(&mut self.changed) {
            if !prune(cluster, self.history, service, slot, &mut doomed) {
                self.dirty.remove(&(service, slot));
            }
        }
        for (_, task) in doomed {
            if cluster.task(task).is_some() {
                cluster.delete_task(task);
            }
        }
        cluster.commit();
    }
}

/// Dooms the oldest records of a slot that has too many. Says whether the slot has to be looked at again: it has more
/// than one task that lives.
fn prune(cluster: &Cluster, limit: i64, service: ServiceId, slot: Slot, doomed: &mut BTreeSet<(u64, TaskId)>) -> bool {
    let Some(record) = cluster.service(service) else { return false };
    if !matches!(record.spec.mode, Mode::Replicated { .. } | Mode::Global) {
        return false;
    }
    // A limit on restarts replaces the configured limit, upwards and downwards, even if that is none (moby#35637).
    let limit = match record.spec.task.restart.map_or(0, |restart| restart.max_attempts) {
        0 => limit,
        attempts => i64::try_from(attempts).unwrap_or(i64::MAX).saturating_add(1),
    };
    let Ok(limit) = usize::try_from(limit) else { return false };
    let mut surplus = record.slots.tasks_in(slot).count().saturating_sub(limit);
    if surplus == 0 {
        return false;
    }
    let mut tasks: Vec<TaskId> = record.slots.tasks_in(slot).collect();
    tasks.sort_by_key(|id| {
        let task = cluster.task(*id).expect("listed");
        (cluster.since(task), task.sequence)
    });
    let mut living = 0;
    for id in tasks {
        let task = cluster.task(id).expect("listed");
        let unassigned = task.desired > DesiredState::Running && task.state < TaskState::Assigned;
        if !task.state.is_terminal() && !unassigned {
            living += 1;
            continue;
        }
        doomed.insert((task.sequence, id));
        surplus -= 1;
        if surplus == 0 {
            break;
        }
    }
    living > 1
}
