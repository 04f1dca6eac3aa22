//! The scheduler in a snapshot: what does not follow from the tables of the cluster.
//!
//! Not saved are the rankings, counts by branch, interned requirements and every other thing that only saves work. In a
//! restored scheduler every group that waits is awake, so the first pass asks them all once; the answers are the same.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::filter::Refusals;
use super::ledger::Happened;
use super::waiting::is_active;
use super::{Bound, GroupEntry, Scheduler, TaskStage};
use crate::cluster::Cluster;
use crate::id::{NodeId, ServiceId, TaskId};
use crate::spec::{GenericResource, Protocol};
use crate::task::{Task, TaskState};
use crate::time::Time;

type Lists<'a, I, T> = Vec<(I, Cow<'a, [T]>)>;

#[derive(Serialize, Deserialize)]
pub(crate) struct Saved<'a> {
    #[serde(deserialize_with = "crate::snapshot::counter")]
    generation: u64,
    required: bool,
    debouncing: Option<Time>,
    failures: Cow<'a, [Happened]>,
    /// Generic units that are left on a node, in the order in which they are handed out.
    generic: Lists<'a, NodeId, GenericResource>,
    ports: Lists<'a, NodeId, (Protocol, u16)>,
    /// Nodes where SwarmKit gives ports and units out that somebody holds. No decision depends on it.
    unchecked: [Cow<'a, BTreeSet<NodeId>>; 2],
    /// Generic units that a task holds, as far as the scheduler knows.
    units: Lists<'a, TaskId, GenericResource>,
    /// In order of creation.
    waiting: Vec<TaskId>,
    /// Bound to nodes: to be tried by the next pass, and to be tried when their node changes.
    bound: Vec<TaskId>,
    refused: Vec<TaskId>,
    /// What groups were told that found no place.
    refusals: Vec<(ServiceId, u64, Refusals)>,
    /// What nodes lack of images, by row.
    #[serde(default)]
    images: Vec<(Cow<'a, str>, Cow<'a, [u64]>)>,
}

impl Scheduler {
    pub(crate) fn save<'a>(&'a self, cluster: &Cluster) -> Saved<'a> {
        let Scheduler {
            strategy: _,
            debounce: _,
            ties: _,
            ledger,
            rankings: _,
            entries: _,
            units,
            groups,
            free_groups: _,
            group_numbers: _,
            groups_awake: _,
            sleepers: _,
            bound,
            images,
            required,
            debouncing,
            generation,
            scratch: _,
            explanation_cache: _,
            pass_order: _,
            followed: _,
        } = self;
        let (bound, refused) = self.save_bound(bound);
        let members = || groups.iter().flatten();
        let mut waiting: Vec<(u64, TaskId)> = members().flat_map(|member| member.waiting.iter().copied()).collect();
        // Those that ended meanwhile are still in their lists.
        waiting.retain(|(_, id)| self.stage(*id) == TaskStage::Waiting);
        waiting.sort_unstable();
        let told = |member: &GroupEntry| Some((member.group.service, member.group.version, member.last_refusals?));
        let mut refusals: Vec<_> = members().filter(|member| member.users > 0).filter_map(told).collect();
        refusals.sort_unstable_by_key(|(service, version, _)| (*service, *version));
        debug_assert!(cluster.tasks().all(|(id, task)| (self.stage(id) == TaskStage::Placed) == is_placed(task)));
        Saved {
            generation: *generation,
            required: *required,
            debouncing: *debouncing,
            failures: ledger.happened().collect(),
            generic: ledger.all_generic().map(|(node, left)| (node, Cow::Borrowed(left))).collect(),
            ports: ledger.all_ports().map(|(node, ports)| (node, Cow::Borrowed(ports))).collect(),
            unchecked: ledger.unchecked().map(Cow::Borrowed),
            units: units.iter().map(|(id, units)| (*id, Cow::Borrowed(&units[..]))).collect(),
            waiting: waiting.into_iter().map(|(_, id)| id).collect(),
            bound,
            refused,
            refusals,
            images: images.iter().map(|(image, nodes)| (Cow::Borrowed(&**image), Cow::Borrowed(&nodes[..]))).collect(),
        }
    }

    /// Tasks that the next pass tries, and those that it does not.
    fn save_bound(&self, bound: &Bound) -> (Vec<TaskId>, Vec<TaskId>) {
        let Bound { fresh, refused, seen } = bound;
        let changed: Option<Vec<NodeId>> = self.ledger.log.since(*seen).map(Iterator::collect);
        let (mut due, mut refused_again) = (fresh.clone(), Vec::new());
        for (node, tasks) in refused {
            let is_due = changed.as_ref().is_none_or(|changed| changed.contains(node));
            if is_due { due.extend(tasks) } else { refused_again.extend(tasks) }
        }
        let sorted = |mut tasks: Vec<(u64, TaskId)>| {
            tasks.retain(|(_, id)| self.stage(*id) == TaskStage::Bound);
            tasks.sort_unstable();
            tasks.into_iter().map(|(_, id)| id).collect()
        };
        (sorted(due), sorted(refused_again))
    }

    /// A scheduler that knew nothing takes over what another one knew of the same cluster. The error says what contradicts
    /// what.
    pub(crate) fn recall(&mut self, cluster: &Cluster, saved: Saved<'_>) -> Result<(), String> {
        let Saved {
            generation,
            required,
            debouncing,
            failures,
            generic,
            ports,
            unchecked,
            units,
            waiting,
            bound,
            refused,
            refusals,
            images,
        } = saved;
        (self.generation, self.required, self.debouncing) = (generation, required, debouncing);
        for (_, node) in cluster.nodes().iter() {
            self.ledger.add_node(&node.spec);
            self.rankings.node_joined();
        }
        for (node, _) in cluster.nodes().iter().filter(|(_, node)| node.removed) {
            self.ledger.remove_node(node);
        }
        for (id, task) in cluster.tasks().filter(|(_, task)| is_placed(task)) {
            let number = self.enter(task, id, TaskStage::Placed);
            let group = &self.groups[number as usize].as_ref().expect("just entered").group;
            self.ledger.hold(group, self.entries[id.row()].node, is_active(task));
        }
        let lists = generic.iter().map(|list| list.0).chain(ports.iter().map(|list| list.0));
        if let Some(node) =
            lists.chain(failures.iter().map(|failure| failure.3)).find(|node| cluster.nodes().get(*node).is_none())
        {
            return Err(format!("node {node} is not there"));
        }
        self.ledger.recall_generic(generic.into_iter().map(|(node, left)| (node, left.into_owned())));
        self.ledger.recall_ports(ports.into_iter().map(|(node, ports)| (node, ports.into_owned())));
        self.ledger.recall_unchecked(unchecked.map(Cow::into_owned));
        for (at, service, version, node) in failures.iter() {
            self.ledger.fail(*service, *version, *node, *at);
        }
        for (id, units) in units {
            if self.stage(id) != TaskStage::Placed {
                return Err(format!("task {id} holds units, but it is on no node"));
            }
            self.units.insert(id, units.into_owned());
        }
        for id in waiting {
            let task = self.waits_unknown(cluster, id, |task| task.node.is_none())?;
            self.start_waiting(task, id);
        }
        for (is_fresh, ids) in [(true, bound), (false, refused)] {
            for id in ids {
                let task = self.waits_unknown(cluster, id, |task| task.node.is_some())?;
                self.enter(task, id, TaskStage::Bound);
                match task.node {
                    Some(node) if !is_fresh => self.bound.refused.entry(node).or_default().push((task.sequence, id)),
                    _ => self.bound.fresh.push((task.sequence, id)),
                }
            }
        }
        self.bound.seen = self.ledger.log.end();
        self.images = images.into_iter().map(|(image, nodes)| (image.into(), nodes.into_owned())).collect();
        for (service, version, refusals) in refusals {
            match self.group_numbers.get(&(service, version)).copied() {
                Some(number) => self.member_mut(number).last_refusals = Some(refusals),
                None => return Err(format!("service {service} has no task of version {version}")),
            }
        }
        Ok(())
    }

    /// The record of a task that waits for a node and was not heard of yet.
    fn waits_unknown<'a>(
        &self,
        cluster: &'a Cluster,
        id: TaskId,
        is_right: impl Fn(&Task) -> bool,
    ) -> Result<&'a Task, String> {
        let task = cluster.task(id).filter(|task| task.state == TaskState::Pending && is_right(task));
        task.filter(|_| self.stage(id) == TaskStage::Unknown)
            .ok_or_else(|| format!("task {id} does not wait for a node"))
    }
}

/// Whether a task holds something on its node.
fn is_placed(task: &Task) -> bool {
    task.node.is_some() && (TaskState::Assigned..=TaskState::Running).contains(&task.state)
}
