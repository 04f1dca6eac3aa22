//! What a result folder says, as data: outcomes of all runs and what statistics makes of them.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::compare::PairRow;
use super::manifest::Manifest;
use crate::metrics::{
    Band, CLASS_METRICS, ClassRow, JobRow, Mark, Metric, NodeRow, OrderRow, Outcome, PendingRow, Point,
    SERVICE_METRICS, ServiceRow, TaskRow, UpdateRow, class_metric, service_metric,
};
use crate::stats::{self, Paired, Summary};

/// Above this many rows the tables of tasks, nodes, services, jobs, marks, updates, pending tasks and orders, each for
/// itself, hold replication 1 of each strategy only.
pub const ROW_LIMIT: usize = 200_000;

/// All tables of a result folder.
#[derive(Clone, PartialEq, Debug)]
pub struct Results {
    /// Provenance.
    pub manifest: Manifest,
    /// The numbers of every run.
    pub runs: Runs,
    /// Each metric over the replications, by metric, then strategy.
    pub summary: Vec<SummaryRow>,
    /// Each strategy against the baseline, by metric, then strategy.
    pub paired: Vec<PairedRow>,
    /// All strategies with all in the headline metrics, by metric, then first, then second strategy.
    pub pairs: Vec<PairRow>,
    /// The series, by strategy, then time.
    pub series: Vec<SeriesRow>,
    /// Tasks of each run.
    pub tasks: Vec<OfRun<TaskRow>>,
    /// Nodes of each run.
    pub nodes: Vec<OfRun<NodeRow>>,
    /// Services of each run.
    pub services: Vec<OfRun<ServiceRow>>,
    /// Classes of arrivals of each run.
    pub classes: Vec<OfRun<ClassRow>>,
    /// Arrivals of each run.
    pub jobs: Vec<OfRun<JobRow>>,
    /// Marks of each run.
    pub marks: Vec<OfRun<Mark>>,
    /// Steps of updates of each run.
    pub updates: Vec<OfRun<UpdateRow>>,
    /// Why tasks waited for a node, in each run.
    pub pending: Vec<OfRun<PendingRow>>,
    /// Orders of each run.
    pub orders: Vec<OfRun<OrderRow>>,
}

/// The nodes of one value of the label `rack`, at the end of a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RackRow {
    /// The value.
    pub rack: String,
    /// Nodes.
    pub nodes: u64,
    /// CPUs that they have.
    pub cpus: f64,
    /// Bytes of memory that they have.
    pub memory_bytes: u64,
    /// Running tasks.
    pub running: u64,
    /// Share of their CPUs that tasks reserve.
    pub cpu_reserved: f64,
    /// Share of their memory that tasks reserve.
    pub memory_reserved: f64,
    /// Seconds without power, added up over the nodes.
    pub down_s: f64,
}

/// A strategy under which nothing ever ran although something was wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idle {
    /// The strategy.
    pub strategy: String,
    /// Why, in Swarm's words, as far as anybody was told.
    pub why: String,
}

/// What belongs to one run.
#[derive(Clone, PartialEq, Debug)]
pub struct OfRun<T> {
    /// The run's strategy.
    pub strategy: SmolStr,
    /// The run's replication.
    pub replication: u32,
    /// Its rows, or values.
    pub items: Vec<T>,
}

/// One number per metric and run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Runs {
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// A value per metric.
    pub rows: Vec<OfRun<Option<f64>>>,
}

/// One metric of one strategy over the replications.
#[derive(Clone, PartialEq, Debug)]
pub struct SummaryRow {
    /// The strategy.
    pub strategy: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Its statistics.
    pub summary: Summary,
}

/// One metric of one strategy against the baseline.
#[derive(Clone, PartialEq, Debug)]
pub struct PairedRow {
    /// The metric.
    pub metric: String,
    /// The strategy compared with.
    pub baseline: String,
    /// The strategy compared.
    pub strategy: String,
    /// Replication by replication.
    pub paired: Paired,
    /// The p value after Holm's correction over all rows.
    pub p_holm: Option<f64>,
}

/// The replications of one strategy in one interval. A [`Band`] has the mean over replications of what a count was in the
/// mean over the time of the interval, the least that it was in any of them, and the most.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SeriesRow {
    /// The strategy.
    pub strategy: String,
    /// The begin of the interval, in seconds from the start.
    pub time_s: f64,
    /// Its end.
    pub until_s: f64,
    /// Running tasks.
    pub running: Band,
    /// Interval for the mean of running tasks (Student's t), cut off below 0 and above what was wanted or ran; none with
    /// one replication.
    pub running_ci: Option<(f64, f64)>,
    /// Running tasks in replication 1, in the mean over the time of the interval.
    pub running_first: Option<f64>,
    /// Desired tasks.
    pub desired: Band,
    /// Tasks believed to run.
    pub believed: Band,
    /// Tasks waiting for a node.
    pub pending: Band,
    /// Nodes without power.
    pub nodes_down: Band,
    /// Mean over replications of the bytes that the registry sent in the interval.
    pub registry_bytes: f64,
}

impl SeriesRow {
    /// How long the interval is, in seconds.
    pub fn span_s(&self) -> f64 {
        self.until_s - self.time_s
    }
}

impl Results {
    /// Makes the tables. `metrics` describes the values of the outcomes, in their order. What is expected of a class of
    /// arrivals is a metric of the runs too, after them.
    pub fn of(mut manifest: Manifest, metrics: &[Metric], outcomes: Vec<Outcome>) -> Results {
        let mut runs = Runs::of(metrics, &outcomes);
        runs.add_parts(manifest.expect.iter().map(|expected| expected.metric.as_str()), &outcomes);
        let series = series(&manifest.strategies, &outcomes);
        let (mut tasks, mut nodes, mut services, mut marks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut classes, mut jobs) = (Vec::new(), Vec::new());
        let (mut updates, mut pending, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        let mut left_out = [0; TABLES];
        for outcome in outcomes {
            (0..TABLES).for_each(|table| left_out[table] += outcome.left_out[table]);
            let (strategy, replication) = (SmolStr::from(outcome.strategy), outcome.replication);
            // Moved as they are: there may be ten million.
            tasks.push(OfRun { strategy: strategy.clone(), replication, items: outcome.tasks });
            nodes.push(OfRun { strategy: strategy.clone(), replication, items: outcome.nodes });
            services.push(OfRun { strategy: strategy.clone(), replication, items: outcome.services });
            classes.push(OfRun { strategy: strategy.clone(), replication, items: outcome.classes });
            jobs.push(OfRun { strategy: strategy.clone(), replication, items: outcome.jobs });
            updates.push(OfRun { strategy: strategy.clone(), replication, items: outcome.updates });
            pending.push(OfRun { strategy: strategy.clone(), replication, items: outcome.pending });
            orders.push(OfRun { strategy: strategy.clone(), replication, items: outcome.orders });
            marks.push(OfRun { strategy, replication, items: outcome.marks });
        }
        let cut = [
            ("tasks.csv", within_limit(&mut tasks, left_out[0], |_| false)),
            ("nodes.csv", within_limit(&mut nodes, left_out[1], |_| false)),
            ("marks.csv", within_limit(&mut marks, left_out[2], is_error)),
            ("services.csv", within_limit(&mut services, left_out[3], |_| false)),
            ("jobs.csv", within_limit(&mut jobs, left_out[4], |_| false)),
            ("updates.csv", within_limit(&mut updates, left_out[5], |_| false)),
            ("pending.csv", within_limit(&mut pending, left_out[6], |_| false)),
            ("orders.csv", within_limit(&mut orders, left_out[7], is_refused)),
        ];
        classes.retain(|run| !run.items.is_empty());
        manifest.first_replication_only =
            cut.iter().filter(|(_, whole)| !whole).map(|(name, _)| name.to_string()).collect();
        let mut results = Results {
            summary: summary(&runs, &manifest, metrics),
            paired: paired(&runs, &manifest.strategies),
            pairs: Vec::new(),
            manifest,
            runs,
            series,
            tasks,
            nodes,
            services,
            classes,
            jobs,
            marks,
            updates,
            pending,
            orders,
        };
        results.compare(metrics);
        results
    }

    /// The row of the summary for a metric and a strategy.
    pub fn summary_of(&self, metric: &str, strategy: &str) -> Option<&SummaryRow> {
        self.summary.iter().find(|row| row.metric == metric && row.strategy == strategy)
    }

    /// The racks of each run, if nodes have any, by name.
    pub fn racks(&self) -> Vec<OfRun<RackRow>> {
        let of_run = |run: &OfRun<NodeRow>| {
            let mut racks: BTreeMap<&str, RackRow> = BTreeMap::new();
            for node in run.items.iter().filter(|node| !node.rack.is_empty()) {
                let rack = racks.entry(&node.rack).or_default();
                rack.nodes += 1;
                rack.cpus += node.cpus;
                rack.memory_bytes = rack.memory_bytes.saturating_add(node.memory_bytes);
                rack.running += node.running;
                // Amounts first; shares of the whole when all nodes are there.
                rack.cpu_reserved += node.cpu_reserved * node.cpus;
                rack.memory_reserved += node.memory_reserved * node.memory_bytes as f64;
                rack.down_s += node.down_s;
            }
            let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
            let items = racks.into_iter().map(|(name, rack)| RackRow {
                rack: name.to_string(),
                cpu_reserved: share(rack.cpu_reserved, rack.cpus),
                memory_reserved: share(rack.memory_reserved, rack.memory_bytes as f64),
                ..rack
            });
            OfRun { strategy: run.strategy.clone(), replication: run.replication, items: items.collect() }
        };
        self.nodes.iter().map(of_run).filter(|run| !run.items.is_empty()).collect()
    }

    /// Strategies under which nothing ever ran although something was wanted.
    pub fn idle(&self) -> Vec<Idle> {
        let is_idle = |strategy: &&String| {
            let rows = || self.series.iter().filter(|row| row.strategy == **strategy);
            let asked = || self.orders.iter().filter(|run| run.strategy == **strategy).flat_map(|run| &run.items);
            let is_wanted = rows().any(|row| row.desired.most > 0) || asked().any(is_refused_service);
            is_wanted && rows().all(|row| row.running.most == 0)
        };
        let idle = self.manifest.strategies.iter().filter(is_idle);
        idle.map(|strategy| Idle { strategy: strategy.clone(), why: self.why_idle(strategy) }).collect()
    }

    /// What tasks waited for longest; if none waited, what most of them ended with; if there are none, the first refusal.
    fn why_idle(&self, strategy: &str) -> String {
        let mut waited: BTreeMap<&str, f64> = BTreeMap::new();
        for row in self.pending.iter().filter(|run| run.strategy == strategy).flat_map(|run| &run.items) {
            *waited.entry(&row.reason).or_default() += row.seconds;
        }
        if let Some((reason, _)) = waited.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)) {
            return reason.to_string();
        }
        let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
        let tasks = self.tasks.iter().filter(|run| run.strategy == strategy).flat_map(|run| &run.items);
        for task in tasks.filter(|task| !task.error.is_empty()) {
            *ended.entry(&task.error).or_default() += 1;
        }
        if let Some((error, _)) = ended.into_iter().max_by_key(|error| error.1) {
            return error.to_string();
        }
        let mut orders = self.orders.iter().filter(|run| run.strategy == strategy).flat_map(|run| &run.items);
        match orders.find(|order| order.is_refused) {
            Some(order) => format!("{}: {}", order.order, order.answer),
            None => "no task came so far that a reason was told".into(),
        }
    }

    /// The comparison of a strategy with the baseline.
    pub fn paired_of(&self, metric: &str, strategy: &str) -> Option<&PairedRow> {
        self.paired.iter().find(|row| row.metric == metric && row.strategy == strategy)
    }
}

impl PairedRow {
    /// Whether a difference is shown: the interval excludes none, and so does the test after Holm's correction.
    pub fn shows_difference(&self) -> bool {
        let (low, high) = self.paired.ci;
        (0.0 < low || high < 0.0) && self.p_holm.is_some_and(|p| p < 1.0 - stats::CONFIDENCE)
    }
}

impl Runs {
    /// The numbers of some outcomes. A value that is not finite is none.
    pub fn of(metrics: &[Metric], outcomes: &[Outcome]) -> Runs {
        let row = |outcome: &Outcome| OfRun {
            strategy: outcome.strategy.as_str().into(),
            replication: outcome.replication,
            items: (0..metrics.len())
                .map(|at| outcome.values.get(at).copied().flatten().filter(|value| value.is_finite()))
                .collect(),
        };
        Runs {
            metrics: metrics.iter().map(|metric| metric.name.to_string()).collect(),
            rows: outcomes.iter().map(row).collect(),
        }
    }

    /// Adds those of some names that mean a metric of a class or of a service, each once.
    fn add_parts<'a>(&mut self, names: impl Iterator<Item = &'a str>, outcomes: &[Outcome]) {
        for name in names {
            if self.metrics.iter().any(|known| known == name) {
                continue;
            }
            let value: Box<PartOf<'_>> = if let Some((class, metric)) = class_metric(name) {
                let Some(column) = CLASS_METRICS.iter().position(|known| *known == metric) else { continue };
                Box::new(move |outcome| outcome.classes.iter().find(|row| row.class == class)?.values[column])
            } else if let Some((service, metric)) = service_metric(name) {
                let Some(known) = SERVICE_METRICS.iter().find(|known| known.0 == metric) else { continue };
                Box::new(move |outcome| known.2(outcome.services.iter().find(|row| row.service == service)?))
            } else {
                continue;
            };
            self.metrics.push(name.to_string());
            for (row, outcome) in self.rows.iter_mut().zip(outcomes) {
                row.items.push(value(outcome).filter(|value| value.is_finite()));
            }
        }
    }

    /// The values of one metric of one strategy by replication; nothing if the metric is unknown.
    pub fn values<'a>(&'a self, metric: &str, strategy: &'a str) -> impl Iterator<Item = (u32, Option<f64>)> + 'a {
        let at = self.metrics.iter().position(|name| name == metric);
        let rows = self.rows.iter().filter(move |run| at.is_some() && run.strategy == strategy);
        rows.map(move |run| (run.replication, at.and_then(|at| run.items[at])))
    }
}

/// Takes out of outcomes, as they come, the rows that no table will keep, so that memory does not grow with the number of
/// runs. What the tables hold does not depend on the order in which the runs end.
#[derive(Debug, Default)]
pub struct Sieve {
    /// Rows of tasks, nodes, marks, services, jobs, updates, pending tasks and orders so far.
    rows: [usize; TABLES],
}

impl Sieve {
    /// Cuts the rows of another outcome.
    pub fn cut(&mut self, outcome: &mut Outcome) {
        let counts = rows(outcome);
        (0..TABLES).for_each(|table| self.rows[table] += counts[table]);
        let goes = |table: usize| outcome.replication != 1 && self.rows[table] > ROW_LIMIT;
        if goes(0) {
            outcome.tasks = Vec::new();
        }
        if goes(1) {
            outcome.nodes = Vec::new();
        }
        if goes(2) {
            outcome.marks = std::mem::take(&mut outcome.marks).into_iter().filter(is_error).collect();
        }
        if goes(3) {
            outcome.services = Vec::new();
        }
        if goes(4) {
            outcome.jobs = Vec::new();
        }
        if goes(5) {
            outcome.updates = Vec::new();
        }
        if goes(6) {
            outcome.pending = Vec::new();
        }
        if goes(7) {
            outcome.orders = std::mem::take(&mut outcome.orders).into_iter().filter(is_refused).collect();
        }
        let stay = rows(outcome);
        outcome.left_out = std::array::from_fn(|table| counts[table] - stay[table]);
    }
}

/// Tables that may be cut.
const TABLES: usize = 8;

/// Rows of each.
fn rows(outcome: &Outcome) -> [usize; TABLES] {
    let Outcome { tasks, nodes, marks, services, jobs, updates, pending, orders, .. } = outcome;
    let [tasks, nodes, marks, services] = [tasks.len(), nodes.len(), marks.len(), services.len()];
    [tasks, nodes, marks, services, jobs.len(), updates.len(), pending.len(), orders.len()]
}

fn is_error(mark: &Mark) -> bool {
    mark.kind == "error"
}

fn is_refused(order: &OrderRow) -> bool {
    order.is_refused
}

/// Whether a service was to be there and was refused.
fn is_refused_service(order: &OrderRow) -> bool {
    order.is_refused && (order.order.starts_with("service create") || order.order.starts_with("stack deploy"))
}

/// Cuts rows to replication 1, and those that must `stay`, if there are too many; says whether all stayed. Runs without
/// rows go.
fn within_limit<T>(runs: &mut Vec<OfRun<T>>, left_out: usize, stay: impl Fn(&T) -> bool) -> bool {
    let rows: usize = left_out + runs.iter().map(|run| run.items.len()).sum::<usize>();
    if rows > ROW_LIMIT {
        for run in runs.iter_mut().filter(|run| run.replication != 1) {
            run.items.retain(&stay);
        }
    }
    runs.retain(|run| !run.items.is_empty());
    rows == runs.iter().map(|run| run.items.len()).sum::<usize>()
}

/// A number of an outcome, about a part of it.
type PartOf<'a> = dyn Fn(&Outcome) -> Option<f64> + 'a;

/// The unit of a metric of a service; nothing if the name means none.
fn unit_of_service(name: &str) -> &'static str {
    let metric = service_metric(name).and_then(|(_, name)| SERVICE_METRICS.iter().find(|known| known.0 == name));
    metric.map_or("", |metric| metric.1)
}

fn summary(runs: &Runs, manifest: &Manifest, metrics: &[Metric]) -> Vec<SummaryRow> {
    // The text of a seed is always a number; a bootstrap without it is as good.
    let (strategies, seed) = (&manifest.strategies, manifest.seed.parse().unwrap_or(0));
    let known = |name: &str| {
        let name = class_metric(name).map_or(name, |(_, metric)| metric);
        metrics.iter().find(|metric| metric.name == name)
    };
    let rows = runs.metrics.iter().flat_map(|metric| strategies.iter().map(move |strategy| (metric, strategy)));
    rows.map(|(metric, strategy)| SummaryRow {
        strategy: strategy.clone(),
        metric: metric.clone(),
        unit: known(metric).map_or_else(|| unit_of_service(metric), |metric| metric.unit).into(),
        summary: Summary::within(
            runs.values(metric, strategy).filter_map(|(_, value)| value),
            known(metric).map_or((f64::NEG_INFINITY, f64::INFINITY), Metric::range),
            seed,
        ),
    })
    .collect()
}

fn paired(runs: &Runs, strategies: &[String]) -> Vec<PairedRow> {
    let Some((baseline, others)) = strategies.split_first() else { return Vec::new() };
    let mut rows = Vec::new();
    for metric in &runs.metrics {
        let base: BTreeMap<u32, Option<f64>> = runs.values(metric, baseline).collect();
        for strategy in others {
            let pairs = runs
                .values(metric, strategy)
                .filter_map(|(replication, value)| Some((base.get(&replication).copied().flatten()?, value?)));
            if let Some(paired) = Paired::of(pairs) {
                let (metric, baseline, strategy) = (metric.clone(), baseline.clone(), strategy.clone());
                rows.push(PairedRow { metric, baseline, strategy, paired, p_holm: None });
            }
        }
    }
    let p: Vec<f64> = rows.iter().filter_map(|row| row.paired.p).collect();
    for (row, p) in rows.iter_mut().filter(|row| row.paired.p.is_some()).zip(stats::holm(&p)) {
        row.p_holm = Some(p);
    }
    rows
}

fn series(strategies: &[String], outcomes: &[Outcome]) -> Vec<SeriesRow> {
    let mut rows = Vec::new();
    for strategy in strategies {
        // Times are not negative, so their bits are ordered as they are.
        let mut times: BTreeMap<u64, Vec<(u32, &Point)>> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.strategy == *strategy) {
            for point in &outcome.series {
                times.entry(point.time_s.to_bits()).or_default().push((outcome.replication, point));
            }
        }
        for points in times.into_values() {
            let all = |of: fn(&Point) -> f64| points.iter().map(|(_, point)| of(point)).collect::<Vec<f64>>();
            let mean = |of| stats::mean(&all(of)).unwrap_or(0.0);
            let band = |of: fn(&Point) -> Band| {
                let bands = || points.iter().map(|(_, point)| of(point));
                let means: Vec<f64> = bands().map(|band| band.mean).collect();
                Band {
                    least: bands().map(|band| band.least).min().unwrap_or(0),
                    mean: stats::mean(&means).unwrap_or(0.0),
                    most: bands().map(|band| band.most).max().unwrap_or(0),
                }
            };
            let (running, desired) = (band(|point| point.running), band(|point| point.desired));
            let means = all(|point| point.running.mean);
            let interval = stats::mean(&means).zip(stats::half_width(&means));
            let highest = running.most.max(desired.most) as f64;
            let inside = |end: f64| end.clamp(0.0, highest);
            let first = points.iter().find(|(replication, _)| *replication == 1);
            rows.push(SeriesRow {
                strategy: strategy.clone(),
                time_s: points[0].1.time_s,
                until_s: points.iter().map(|(_, point)| point.until_s).fold(0.0, f64::max),
                running,
                running_ci: interval.map(|(mean, half)| (inside(mean - half), inside(mean + half))),
                running_first: first.map(|(_, point)| point.running.mean),
                desired,
                believed: band(|point| point.believed),
                pending: band(|point| point.pending),
                nodes_down: band(|point| point.nodes_down),
                registry_bytes: mean(|point| point.registry_bytes as f64),
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_no_table_keeps_go_as_their_runs_end() {
        let nodes = |count: usize| vec![NodeRow::default(); count];
        let error = Mark { kind: "error".into(), ..Mark::default() };
        let mut sieve = Sieve::default();
        let mut kept = Vec::new();
        for replication in [2, 3, 1, 4] {
            let marks = [vec![Mark::default(); ROW_LIMIT], vec![error.clone()]].concat();
            let mut outcome = Outcome { replication, nodes: nodes(ROW_LIMIT / 2), marks, ..Outcome::default() };
            sieve.cut(&mut outcome);
            kept.push((outcome.nodes.len(), outcome.marks.len(), outcome.left_out));
        }
        let half = ROW_LIMIT / 2;
        assert_eq!(kept[0], (half, 1, [0, 0, ROW_LIMIT, 0, 0, 0, 0, 0]));
        assert_eq!(kept[1], (half, 1, [0, 0, ROW_LIMIT, 0, 0, 0, 0, 0]));
        assert_eq!(kept[2], (half, ROW_LIMIT + 1, [0; 8]), "the tables keep the first replication");
        assert_eq!(kept[3], (0, 1, [0, half, ROW_LIMIT, 0, 0, 0, 0, 0]));
    }
}
