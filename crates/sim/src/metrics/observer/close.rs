//! What was counted becomes an outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::{Row, Span, TaskState, Time};
use smol_str::{SmolStr, ToSmolStr};

use super::definitions::{ENTRIES, quantile, ratio};
use super::jobs::{Arrived, Counted, VALUES};
use super::services::Tally;
use super::window::Window;
use super::{Area, METRICS, Observer, Once, Record, Service};
use crate::fact::update_word;
use crate::metrics::{ClassRow, JobRow, NodeRow, Outcome, PendingRow, ServiceRow, TaskRow};
use crate::model::image::Totals;

/// A run at its end: what the values of metrics follow from.
pub(super) struct Close<'a> {
    pub run: &'a Observer,
    pub window: &'a Window,
    pub jobs: &'a Counted,
    pub now: Time,
    pub pulled: &'a Totals,
    pub addresses_peak: u32,
    pub events: u64,
    // Samples, sorted.
    pub to_running: Vec<Span>,
    pub failovers: Vec<Span>,
    pub pulls: Vec<Span>,
    pub served: Vec<Span>,
    states: BTreeMap<TaskState, u64>,
}

impl Close<'_> {
    /// Nanoseconds that were counted.
    pub fn span(&self) -> f64 {
        (self.now - self.window.since).as_nanos() as f64
    }

    /// Value times nanoseconds.
    pub fn integral(&self, area: &Area) -> f64 {
        area.total(self.now) as f64
    }

    pub fn wanted(&self) -> f64 {
        self.integral(&self.window.wanted)
    }

    pub fn missing(&self) -> f64 {
        self.integral(&self.window.missing)
    }

    /// Task records in a state.
    pub fn in_state(&self, state: TaskState) -> Option<f64> {
        Some(self.states.get(&state).copied().unwrap_or(0) as f64)
    }

    /// Requests of which it is known what became of them.
    pub fn requests(&self) -> f64 {
        (self.served.len() as u64 + self.window.unanswered) as f64
    }

    pub fn rounds_mean(&self) -> Option<f64> {
        let rounds: u64 = self.window.rounds.iter().map(|rounds| u64::from(*rounds)).sum();
        ratio(rounds as f64, self.window.rounds.len() as f64)
    }

    pub fn cache_hit_ratio(&self) -> Option<f64> {
        let before = &self.window.pulled_before;
        ratio((self.pulled.present - before.present) as f64, (self.pulled.needed - before.needed) as f64)
    }

    /// Of the services that are counted by themselves and are no jobs, the share in which something was so for any time.
    pub fn share_of_services(&self, of: fn(&Tally) -> &Area) -> Option<f64> {
        let tallies = || self.window.tallies.iter().filter(|tally| !tally.is_job);
        let ever = tallies().filter(|tally| of(tally).total(self.now) > 0).count();
        ratio(ever as f64, tallies().count() as f64)
    }

    /// Seconds in which something was so, added up over the services that are counted by themselves.
    pub fn sum_of_services(&self, of: fn(&Tally) -> &Area) -> f64 {
        self.window.tallies.iter().map(|tally| of(tally).total(self.now)).sum::<u128>() as f64 / 1e9
    }

    /// Variation of running tasks over machines with power.
    pub fn load_variation(&self) -> Option<f64> {
        let there = self.run.nodes.iter().filter(|node| node.there && node.up);
        variation(&there.map(|node| node.running as f64).collect::<Vec<f64>>())
    }
}

impl Observer {
    /// The run is over.
    pub fn close(mut self, now: Time, pulled: &Totals, addresses_peak: u32, events: u64) -> Outcome {
        self.note_settled(now);
        if let Some(since) = self.calm.map(|instant| instant.max(self.last_event)).filter(|&instant| instant <= now) {
            self.converged.get_or_insert(since);
        }
        let sorted = |mut samples: Vec<Span>| {
            samples.sort_unstable();
            samples
        };
        let classes = self.jobs.counted(now);
        let end = Close {
            now,
            pulled,
            addresses_peak,
            events,
            to_running: sorted(self.times_to_running().map(|(_, span)| span).collect()),
            failovers: sorted(self.window.failovers.clone()),
            pulls: sorted(pulled.durations[self.window.pulled_before.durations.len()..].to_vec()),
            served: sorted(self.window.served.clone()),
            states: self.states(),
            run: &self,
            window: &self.window,
            jobs: &Counted::together(&classes),
        };
        let values = ENTRIES.iter().map(|entry| (entry.value)(&end)).collect();
        let names = self.scenario.arrivals.iter().map(|plan| plan.name.as_str().into());
        let row = |(class, counted): (SmolStr, &Counted)| ClassRow {
            class,
            values: VALUES.iter().map(|(_, value)| value(counted)).collect(),
        };
        self.outcome.classes = names.zip(&classes).map(row).collect();
        let mut to_running = vec![Vec::new(); self.window.tallies.len()];
        for (service, span) in self.times_to_running() {
            if let Some(spans) = to_running.get_mut(service) {
                spans.push(span);
            }
        }
        let tallies = self.window.tallies.iter().zip(&self.services).zip(to_running);
        let mut services: Vec<ServiceRow> =
            tallies.map(|((tally, service), spans)| service_row(now, tally, service, sorted(spans))).collect();
        self.outcome.pending = self.pending_rows(now, &mut services);
        (self.outcome.values, self.outcome.services) = (values, services);
        self.give_up(now, pulled.sent, None)
    }

    /// The run was aborted, for a reason: there are no values. The registry has sent so many bytes.
    pub fn give_up(mut self, now: Time, sent: u64, reason: Option<String>) -> Outcome {
        self.series.end(now, sent);
        self.outcome.settled_s = self.first_settled.map(Time::as_secs_f64);
        if let Some(reason) = &reason {
            self.marks.aborted(now, reason);
            self.outcome.values = vec![None; METRICS.len()];
        }
        self.outcome.failed = reason;
        self.outcome.tasks = self.task_rows();
        self.outcome.jobs = self.job_rows();
        self.outcome.nodes = (0..self.nodes.len()).map(|node| self.node_row(now, node)).collect();
        Outcome { series: self.series.points, marks: self.marks.0, ..self.outcome }
    }

    /// From creation, or from the end of its time as a spare, until the manager learned that a task runs, of all that came
    /// to run since the warm-up; with the service.
    fn times_to_running(&self) -> impl Iterator<Item = (usize, Span)> + '_ {
        let wanted = |(number, record): (u32, &Record)| match self.promotions.is_empty() {
            true => record.created,
            false => self.promotions.get(&number).copied().unwrap_or(record.created),
        };
        let tasks = (0..).zip(&self.tasks).map(move |(number, record)| (wanted((number, record)), record));
        let counted = tasks.filter(|(wanted, _)| self.window.since <= *wanted);
        counted.filter_map(|(wanted, record)| {
            let running = record.running.get().filter(|running| wanted <= *running)?;
            Some((self.slots[record.slot as usize].service as usize, running - wanted))
        })
    }

    /// Why tasks waited for a node; services are told what cost them most.
    fn pending_rows(&mut self, now: Time, services: &mut [ServiceRow]) -> Vec<PendingRow> {
        let reasons = std::mem::take(&mut self.waits).close(now, &self.errors);
        let mut rows: Vec<(u32, PendingRow)> = Vec::new();
        for ((service, text), reason) in reasons {
            let row = PendingRow {
                service: self.services[service as usize].name.as_str().into(),
                reason: text.into(),
                tasks_max: reason.most,
                seconds: reason.sum as f64 / 1e9,
                first_s: reason.first.as_secs_f64(),
                last_s: reason.last.as_secs_f64(),
                open: reason.open,
                remedy: SmolStr::default(),
            };
            rows.push((service, row));
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.seconds.total_cmp(&one.1.seconds)));
        for (service, row) in rows.iter().rev() {
            if let Some(service) = services.get_mut(*service as usize) {
                service.pending_reason = row.reason.clone();
            }
        }
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Records of tasks that the manager has, by how far they are.
    fn states(&self) -> BTreeMap<TaskState, u64> {
        let mut states = BTreeMap::new();
        for task in self.tasks.iter().filter(|task| !task.gone) {
            *states.entry(task.state).or_default() += 1;
        }
        states
    }

    fn task_rows(&self) -> Vec<TaskRow> {
        let services: Vec<SmolStr> = self.services.iter().map(|service| service.name.as_str().into()).collect();
        let nodes: Vec<SmolStr> = self.scenario.nodes.iter().map(|node| node.spec.id.as_str().into()).collect();
        let none = SmolStr::default();
        let error = |error: &Option<Arc<str>>| error.clone().map_or_else(|| none.clone(), SmolStr::from);
        let errors: Vec<SmolStr> = self.errors.iter().map(error).collect();
        let secs = |at: Once| at.get().map(Time::as_secs_f64);
        // Records stand in the order of creation: so the tasks of a slot count themselves.
        let mut numbers = vec![0u32; self.slots.len()];
        let row = |record: &Record| {
            let slot = &self.slots[record.slot as usize];
            let number = &mut numbers[record.slot as usize];
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
                node: record.node.map_or_else(|| none.clone(), |node| nodes[node.index()].clone()),
                image: self.specifications[record.reservation as usize].0.clone(),
                specification: self.specifications[record.reservation as usize].1,
                created_s: record.created.as_secs_f64(),
                assigned_s: secs(record.assigned),
                ready_s: secs(record.ready).filter(|_| record.is_ready),
                running_s: secs(record.running),
                ended_s: secs(record.ended),
                state: record.state,
                desired: record.desired,
                error: errors[record.error as usize].clone(),
            }
        };
        self.tasks.iter().map(row).collect()
    }

    fn job_rows(&self) -> Vec<JobRow> {
        let secs = |at: Once| at.get().map(Time::as_secs_f64);
        let row = |(job, row): (u64, &Arrived)| JobRow {
            job,
            class: self.scenario.arrivals[row.class as usize].name.as_str().into(),
            node: self.scenario.nodes.get(row.node as usize).map_or("", |node| node.spec.id.as_str()).into(),
            arrived_s: row.arrived.as_secs_f64(),
            started_s: secs(row.started),
            ended_s: secs(row.gone),
            outcome: row.fate.word().into(),
        };
        (1..).zip(&self.jobs.rows).map(row).collect()
    }

    fn node_row(&self, now: Time, node: usize) -> NodeRow {
        let (plan, node) = (&self.scenario.nodes[node], &self.nodes[node]);
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let since = if node.up { 0 } else { (now - node.lost).as_nanos() };
        NodeRow {
            node: plan.spec.id.clone(),
            pool: plan.pool.clone(),
            running: node.running,
            running_max: node.running_max,
            cpu_reserved: share(node.cpu_reserved, node.cpu),
            memory_reserved: share(node.memory_reserved, node.memory),
            cpu_reserved_max: share(node.cpu_reserved_max, node.cpu),
            memory_reserved_max: share(node.memory_reserved_max, node.memory),
            cpus: node.cpu as f64 / 1e9,
            memory_bytes: node.memory,
            down_s: (node.down + since) as f64 / 1e9,
            // What else is known of it at the end, the world knows.
            ..NodeRow::default()
        }
    }

    /// Mean over the services that name a quorum of the share of time in which they had it.
    pub(super) fn quorum_share(&self, now: Time) -> Option<f64> {
        let warm = self.window.since;
        let share = |(service, enough): (&Service, &Area)| {
            let span = (now - service.created.max(warm)).as_nanos();
            service.quorum.filter(|_| span > 0).map(|_| enough.total(now) as f64 / span as f64)
        };
        let shares: Vec<f64> = self.services.iter().zip(&self.window.enough).filter_map(share).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }

    /// Mean over services of the largest share of running tasks in one rack.
    pub(super) fn rack_share(&self) -> Option<f64> {
        if self.nodes.iter().all(|node| node.rack.is_none()) {
            return None;
        }
        let mut numbers: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut number = |rack: &Option<Arc<str>>| {
            let next = numbers.len();
            *numbers.entry(rack.clone().unwrap_or_default()).or_insert(next)
        };
        let rack_of: Vec<usize> = self.nodes.iter().map(|node| number(&node.rack)).collect();
        let mut racks: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); self.services.len()];
        for task in self.tasks.iter().filter(|task| task.serves) {
            let node = task.node.expect("what serves has a node");
            *racks[self.slots[task.slot as usize].service as usize].entry(rack_of[node.index()]).or_default() += 1;
        }
        let shares: Vec<f64> = racks
            .iter()
            .map(|counts| (counts.values().max().copied().unwrap_or(0), counts.values().sum::<u64>()))
            .filter(|&(_, running)| running >= 2)
            .map(|(most, running)| most as f64 / running as f64)
            .collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

fn service_row(now: Time, tally: &Tally, service: &Service, to_running: Vec<Span>) -> ServiceRow {
    let total = |area: &Area| area.total(now) as f64;
    let mut failovers = tally.failovers.clone();
    failovers.sort_unstable();
    let (wanted, missing) = (total(&tally.wanted), total(&tally.missing));
    ServiceRow {
        service: service.name.as_str().into(),
        wanted: tally.wanted.value,
        running_min: tally.running_min,
        availability: ratio(wanted - missing, wanted),
        lost_s: missing / 1e9,
        missing_max: tally.missing.max,
        time_to_running_p50_s: quantile(&to_running, 0.5),
        time_to_running_max_s: quantile(&to_running, 1.0),
        pending_max: tally.pending.max,
        pending_s: total(&tally.pending) / 1e9,
        pending_longest_s: tally.pending_longest_by(now).as_secs_f64(),
        pending_reason: SmolStr::default(),
        updates: service.updates,
        update_state: service.update.map_or_else(SmolStr::default, |state| update_word(state).into()),
        update_s: (service.updates > 0)
            .then(|| (service.update_ended.unwrap_or(now) - service.update_began).as_secs_f64()),
        replicas_lost: tally.losses,
        failover_lost_s: total(&tally.lost) / 1e9,
        failover_lost_detected_s: total(&tally.noticed) / 1e9,
        failover_p50_s: quantile(&failovers, 0.5),
        failover_p99_s: quantile(&failovers, 0.99),
        failover_max_s: quantile(&failovers, 1.0),
        restarts: tally.restarts,
        moves: tally.moves,
        node_changes: tally.node_changes,
        duplicate_s: total(&tally.duplicates) / 1e9,
        spare_s: total(&tally.spares) / 1e9,
        below_quorum_s: total(&tally.below) / 1e9,
        stood_still_s: total(&tally.still) / 1e9,
        running_final: tally.running,
        incomplete_s: tally.incomplete_for(now).as_secs_f64(),
        fell_s: total(&tally.fallen) / 1e9,
        fell_max: tally.fallen.max,
        short_s: total(&tally.short) / 1e9,
        down_s: total(&tally.down) / 1e9,
    }
}

/// Population standard deviation by mean.
fn variation(loads: &[f64]) -> Option<f64> {
    let n = loads.len() as f64;
    let mean = loads.iter().sum::<f64>() / n;
    let variance = loads.iter().map(|load| (load - mean) * (load - mean)).sum::<f64>() / n;
    (mean > 0.0).then(|| variance.sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variation_is_the_population_one() {
        let loads = [4.0, 4.0, 4.0, 3.0, 3.0];
        assert!((variation(&loads).unwrap() - 0.489897948556636 / 3.6).abs() < 1e-12);
        assert_eq!((variation(&[0.0, 0.0]), variation(&[])), (None, None));
    }
}
