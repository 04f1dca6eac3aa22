//! Placement scenarios: services are submitted to a cluster without agents, and the assignments are looked at.

use std::collections::BTreeMap;

use sched::spec::Units;
use sched::{Command, Config, DesiredState, Event, Manager, NodeId, ServiceId, Slot, Span, TaskId, TaskState, Time};
use serde_json::{Value, json};

use super::Ties;
use super::compare::{self, Check};
use super::input::{Recorded, ServiceWire};

/// The scenario begins late enough for failures to lie before it.
const START: Time = Time::from_nanos(3_600_000_000_000);
/// Distance of submissions in the recordings.
const STEP: Span = Span::from_secs(3);

/// Replays a scenario and compares every recorded property.
pub(super) fn replay(recorded: &Recorded, ties: Ties) -> Vec<Check> {
    let mut run = Run::new(recorded, ties);
    let mut now = START;
    run.rest(START);
    for index in 0..recorded.services.len() {
        if run.submit(index, now) && recorded.submission == "sequential" {
            run.rest(now + STEP);
            run.note_explanations(index);
            now += STEP;
        }
    }
    run.rest(now + STEP);
    run.checks()
}

struct Run<'a> {
    recorded: &'a Recorded,
    manager: Manager,
    out: Vec<Command>,
    nodes: Vec<NodeId>,
    services: Vec<Option<ServiceId>>,
    rejected: BTreeMap<usize, String>,
    created: BTreeMap<ServiceId, u64>,
    explanations_at_submission: BTreeMap<usize, Value>,
}

impl<'a> Run<'a> {
    fn new(recorded: &'a Recorded, ties: Ties) -> Run<'a> {
        let config = Config { task_history: -1, ..ties.config() };
        let mut manager = Manager::new(config).expect("spread is a strategy");
        let mut out = Vec::new();
        let nodes: Vec<NodeId> =
            recorded.nodes.iter().map(|node| manager.add_node(Time::ZERO, node.spec(), &mut out)).collect();
        let find = |id: &str| recorded.nodes.iter().position(|node| node.id == id).map(|index| nodes[index]);
        let adopt = |service: &ServiceWire| {
            if service.existing_tasks.is_empty() && service.recent_failures.is_empty() {
                return None;
            }
            let tasks: Vec<(Slot, NodeId)> = service
                .existing_tasks
                .iter()
                .filter_map(|task| Some((Slot::Number(task.slot), find(&task.node_id)?)))
                .collect();
            let adopted = manager.adopt_service(Time::ZERO, service.spec(), &tasks, &mut out);
            let id = adopted.expect("its tasks are on recorded nodes");
            for failure in &service.recent_failures {
                let Some(node) = find(&failure.node_id) else { continue };
                for _ in 0..failure.count {
                    let at = START.before(Span::from_nanos(failure.age_ns));
                    manager.recall_failure(id, node, at).expect("a recorded node");
                }
            }
            Some(id)
        };
        let services = recorded.services.iter().map(adopt).collect();
        out.clear();
        Run {
            recorded,
            manager,
            out,
            nodes,
            services,
            rejected: BTreeMap::new(),
            created: BTreeMap::new(),
            explanations_at_submission: BTreeMap::new(),
        }
    }

    /// Submits a service and says whether the API took it.
    fn submit(&mut self, index: usize, now: Time) -> bool {
        let wire = &self.recorded.services[index];
        let spec = wire.spec();
        if !wire.bypass_api_validation
            && let Err(refusal) = sched::api::validate(&spec)
        {
            self.rejected.insert(index, refusal.text);
            return false;
        }
        match self.services[index] {
            Some(adopted) => self.manager.resume_service(now, adopted, &mut self.out).expect("it was taken over"),
            None => self.services[index] = Some(self.manager.create_unchecked(now, spec, &mut self.out)),
        }
        self.count_created();
        true
    }

    fn count_created(&mut self) {
        for command in self.out.drain(..) {
            if let Command::Create { service, .. } = command {
                *self.created.entry(service).or_default() += 1;
            }
        }
    }

    /// Lets the manager work until `until`.
    fn rest(&mut self, until: Time) {
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            let _ = self.manager.handle(at, Event::Deadline, &mut self.out);
        }
        self.count_created();
    }

    fn note_explanations(&mut self, index: usize) {
        let explanations = self.pending_errors(index);
        self.explanations_at_submission.insert(index, explanations);
    }

    fn tasks(&self, index: usize) -> impl Iterator<Item = (TaskId, &sched::Task)> + '_ {
        let service = self.services[index];
        self.manager.cluster().tasks().filter(move |(_, task)| Some(task.service) == service)
    }

    fn is_placed(task: &sched::Task) -> bool {
        (TaskState::Assigned..=TaskState::Running).contains(&task.state) && task.desired <= DesiredState::Complete
    }

    fn per_node(&self, index: usize, of: impl Fn(&sched::Task) -> bool) -> Vec<i64> {
        let mut counts = vec![0; self.nodes.len()];
        for (_, task) in self.tasks(index).filter(|(_, task)| Self::is_placed(task) && of(task)) {
            if let Some(place) = self.nodes.iter().position(|node| Some(*node) == task.node) {
                counts[place] += 1;
            }
        }
        counts
    }

    fn named(&self, counts: &[i64]) -> Value {
        let entries = self.recorded.nodes.iter().zip(counts).filter(|(_, count)| **count > 0);
        Value::Object(entries.map(|(node, count)| (node.id.clone(), json!(count))).collect())
    }

    fn pending_errors(&self, index: usize) -> Value {
        let mut texts: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        for (_, task) in self.tasks(index).filter(|(_, task)| task.state < TaskState::Assigned) {
            let node = task.node.map(|node| self.manager.cluster().nodes()[node].spec.id.clone());
            *texts.entry((self.manager.cluster().error(task).map_or("", |text| text).to_owned(), node)).or_default() +=
                1;
        }
        let entry = |((text, node), count): ((String, Option<String>), u64)| match node {
            Some(node) => json!([count, text, node]),
            None => json!([count, text]),
        };
        Value::Array(texts.into_iter().map(entry).collect())
    }

    /// Totals per branch for each level of the service's preferences.
    fn branches(&self, index: usize, counts: &[i64]) -> Vec<BTreeMap<String, i64>> {
        let preferences = &self.recorded.services[index].spec().task.placement.preferences;
        let mut paths = vec![String::new(); self.nodes.len()];
        let mut levels = Vec::new();
        for preference in preferences {
            let mut totals: BTreeMap<String, i64> = BTreeMap::new();
            let mut is_level = true;
            for (place, node) in self.recorded.nodes.iter().enumerate() {
                let Some(value) = label(preference, &node.spec()) else {
                    is_level = false;
                    break;
                };
                if !levels.is_empty() {
                    paths[place].push('/');
                }
                paths[place].push_str(&value);
                *totals.entry(paths[place].clone()).or_default() += counts[place];
            }
            if is_level {
                levels.push(totals);
            }
        }
        levels
    }

    fn leaf_states(&self, index: usize, counts: &[i64]) -> BTreeMap<String, Vec<i64>> {
        let preferences = &self.recorded.services[index].spec().task.placement.preferences;
        let mut leaves: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (place, node) in self.recorded.nodes.iter().enumerate() {
            let values: Vec<String> =
                preferences.iter().filter_map(|preference| label(preference, &node.spec())).collect();
            leaves.entry(values.join("/")).or_default().push(counts[place]);
        }
        leaves
    }

    fn generic(&self, index: usize) -> BTreeMap<String, Vec<String>> {
        let mut by_node: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, task) in self.tasks(index).filter(|(_, task)| Self::is_placed(task)) {
            let Some(node) = task.node else { continue };
            let units = task.generic().iter().map(|unit| match &unit.units {
                Units::Count(count) => format!("{}={count}", unit.kind),
                Units::Named(name) => format!("{}={name}", unit.kind),
            });
            let list = by_node.entry(self.manager.cluster().nodes()[node].spec.id.clone()).or_default();
            list.extend(units);
            list.sort();
        }
        by_node.retain(|_, list| !list.is_empty());
        by_node
    }

    fn value(&self, index: usize, property: &str) -> Option<Value> {
        let counts = self.per_node(index, |_| true);
        let classes = || {
            let place = |id: &String| self.recorded.nodes.iter().position(|node| node.id == *id);
            let class = |ids: &Vec<String>| ids.iter().filter_map(place).map(|at| counts[at]).collect::<Vec<i64>>();
            self.recorded.node_classes.iter().map(class).collect::<Vec<_>>()
        };
        let existing = self.recorded.services[index].existing_tasks.len() as u64;
        Some(match property {
            "api_rejected" => json!(self.rejected.get(&index)),
            "tasks_created" => {
                json!(self.services[index].and_then(|id| self.created.get(&id)).copied().unwrap_or(0))
            }
            "active_assigned_total" => json!(counts.iter().sum::<i64>()),
            "pending_total" => json!(self.tasks(index).filter(|(_, task)| task.state < TaskState::Assigned).count()),
            "pending_errors" => self.pending_errors(index),
            "pending_errors_at_submission" => self.explanations_at_submission.get(&index)?.clone(),
            "active_tasks_per_node" | "active_tasks_per_node_range" => self.named(&counts),
            "active_tasks_per_node_sorted" => json!(descending(counts)),
            "newly_assigned_per_node_sorted" => {
                let _ = existing;
                json!(descending(self.per_node(index, |task| task.created >= START)))
            }
            "branch_totals_by_level" => json!(self.branches(index, &counts)),
            "branch_totals_by_level_sorted" => {
                let sorted = |level: BTreeMap<String, i64>| descending(level.into_values().collect());
                json!(self.branches(index, &counts).into_iter().map(sorted).collect::<Vec<_>>())
            }
            "leaf_branch_states" => {
                let leaves = self.leaf_states(index, &counts).into_iter();
                json!(leaves.map(|(name, counts)| (name, descending(counts))).collect::<BTreeMap<_, _>>())
            }
            "class_totals" => json!(classes().iter().map(|class| class.iter().sum()).collect::<Vec<i64>>()),
            "class_distribution_sorted" => json!(classes().into_iter().map(descending).collect::<Vec<_>>()),
            "assigned_generic_by_node" => json!(self.generic(index)),
            "assigned_generic_multiset" => {
                let mut all: Vec<String> = self.generic(index).into_values().flatten().collect();
                all.sort();
                json!(all)
            }
            _ => return None,
        })
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for (index, service) in self.recorded.services.iter().enumerate() {
            let Some(invariants) = self.recorded.invariants.per_service.get(&service.name) else { continue };
            for (property, invariant) in invariants {
                let name = format!("{}.{property}", service.name);
                let value = self.value(index, property);
                checks.extend(value.and_then(|value| compare::placement(&name, property, invariant, value)));
            }
        }
        if let Some(invariant) = &self.recorded.invariants.all_services_tasks_per_node_sorted {
            let mut totals = vec![0; self.nodes.len()];
            for index in 0..self.recorded.services.len() {
                for (total, count) in totals.iter_mut().zip(self.per_node(index, |_| true)) {
                    *total += count;
                }
            }
            let name = "all_services_tasks_per_node_sorted";
            checks.extend(compare::placement(name, name, invariant, json!(descending(totals))));
        }
        if self.recorded.distinct_outcomes == 1 {
            for (index, service) in self.recorded.services.iter().enumerate() {
                let Some(sample) =
                    self.recorded.sample_outcomes.first().and_then(|sample| sample.services.get(&service.name))
                else {
                    continue;
                };
                let Some(expected) = sample.get("active_tasks_per_node") else { continue };
                let got = self.named(&self.per_node(index, |_| true));
                checks.push(Check::hard(format!("{}.outcome", service.name), 1, expected.clone(), got));
            }
        }
        checks
    }
}

fn descending(mut counts: Vec<i64>) -> Vec<i64> {
    counts.sort_by_key(|count| std::cmp::Reverse(*count));
    counts
}

/// The value of a label descriptor on a node, by a reading of its own: `None` if it names no label.
fn label(descriptor: &str, node: &sched::spec::NodeSpec) -> Option<String> {
    let lower = descriptor.to_lowercase();
    let empty = Default::default();
    let (labels, prefix) = if lower.starts_with("node.labels.") {
        (&node.labels, "node.labels.".len())
    } else if lower.starts_with("engine.labels.") {
        (node.description.as_ref().map_or(&empty, |description| &description.engine_labels), "engine.labels.".len())
    } else {
        return None;
    };
    let name = &descriptor[prefix..];
    (!name.is_empty()).then(|| labels.get(name).cloned().unwrap_or_default())
}
