//! Metrics counted a second time, from the tables of a run: `tasks.csv` and `marks.csv` as they are read from disk, with
//! the scenario. No line here is shared with the observer.

use std::collections::{BTreeMap, BTreeSet};

use sched::TaskState;
use sim::metrics::{METRICS, Mark, ServiceRow, TaskRow};
use sim::order::Order;
use sim::report::results::Results;
use sim::scenario::Scenario;

use super::laws::{Held, holds};

/// Metrics that the two tables do not hold, and why.
const NOT_FROM_TABLES: &[(&str, &[&str])] = &[
    (
        "from when to when a container served is not there: `running_s` is when the manager learned of it, `ended_s` is \
         the end of the container, and it serves no more from the signal to stop on",
        &[
            "running_final",
            "running_min",
            "time_to_converge_s",
            "failover_p50_s",
            "failover_p99_s",
            "failover_mean_s",
            "failover_max_s",
            "replicas_lost",
            "failover_lost_s",
            "failovers_open",
            "below_quorum_ratio",
            "below_quorum_s",
            "stood_still_ratio",
            "stood_still_s",
            "imbalance_mean",
            "imbalance_s",
            "availability",
            "unavailability",
            "nodes_used_mean",
            "nodes_used_max",
            "replica_seconds_lost",
            "tasks_per_node_max",
            "tasks_per_node_cv",
            "rack_share_max",
            "duplicate_seconds",
            "quorum_share",
            "event_to_running_mean_s",
            "event_to_running_max_s",
        ],
    ),
    ("what services want is not there: scaling by operators and autoscalers has only words", &["tasks_desired"]),
    (
        "when a machine fell silent and when its agent could call again are not there: engines that are restarted and \
         networks that a script breaks have no marks of their own",
        &["detection_mean_s", "return_mean_s", "failover_lost_detected_s"],
    ),
    (
        "when a task became PENDING, with its addresses allocated, is not there",
        &["pending_mean", "pending_max", "pending_longest_s"],
    ),
    (
        "when the manager learned that a task has ended, and when it deleted the record, is not there",
        &[
            "cpu_reserved",
            "memory_reserved",
            "spares_mean",
            "spare_cpu",
            "spare_memory",
            "event_to_ended_mean_s",
            "event_to_removed_mean_s",
            "state_new",
            "state_pending",
            "state_preparing",
            "state_ready",
            "state_running",
            "state_complete",
            "state_shutdown",
            "state_failed",
            "state_rejected",
            "state_orphaned",
        ],
    ),
    ("whether the manager stopped a task, and heard its node then, is not there", &["moves"]),
    (
        "when an agent asked for an image is not there, nor who had which layer",
        &[
            "prepare_mean_s",
            "pulled_bytes",
            "failover_bytes",
            "near_bytes",
            "cache_hit_ratio",
            "pull_p50_s",
            "pull_p99_s",
            "pull_mean_s",
        ],
    ),
    ("the status of updates is not there", &["update_duration_s"]),
    ("when a condition held has no mark", &["until_s"]),
    ("who is removed by a script has no mark of its own", &["nodes_final", "nodes_mean"]),
    (
        "arrivals have no rows: one that waits or is lost leaves nothing",
        &[
            "jobs_abandoned_ratio",
            "jobs_arrived",
            "jobs_lost_ratio",
            "jobs_done",
            "jobs_open",
            "jobs_present_mean",
            "jobs_waiting_mean",
            "job_waited_ratio",
            "job_wait_mean_s",
            "job_wait_p50_s",
            "job_wait_p90_s",
            "job_wait_p95_s",
            "job_wait_p99_s",
            "job_time_mean_s",
            "job_time_p50_s",
            "job_time_p90_s",
            "job_time_p95_s",
            "job_time_p99_s",
            "little_gap_s",
        ],
    ),
    (
        "requests, news, addresses and events have no rows",
        &[
            "requests",
            "request_error_ratio",
            "request_mean_s",
            "request_p99_s",
            "gossip_rounds_mean",
            "gossip_time_mean_s",
            "addresses_peak",
            "events",
        ],
    ),
];

/// Metrics that are counted here.
const RECOUNTED: &[&str] = &[
    "tasks_created",
    "restarts",
    "node_changes",
    "time_to_running_p50_s",
    "time_to_running_p99_s",
    "time_to_running_max_s",
    "time_to_running_mean_s",
    "event_to_created_mean_s",
    "event_to_ready_mean_s",
    "node_failures",
    "nodes_down_mean",
    "leaderless_share",
    "election_mean_s",
    "majority_share",
    "majority_losses",
    "majority_lost_s",
    "majority_kept_s",
];

#[test]
fn every_metric_is_counted_a_second_time_or_has_a_reason() {
    let excused = NOT_FROM_TABLES.iter().flat_map(|entry| entry.1);
    let mut named: Vec<&str> = RECOUNTED.iter().chain(excused).copied().collect();
    let mut all: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    named.sort_unstable();
    all.sort_unstable();
    assert_eq!(named, all);
}

/// From here on, in seconds, a double does not hold every nanosecond: two times may look equal that are not.
const EXACT_S: f64 = 9_007_199.0;

/// Counts again what the tables of a run say and compares. Says how many metrics had something to count.
pub fn recount(scenario: &Scenario, results: &Results, seen: &mut BTreeSet<&'static str>) -> Held {
    if EXACT_S < scenario.duration.as_secs_f64() {
        return Ok(());
    }
    for values in &results.runs.rows {
        let of = |name: &str| {
            let column = results.runs.metrics.iter().position(|known| known == name);
            values.items[column.unwrap_or_else(|| panic!("no metric {name}"))]
        };
        let is_same_run =
            |strategy: &str, replication| strategy == values.strategy && replication == values.replication;
        let tasks =
            results.tasks.iter().find(|run| is_same_run(&run.strategy, run.replication)).map(|run| &run.items[..]);
        let marks =
            results.marks.iter().find(|run| is_same_run(&run.strategy, run.replication)).map(|run| &run.items[..]);
        let (Some(tasks), Some(marks)) = (tasks, marks) else { continue };
        let end = of("until_s").unwrap_or(scenario.duration.as_secs_f64());
        let run = Run { scenario, tasks, marks, from: scenario.warm_up.as_secs_f64(), end };
        for (name, counted) in run.counted() {
            // Spares are no replicas; one that takes a slot is no restart and counts from then on. The tables do not say so.
            let knows_spares = ["restarts", "node_changes", "event_to_", "time_to_running"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            if has_spares(scenario) && knows_spares {
                continue;
            }
            let told = of(name);
            let agrees = match (told, &counted) {
                (None, Counted::Is(counted)) => counted.is_none(),
                (Some(told), Counted::Is(Some(counted))) => (told - counted).abs() <= run.end * 1e-9 + 1e-9,
                (told, Counted::AtMost(high)) => told.is_none_or(|told| told <= *high + run.end * 1e-9),
                (Some(told), Counted::Between(low, high)) => *low - 1e-9 <= told && told <= *high + run.end * 1e-9,
                _ => false,
            };
            let law = format!("{name} is what the tables say");
            holds(agrees, &law, || format!("{told:?} instead of {counted:?} in {}", values.strategy))?;
            if told.is_some_and(|told| told != 0.0) {
                seen.insert(name);
            }
        }
        run.bounds(of)?;
        if let Some(services) = results.services.iter().find(|run| is_same_run(&run.strategy, run.replication)) {
            add_up(&services.items, of, run.end)?;
            let waited: f64 = services.items.iter().map(|row| row.pending_s).sum();
            let told = of("pending_mean").unwrap_or(0.0) * (run.end - run.from);
            let is_same = (told - waited).abs() <= 1e-9 * told + run.end * 1e-9;
            holds(is_same, "what services wait for nodes adds up", || format!("{told}, {waited}"))?;
            let reasons = results.pending.iter().find(|run| is_same_run(&run.strategy, run.replication));
            for row in &services.items {
                let told = reasons.iter().flat_map(|run| &run.items).filter(|reason| reason.service == row.service);
                let told: f64 = told.map(|reason| reason.seconds).sum();
                // A service may be created again under the name of one that was removed.
                let all: f64 =
                    services.items.iter().filter(|other| other.service == row.service).map(|row| row.pending_s).sum();
                let law = "nobody waits longer for reasons than in all";
                holds(told <= all + run.end * 1e-9, law, || format!("{told} of {all} in {row:?}"))?;
            }
        }
    }
    Ok(())
}

/// What services have by themselves is what all have together.
fn add_up(services: &[ServiceRow], of: impl Fn(&str) -> Option<f64>, end: f64) -> Held {
    let sum = |value: fn(&ServiceRow) -> f64| services.iter().map(value).sum::<f64>();
    for (name, together) in [
        ("replica_seconds_lost", sum(|row| row.lost_s)),
        ("replicas_lost", sum(|row| row.replicas_lost as f64)),
        ("failover_lost_s", sum(|row| row.failover_lost_s)),
        ("failover_lost_detected_s", sum(|row| row.failover_lost_detected_s)),
        ("restarts", sum(|row| row.restarts as f64)),
        ("moves", sum(|row| row.moves as f64)),
        ("node_changes", sum(|row| row.node_changes as f64)),
        ("duplicate_seconds", sum(|row| row.duplicate_s)),
        ("below_quorum_s", sum(|row| row.below_quorum_s)),
        ("stood_still_s", sum(|row| row.stood_still_s)),
        ("tasks_desired", sum(|row| row.wanted as f64)),
    ] {
        let told = of(name).unwrap_or(0.0);
        let law = format!("{name} of all services is that of each, added up");
        holds((told - together).abs() <= 1e-9 * told.abs() + end * 1e-9, &law, || format!("{told}, {together}"))?;
    }
    for row in services {
        let detected = row.failover_lost_detected_s <= row.failover_lost_s + end * 1e-9;
        holds(detected, "what is lost from detection on is lost from the failure on", || format!("{row:?}"))?;
        holds(row.stood_still_s == 0.0 || row.running_min == 0, "who stood still ran nothing", || format!("{row:?}"))?;
    }
    Ok(())
}

/// Whether any task may be a spare.
fn has_spares(scenario: &Scenario) -> bool {
    let kinds = scenario.arrivals.iter().flat_map(|arrival| &arrival.kinds);
    let services = scenario.services.iter().chain(kinds).map(|service| &service.failover);
    let strategies = scenario.plans.iter().map(|strategy| &strategy.failover);
    services.chain(strategies).flatten().any(|part| part.name == "standby")
}

/// What came of a second count.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Is(Option<f64>),
    /// What happened at the very end of the warm-up may have come before or after it, and of machines that were no
    /// members the tables say nothing.
    Between(f64, f64),
    /// No value, or one up to this.
    AtMost(f64),
}

struct Run<'a> {
    scenario: &'a Scenario,
    tasks: &'a [TaskRow],
    marks: &'a [Mark],
    /// The end of the warm-up and of the run.
    from: f64,
    end: f64,
}

impl Run<'_> {
    fn counted(&self) -> Vec<(&'static str, Counted)> {
        let mut counted = Vec::new();
        counted.extend(self.of_tasks());
        counted.extend(self.of_machines());
        counted.extend(self.of_managers());
        assert_eq!(counted.len(), RECOUNTED.len());
        counted
    }

    /// So many of these times are in the window.
    fn number(&self, times: impl Iterator<Item = f64> + Clone) -> Counted {
        let after = times.clone().filter(|time| self.from < *time).count();
        let from = times.filter(|time| self.from <= *time).count();
        // Without a warm-up nothing comes before the window.
        Counted::Between(if self.from == 0.0 { from } else { after } as f64, from as f64)
    }

    /// At most so many of these times are in the window.
    fn at_most(&self, times: impl Iterator<Item = f64>) -> Counted {
        Counted::Between(0.0, times.filter(|time| self.from <= *time).count() as f64)
    }

    fn of_tasks(&self) -> Vec<(&'static str, Counted)> {
        let created = self.tasks.iter().map(|task| task.created_s);
        let again = self.tasks.iter().filter(|task| number_in_slot(task) != 1).map(|task| task.created_s);
        let window = self.tasks.iter().filter(|task| self.from <= task.created_s);
        let mut to_running: Vec<f64> = window.filter_map(|task| Some(task.running_s? - task.created_s)).collect();
        to_running.sort_by(f64::total_cmp);
        // The smallest of which a share of that many hundredths is not above it.
        let percentile = |hundredths: usize| {
            let n = to_running.len();
            (1..=n).find(|rank| hundredths * n <= 100 * rank).map(|rank| to_running[rank - 1])
        };
        // Events that wait for a condition do not count.
        let timed = self
            .scenario
            .script
            .iter()
            .filter(|scripted| scripted.wait.is_none())
            .map(|scripted| scripted.at.as_secs_f64());
        let marked = self.marks.iter().rev().find(|mark| mark.kind == "script").map(|mark| mark.time_s);
        let all_are_timed = self.scenario.script.iter().all(|scripted| scripted.wait.is_none());
        let event = if all_are_timed { marked } else { timed.reduce(f64::max) };
        let since = |time: fn(&TaskRow) -> Option<f64>| {
            let event = event?;
            let later = self.tasks.iter().filter(|task| event <= task.created_s);
            mean(&later.filter_map(|task| Some(time(task)? - event)).collect::<Vec<_>>())
        };
        vec![
            ("tasks_created", self.number(created)),
            // Which of them an update made is not in the table.
            ("restarts", self.at_most(again)),
            ("node_changes", self.node_changes()),
            ("time_to_running_p50_s", Counted::Is(percentile(50))),
            ("time_to_running_p99_s", Counted::Is(percentile(99))),
            ("time_to_running_max_s", Counted::Is(percentile(100))),
            ("time_to_running_mean_s", Counted::Is(mean(&to_running))),
            ("event_to_created_mean_s", Counted::Is(since(|task| Some(task.created_s)))),
            ("event_to_ready_mean_s", Counted::Is(since(|task| task.ready_s))),
        ]
    }

    /// How often slots got another node than before. Of two tasks of a slot that were assigned in one instant the tables do
    /// not say which was first.
    fn node_changes(&self) -> Counted {
        // A service may be created again under the name of one that was removed: its slots are others.
        let mut lives: BTreeMap<&str, u32> = BTreeMap::new();
        let mut placed: Vec<((&str, u32), f64, &str)> = Vec::new();
        for task in self.tasks {
            let (slot, _) = task.name.rsplit_once('#').expect("a name has a number");
            let life = lives.entry(slot).or_default();
            *life += u32::from(number_in_slot(task) == 1);
            placed.extend(task.assigned_s.map(|at| ((slot, *life), at, task.node.as_str())));
        }
        placed.sort_by(|one, two| one.0.cmp(&two.0).then(one.1.total_cmp(&two.1)));
        let pairs = || placed.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let changes = pairs().filter(|pair| pair[0].2 != pair[1].2).map(|pair| pair[1].1);
        let Counted::Between(low, high) = self.number(changes) else { unreachable!("it is a number") };
        let ties = 2.0 * pairs().filter(|pair| pair[0].1 == pair[1].1).count() as f64;
        Counted::Between(low - ties, high + ties)
    }

    fn of_machines(&self) -> Vec<(&'static str, Counted)> {
        let of_kind = |kind: &'static str| self.marks.iter().filter(move |mark| mark.kind == kind);
        let lost = of_kind("down").flat_map(|mark| std::iter::repeat_n(mark.time_s, machines(mark)));
        // Whoever is no member fails unnoticed.
        let leaves = |order: &Order| matches!(order, Order::RemoveNode(..) | Order::Leave(_));
        let are_all_members = self.scenario.joins.is_empty()
            && self.scenario.scalers.is_empty()
            && !self.scenario.script.iter().any(|scripted| leaves(&scripted.order));
        let mut without = 0.0;
        for (kind, sign) in [("down", 1.0), ("up", -1.0)] {
            without += of_kind(kind).map(|mark| sign * machines(mark) as f64 * self.left(mark.time_s)).sum::<f64>();
        }
        let without = without / (self.end - self.from);
        let failures = self.number(lost);
        if are_all_members {
            vec![("node_failures", failures), ("nodes_down_mean", Counted::Is(Some(without)))]
        } else {
            let Counted::Between(_, most) = failures else { unreachable!("it is a number") };
            vec![("node_failures", Counted::Between(0.0, most)), ("nodes_down_mean", Counted::Between(0.0, without))]
        }
    }

    /// What is left of the window from a time on.
    fn left(&self, time: f64) -> f64 {
        self.end - time.max(self.from)
    }

    fn of_managers(&self) -> Vec<(&'static str, Counted)> {
        let (mut leads, mut majority, mut vacant) = (true, true, None);
        let (mut leaderless, mut minority) = (0.0, 0.0);
        let (mut elections, mut losses) = (Vec::new(), Vec::new());
        let mut is_tied = false;
        for mark in self.marks.iter().filter(|mark| mark.kind == "managers") {
            let (now, left) = (mark.time_s, self.left(mark.time_s));
            is_tied |= now == self.from;
            match mark.label.as_str() {
                "majority lost" => {
                    majority = false;
                    minority += left;
                    losses.push(now);
                }
                "majority regained" => {
                    majority = true;
                    minority -= left;
                }
                "no leader" | "the leader has no majority" => {
                    leaderless += if leads { left } else { 0.0 };
                    leads = false;
                }
                // It goes on without an election.
                "the leader has a majority again" => {
                    leaderless -= if leads { 0.0 } else { left };
                    (leads, vacant) = (true, None);
                }
                elected if elected.ends_with(" leads") => {
                    leaderless -= if leads { 0.0 } else { left };
                    leads = true;
                    if let Some(since) = vacant.take().filter(|_| self.from <= now) {
                        elections.push(now - since);
                    }
                }
                other => panic!("a mark of the managers: {other}"),
            }
            // A majority that nobody leads waits for an election from the moment on in which both are so.
            match majority && !leads {
                true => vacant = vacant.or(Some(now)),
                false => vacant = None,
            }
        }
        let window = self.end - self.from;
        let election = mean(&elections);
        vec![
            ("leaderless_share", Counted::Is(Some(leaderless / window))),
            // Whether an election at the very end of the warm-up counts is open.
            ("election_mean_s", if is_tied { Counted::AtMost(self.end) } else { Counted::Is(election) }),
            ("majority_share", Counted::Is(Some(1.0 - minority / window))),
            ("majority_losses", self.number(losses.iter().copied())),
            ("majority_lost_s", Counted::Is(Some(minority))),
            ("majority_kept_s", Counted::Is(losses.first().copied())),
        ]
    }

    /// What the tables do not hold, but bound.
    fn bounds(&self, of: impl Fn(&str) -> Option<f64>) -> Held {
        let at_most = |name: &str, most: f64| {
            let told = of(name);
            let law = format!("{name} is at most what the tables allow");
            holds(told.is_none_or(|told| told <= most * (1.0 + 1e-9) + self.end * 1e-9), &law, || {
                format!("{told:?}, {most}")
            })
        };
        for (name, state) in [
            ("state_new", TaskState::New),
            ("state_pending", TaskState::Pending),
            ("state_preparing", TaskState::Preparing),
            ("state_ready", TaskState::Ready),
            ("state_running", TaskState::Running),
            ("state_complete", TaskState::Complete),
            ("state_shutdown", TaskState::Shutdown),
            ("state_failed", TaskState::Failed),
            ("state_rejected", TaskState::Rejected),
            ("state_orphaned", TaskState::Orphaned),
        ] {
            at_most(name, self.tasks.iter().filter(|task| task.state == state).count() as f64)?;
        }
        // Whoever is pending was created, and is neither assigned nor at its end.
        let waits = |task: &TaskRow| (task.created_s, task.assigned_s.or(task.ended_s).unwrap_or(self.end));
        let waited: f64 =
            self.tasks.iter().map(waits).map(|(from, to)| (self.left(from) - self.left(to)).max(0.0)).sum();
        at_most("pending_mean", waited / (self.end - self.from))?;
        let mut turns: Vec<(f64, i32)> = Vec::new();
        for (from, to) in self.tasks.iter().map(waits).filter(|task| self.from <= task.1) {
            turns.extend([(from, -1), (to, 1)]);
        }
        // At one instant those that come come first.
        turns.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut waiting, mut most) = (0, 0);
        for (_, turn) in turns {
            waiting -= turn;
            most = most.max(waiting);
        }
        at_most("pending_max", f64::from(most))?;
        let mut slots: BTreeMap<&str, Vec<&TaskRow>> = BTreeMap::new();
        for task in self.tasks {
            slots.entry(task.name.split('#').next().unwrap_or_default()).or_default().push(task);
        }
        // A spare takes a slot after its assignment, and the tables do not say which.
        let is_spare = |task: &TaskRow| task.name.contains(".spare");
        let moved = |task: &&TaskRow| {
            let before = |other: &&&TaskRow| other.assigned_s <= task.assigned_s && other.assigned_s.is_some();
            let slot = &slots[task.name.split('#').next().unwrap_or_default()];
            // Whose successor starts first is stopped later, and moved then.
            let counts = |other: &&&TaskRow| {
                Some(self.from) <= task.assigned_s || other.ended_s.is_none_or(|at| self.from <= at)
            };
            let moves = slot.iter().filter(before).filter(counts).any(|other| other.node != task.node);
            moves || is_spare(task)
        };
        at_most("moves", self.tasks.iter().filter(moved).count() as f64)?;
        let noticed = self.marks.iter().any(|mark| mark.kind == "detected" && self.from <= mark.time_s);
        let detection = of("detection_mean_s");
        holds(noticed || detection.is_none(), "only what has a mark was detected", || format!("{detection:?}"))
    }
}

/// Which task of its slot it is, from 1.
fn number_in_slot(task: &TaskRow) -> u64 {
    let number = task.name.rsplit_once('#').and_then(|parts| parts.1.parse().ok());
    number.unwrap_or_else(|| panic!("a number after #: {}", task.name))
}

/// Machines that a mark is about: `node down`, `rack=r1 down (5 nodes)`, `3 nodes down`.
fn machines(mark: &Mark) -> usize {
    let label = mark.label.as_str();
    let of_unit =
        label.rsplit_once('(').and_then(|parts| parts.1.strip_suffix(" nodes)").or(parts.1.strip_suffix(" node)")));
    let plain = label.strip_suffix(&format!(" nodes {}", mark.kind));
    of_unit.or(plain).map_or(Ok(1), str::parse).unwrap_or_else(|_| panic!("a number of machines: {label}"))
}

fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| samples.iter().sum::<f64>() / samples.len() as f64)
}

/// Metrics that a second count can see something of.
pub fn recounted() -> BTreeSet<&'static str> {
    RECOUNTED.iter().copied().collect()
}
