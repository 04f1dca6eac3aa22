//! The tasks of a group that wait, oldest first.
//!
//! A task that ends stays in the list until it comes to the front or until half of the list has ended, and new tasks come
//! last: so what a change costs grows with what changes, not with the number of tasks that wait.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

use crate::cluster::Cluster;
use crate::id::TaskId;
use crate::task::{DesiredState, Task, TaskState};
use crate::work::{self, Work};

/// A task, behind the number of its creation.
pub(super) type Place = (u64, TaskId);

#[derive(Clone, Default, Debug)]
pub(super) struct Waiting {
    list: VecDeque<Place>,
    /// How many of them ended.
    ended: usize,
    /// So many from the front were told why they wait.
    told: usize,
    is_unsorted: bool,
}

impl Waiting {
    /// Whether nothing is in the list, not even tasks that ended.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many tasks wait.
    pub(super) fn len(&self) -> usize {
        self.list.len() - self.ended
    }

    /// The number of the creation of the first task in the list.
    pub(super) fn first(&self) -> Option<u64> {
        self.list.front().map(|(sequence, _)| *sequence)
    }

    pub(super) fn push(&mut self, sequence: u64, id: TaskId) {
        self.is_unsorted |= self.list.back().is_some_and(|last| (sequence, id) < *last);
        self.list.push_back((sequence, id));
    }

    /// One of the tasks ended.
    pub(super) fn end_one(&mut self) {
        self.ended += 1;
    }

    /// Makes the list good: it is in order, and the first task in it waits.
    pub(super) fn prepare(&mut self, cluster: &Cluster) {
        if self.ended * 2 > self.list.len() {
            self.purge(cluster, |_| {});
        }
        if std::mem::take(&mut self.is_unsorted) {
            work::count_many(Work::Waiting, self.list.len());
            self.list.make_contiguous().sort_unstable();
            self.told = 0;
        }
        while self.ended > 0 && self.list.front().is_some_and(|(_, id)| !waits(cluster, *id)) {
            self.drop_first();
            self.ended -= 1;
        }
    }

    /// Drops every task that does not wait, and says which.
    pub(super) fn purge(&mut self, cluster: &Cluster, mut drop: impl FnMut(TaskId)) {
        work::count_many(Work::Waiting, self.list.len());
        let (mut told, mut number) = (0, 0);
        self.list.retain(|(_, id)| {
            number += 1;
            let stays = waits(cluster, *id);
            told += usize::from(stays && number <= self.told);
            if !stays {
                drop(*id);
            }
            stays
        });
        (self.told, self.ended) = (told, 0);
    }

    fn drop_first(&mut self) {
        work::count(Work::Waiting);
        self.list.pop_front();
        self.told = self.told.saturating_sub(1);
    }

    /// The list in order, for [`next`].
    pub(super) fn iter(&self) -> Iter<'_, Place> {
        self.list.iter()
    }

    /// Takes the first task that waits out of the list.
    pub(super) fn pop(&mut self, cluster: &Cluster) -> Option<TaskId> {
        while let Some((_, id)) = self.list.front().copied() {
            self.drop_first();
            if waits(cluster, id) {
                return Some(id);
            }
            self.ended = self.ended.saturating_sub(1);
        }
        None
    }

    /// Those that were not told why they wait; they are told now.
    pub(super) fn take_untold(&mut self) -> impl Iterator<Item = TaskId> + '_ {
        let told = std::mem::replace(&mut self.told, self.list.len());
        self.list.range(told..).map(|(_, id)| {
            work::count(Work::Waiting);
            *id
        })
    }

    /// Gives back room that is not needed; a little is kept for the next tasks.
    pub(super) fn shrink(&mut self) {
        self.list.shrink_to(64);
    }
}

/// The next task of a list that waits.
pub(super) fn next<'a>(list: &mut Iter<'_, Place>, cluster: &'a Cluster) -> Option<&'a Task> {
    list.find_map(|(_, id)| {
        work::count(Work::Waiting);
        cluster.task(*id).filter(|task| is_waiting(task))
    })
}

/// Whether the record of a task says so: the journal may have more to say of it.
pub(super) fn waits(cluster: &Cluster, id: TaskId) -> bool {
    cluster.task(id).is_some_and(is_waiting)
}

fn is_waiting(task: &Task) -> bool {
    task.node.is_none() && task.state == TaskState::Pending
}

/// SwarmKit counts a task until it is told to stop.
pub(super) fn is_active(task: &Task) -> bool {
    task.desired <= DesiredState::Complete
}
