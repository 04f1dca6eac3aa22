//! WHAT should run: which tasks exist and what is wanted of them. Where they run is the scheduler's matter.

pub(crate) mod enforcer;
pub(crate) mod global;
pub(crate) mod jobs;
pub(crate) mod reaper;
pub(crate) mod replicated;
pub(crate) mod restart;
pub(crate) mod update;

use std::collections::BTreeMap;

use crate::cluster::{Cluster, Node, Service, UpdateState};
use crate::id::{NodeId, ServiceId, TaskId};
use crate::spec::ServiceSpec;
use crate::task::{DesiredState, Task};
use crate::work::{self, Work};

/// Whether a node satisfies a service's constraints. Constraints that do not parse count as none.
fn satisfies(service: &Service, node: &Node) -> bool {
    let constraints = crate::constraint::parse(&service.spec.task.placement.constraints).unwrap_or_default();
    crate::constraint::all_match(&constraints, &node.spec)
}

/// In what a task of an older version differs from those that its service wants now.
#[derive(Clone, Copy, Debug)]
enum Difference {
    None,
    /// Only in where it may be.
    Place,
    More,
}

fn difference(new: &ServiceSpec, old: &ServiceSpec) -> Difference {
    work::count(Work::Comparison);
    if new.task.placement != old.task.placement {
        let mut same_place = new.task.clone();
        same_place.placement = old.task.placement.clone();
        return if same_place == old.task { Difference::Place } else { Difference::More };
    }
    if new.has_same_tasks(old) { Difference::None } else { Difference::More }
}

/// The versions of a service, each of which is compared with the current one at most once.
struct Versions<'a> {
    service: &'a Service,
    known: BTreeMap<u64, Difference>,
}

impl<'a> Versions<'a> {
    fn of(service: &'a Service) -> Versions<'a> {
        Versions { service, known: BTreeMap::new() }
    }

    /// Whether a rolling update must replace a task (SwarmKit `IsTaskDirty`).
    fn is_dirty(&mut self, task: &Task, node: Option<&Node>) -> bool {
        let service = self.service;
        if service.alike().contains(&task.version) {
            return false;
        }
        match self.known.entry(task.version).or_insert_with(|| difference(&service.spec, &task.spec)) {
            Difference::None => false,
            Difference::Place => !node.is_some_and(|node| satisfies(service, node)),
            Difference::More => true,
        }
    }
}

/// The tasks of a slot that an update has to look at (SwarmKit `UpdatableTasksInSlot`): those that shall run, or else
/// the last one, if it ended and its policy says that it stays so.
fn updatable(
    cluster: &Cluster,
    restarts: &mut restart::Supervisor,
    service: ServiceId,
    slot: &[TaskId],
) -> Vec<TaskId> {
    let task = |id: TaskId| cluster.task(id).expect("a slot lists records that exist");
    let since = |id: TaskId| cluster.since(task(id));
    let live: Vec<TaskId> = slot.iter().copied().filter(|id| task(*id).desired <= DesiredState::Running).collect();
    if !live.is_empty() {
        return live;
    }
    let rolling_back = cluster.services()[service]
        .update_status
        .as_ref()
        .is_some_and(|status| status.state == UpdateState::RollbackStarted);
    if rolling_back {
        return Vec::new();
    }
    let Some(newest) = slot.iter().copied().reduce(|a, b| if since(a) < since(b) { b } else { a }) else {
        return Vec::new();
    };
    if restarts.should_restart(cluster, newest) { Vec::new() } else { vec![newest] }
}

/// Tasks on a node, oldest first.
fn tasks_on(cluster: &Cluster, node: NodeId) -> Vec<TaskId> {
    cluster.tasks_on(node).collect()
}
