//! What was counted becomes an outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::{Row, Span, TaskState, Time};
use smol_str::{SmolStr, ToSmolStr};

use super::{Area, Mean, Observer, Once, Record, Service};
use crate::metrics::{METRICS, NodeRow, Outcome, TaskRow};
use crate::model::image::Totals;

/// Marks that are kept of an aborted run.
const MARKS_MAX: usize = 1000;

impl Observer {
    /// The run is over.
    pub fn close(mut self, now: Time, pulled: &Totals, addresses_peak: u32, events: u64) -> Outcome {
        self.note_settled(now);
        if let Some(since) = self.settled.map(|it| it.max(self.last_event)).filter(|&it| it <= now) {
            self.converged.get_or_insert(since);
        }
        let span = (now - self.window.since).as_nanos();
        let integral = |area: &mut Area| area.total(now) as f64;
        let (wanted, missing) = (integral(&mut self.window.wanted), integral(&mut self.window.missing));
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let needed = pulled.needed - self.window.pulled_before.needed;
        let present = pulled.present - self.window.pulled_before.present;
        let mut pulls = pulled.durations[self.window.pulled_before.durations.len()..].to_vec();
        let mut to_running: Vec<Span> = self.times_to_running().collect();
        for samples in [&mut to_running, &mut self.window.failovers, &mut pulls] {
            samples.sort_unstable();
        }
        let loads: Vec<f64> = self.nodes.iter().filter(|it| it.there && it.up).map(|it| it.running as f64).collect();
        let jobs = self.jobs.any();
        let (present_jobs, waiting_jobs) = self.jobs.areas(now);
        let quorum = self.quorum_share(now);
        let asked = Some((self.window.served.len() as u64 + self.window.unanswered) as f64);
        self.window.served.sort_unstable();
        let rounds: u64 = self.window.rounds.iter().map(|it| u64::from(*it)).sum();
        let rounds = ratio(rounds as f64, self.window.rounds.len() as f64);
        let converged = self.converged.map(|it| it.since(self.last_event).as_secs_f64());
        let states = self.states();
        let in_state = |state| Some(states.get(&state).copied().unwrap_or(0) as f64);
        let values = BTreeMap::from([
            ("tasks_desired", Some(self.window.wanted.value as f64)),
            ("running_final", Some(self.running as f64)),
            ("running_min", self.first_settled.map(|_| self.window.running_min as f64)),
            ("time_to_running_p50_s", quantile(&to_running, 0.5)),
            ("time_to_running_p99_s", quantile(&to_running, 0.99)),
            ("time_to_running_max_s", quantile(&to_running, 1.0)),
            ("time_to_converge_s", converged),
            ("detection_mean_s", self.window.detections.mean()),
            ("failover_p50_s", quantile(&self.window.failovers, 0.5)),
            ("failover_max_s", quantile(&self.window.failovers, 1.0)),
            ("availability", ratio(wanted - missing, wanted)),
            ("replica_seconds_lost", Some(missing / 1e9)),
            ("pending_mean", ratio(integral(&mut self.window.pending), span as f64)),
            ("pending_max", Some(self.window.pending.max as f64)),
            ("tasks_created", Some(self.window.created as f64)),
            ("restarts", Some(self.window.restarts as f64)),
            ("node_failures", Some(self.window.failures as f64)),
            ("tasks_per_node_max", self.nodes.iter().map(|it| it.running as f64).reduce(f64::max)),
            ("tasks_per_node_cv", variation(&loads)),
            ("rack_share_max", self.rack_share()),
            ("pulled_bytes", Some((pulled.sent - self.window.pulled_before.sent) as f64)),
            ("cache_hit_ratio", ratio(present as f64, needed as f64)),
            ("pull_p50_s", quantile(&pulls, 0.5)),
            ("pull_p99_s", quantile(&pulls, 0.99)),
            ("cpu_reserved", ratio(integral(&mut self.window.cpu), integral(&mut self.window.cpu_total))),
            ("memory_reserved", ratio(integral(&mut self.window.memory), integral(&mut self.window.memory_total))),
            ("moves", Some(self.window.moves as f64)),
            ("addresses_peak", Some(f64::from(addresses_peak))),
            ("update_duration_s", self.window.updates.mean()),
            ("duplicate_seconds", Some(integral(&mut self.window.duplicates) / 1e9)),
            ("near_bytes", Some((pulled.from_peer - self.window.pulled_before.from_peer) as f64)),
            ("nodes_final", Some(self.window.members.value as f64)),
            ("nodes_mean", ratio(integral(&mut self.window.members), span as f64)),
            ("nodes_down_mean", ratio(integral(&mut self.window.down), span as f64)),
            ("quorum_share", quorum),
            ("jobs_arrived", jobs.then_some(self.jobs.window.arrived as f64)),
            ("jobs_lost_ratio", ratio(self.jobs.window.lost as f64, self.jobs.window.arrived as f64)),
            ("jobs_done", jobs.then_some(self.jobs.window.done as f64)),
            ("jobs_present_mean", ratio(present_jobs as f64, span as f64).filter(|_| jobs)),
            ("jobs_waiting_mean", ratio(waiting_jobs as f64, span as f64).filter(|_| jobs)),
            ("job_waited_ratio", self.jobs.waited()),
            ("job_wait_mean_s", self.jobs.window.waits.mean()),
            ("job_time_mean_s", self.jobs.window.times.mean()),
            ("little_gap_s", jobs.then(|| self.jobs.gap(now) as f64 / 1e9)),
            ("pull_mean_s", mean(&pulls)),
            ("leaderless_share", ratio(integral(&mut self.window.leaderless), span as f64)),
            ("election_mean_s", self.window.elections.mean()),
            ("majority_share", ratio(span as f64 - integral(&mut self.window.minority), span as f64)),
            ("majority_losses", Some(self.window.majority_losses as f64)),
            ("majority_lost_s", self.majority_lost.map(Time::as_secs_f64)),
            ("requests", asked.filter(|it| *it > 0.0)),
            ("request_error_ratio", asked.and_then(|it| ratio(self.window.unanswered as f64, it))),
            ("request_mean_s", mean(&self.window.served)),
            ("request_p99_s", quantile(&self.window.served, 0.99)),
            ("gossip_rounds_mean", rounds),
            ("gossip_time_mean_s", self.window.told.mean()),
            ("time_to_running_mean_s", mean(&to_running)),
            ("prepare_mean_s", self.window.prepares.mean()),
            ("return_mean_s", self.window.returns.mean()),
            ("event_to_created_mean_s", self.since_script.created.mean()),
            ("event_to_ready_mean_s", self.since_script.ready.mean()),
            ("event_to_running_mean_s", self.since_script.running.mean()),
            ("event_to_running_max_s", self.since_script.running.max()),
            ("event_to_ended_mean_s", self.since_script.ended.mean()),
            ("event_to_removed_mean_s", self.since_script.removed.mean()),
            ("state_new", in_state(TaskState::New)),
            ("state_pending", in_state(TaskState::Pending)),
            ("state_preparing", in_state(TaskState::Preparing)),
            ("state_ready", in_state(TaskState::Ready)),
            ("state_running", in_state(TaskState::Running)),
            ("state_complete", in_state(TaskState::Complete)),
            ("state_shutdown", in_state(TaskState::Shutdown)),
            ("state_failed", in_state(TaskState::Failed)),
            ("state_rejected", in_state(TaskState::Rejected)),
            ("state_orphaned", in_state(TaskState::Orphaned)),
            ("events", Some(events as f64)),
        ]);
        self.outcome.values = METRICS
            .iter()
            .map(|metric| *values.get(metric.name).unwrap_or_else(|| panic!("{} has no value here", metric.name)))
            .collect();
        self.give_up(now, None)
    }

    /// The run was aborted, for a reason: there are no values.
    pub fn give_up(mut self, now: Time, reason: Option<String>) -> Outcome {
        if let Some(reason) = &reason {
            self.outcome.marks.truncate(MARKS_MAX);
            self.mark(now, "error", reason.clone());
            self.outcome.values = vec![None; METRICS.len()];
        }
        self.outcome.failed = reason;
        self.outcome.tasks = self.task_rows();
        self.outcome.nodes = (0..self.nodes.len()).map(|node| self.node_row(now, node)).collect();
        self.outcome
    }

    /// From creation, or from the end of its time as a spare, until the manager learned that a task runs, of all that came
    /// to run since the warm-up.
    fn times_to_running(&self) -> impl Iterator<Item = Span> + '_ {
        let wanted = |(number, it): (u32, &Record)| match self.promotions.is_empty() {
            true => it.created,
            false => self.promotions.get(&number).copied().unwrap_or(it.created),
        };
        let tasks = (0..).zip(&self.tasks).map(move |(number, it)| (wanted((number, it)), it));
        let counted = tasks.filter(|(wanted, _)| self.window.since <= *wanted);
        counted.filter_map(|(wanted, it)| it.running.get().filter(|running| wanted <= *running).map(|it| it - wanted))
    }

    /// Records of tasks that the manager has, by how far they are.
    fn states(&self) -> BTreeMap<TaskState, u64> {
        let mut states = BTreeMap::new();
        for task in self.tasks.iter().filter(|it| !it.gone) {
            *states.entry(task.state).or_default() += 1;
        }
        states
    }

    fn task_rows(&self) -> Vec<TaskRow> {
        let services: Vec<SmolStr> = self.services.iter().map(|it| it.name.as_str().into()).collect();
        let nodes: Vec<SmolStr> = self.scenario.nodes.iter().map(|it| it.spec.id.as_str().into()).collect();
        let none = SmolStr::default();
        let error = |it: &Option<Arc<str>>| it.clone().map_or_else(|| none.clone(), SmolStr::from);
        let errors: Vec<SmolStr> = self.errors.iter().map(error).collect();
        let secs = |at: Once| at.get().map(Time::as_secs_f64);
        // Records stand in the order of creation: so the tasks of a slot count themselves.
        let mut numbers = vec![0u32; self.slots.len()];
        let row = |it: &Record| {
            let slot = &self.slots[it.slot as usize];
            let number = &mut numbers[it.slot as usize];
            *number += 1;
            let service = services[slot.service as usize].clone();
            let number = number.to_smolstr();
            let place = match self.services[slot.service as usize].is_per_node {
                false => &slot.place.to_smolstr(),
                true => &*nodes[slot.place as usize],
            };
            let kind = if slot.is_spare { ".spare" } else { "." };
            let name = SmolStr::from_iter([&*service, kind, place, "#", &number]);
            TaskRow {
                name,
                service,
                node: it.node.map_or_else(|| none.clone(), |node| nodes[node.index()].clone()),
                created_s: it.created.as_secs_f64(),
                assigned_s: secs(it.assigned),
                ready_s: secs(it.ready).filter(|_| it.is_ready),
                running_s: secs(it.running),
                ended_s: secs(it.ended),
                state: it.state,
                desired: it.desired,
                error: errors[it.error as usize].clone(),
            }
        };
        self.tasks.iter().map(row).collect()
    }

    fn node_row(&self, now: Time, node: usize) -> NodeRow {
        let (plan, it) = (&self.scenario.nodes[node], &self.nodes[node]);
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let since = if it.up { 0 } else { (now - it.lost).as_nanos() };
        NodeRow {
            node: plan.spec.id.clone(),
            pool: plan.pool.clone(),
            running: it.running,
            running_max: it.running_max,
            cpu_reserved: share(it.cpu_reserved, it.cpu),
            memory_reserved: share(it.memory_reserved, it.memory),
            down_s: (it.down + since) as f64 / 1e9,
        }
    }

    /// Mean over the services that name a quorum of the share of time in which they had it.
    fn quorum_share(&mut self, now: Time) -> Option<f64> {
        let warm = self.window.since;
        let share = |(it, enough): (&Service, &mut Area)| {
            let span = (now - it.created.max(warm)).as_nanos();
            it.quorum.filter(|_| span > 0).map(|_| enough.total(now) as f64 / span as f64)
        };
        let shares: Vec<f64> = self.services.iter().zip(&mut self.window.enough).filter_map(share).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }

    /// Mean over services of the largest share of running tasks in one rack.
    fn rack_share(&self) -> Option<f64> {
        if self.nodes.iter().all(|it| it.rack.is_none()) {
            return None;
        }
        let mut numbers: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut number = |rack: &Option<Arc<str>>| {
            let next = numbers.len();
            *numbers.entry(rack.clone().unwrap_or_default()).or_insert(next)
        };
        let rack_of: Vec<usize> = self.nodes.iter().map(|it| number(&it.rack)).collect();
        let mut racks: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); self.services.len()];
        for it in self.tasks.iter().filter(|it| it.serves) {
            let node = it.node.expect("what serves has a node");
            *racks[self.slots[it.slot as usize].service as usize].entry(rack_of[node.index()]).or_default() += 1;
        }
        let shares: Vec<f64> = racks
            .iter()
            .map(|it| (it.values().max().copied().unwrap_or(0), it.values().sum::<u64>()))
            .filter(|&(_, running)| running >= 2)
            .map(|(most, running)| most as f64 / running as f64)
            .collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

/// The smallest of sorted samples that a share of at least `p` does not exceed, in seconds.
fn quantile(sorted: &[Span], p: f64) -> Option<f64> {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).map(|it| it.as_secs_f64())
}

fn mean(samples: &[Span]) -> Option<f64> {
    let mut mean = Mean::default();
    mean.extend(samples.iter().copied());
    mean.mean()
}

/// Population standard deviation by mean.
fn variation(loads: &[f64]) -> Option<f64> {
    let n = loads.len() as f64;
    let mean = loads.iter().sum::<f64>() / n;
    let variance = loads.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / n;
    (mean > 0.0).then(|| variance.sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let sorted: Vec<Span> = (1..=10).map(Span::from_secs).collect();
        let of = |p| quantile(&sorted, p);
        assert_eq!((of(0.5), of(0.99), of(1.0), of(0.01)), (Some(5.0), Some(10.0), Some(10.0), Some(1.0)));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn variation_is_the_population_one() {
        let loads = [4.0, 4.0, 4.0, 3.0, 3.0];
        assert!((variation(&loads).unwrap() - 0.489897948556636 / 3.6).abs() < 1e-12);
        assert_eq!((variation(&[0.0, 0.0]), variation(&[])), (None, None));
    }
}
