//! Outcomes without a simulator: a cluster starts up, a rack fails, the rack returns.

use std::fs;
use std::path::{Path, PathBuf};

use sched::{DesiredState, TaskState};
use sim::metrics::{
    Band, CLASS_METRICS, ClassRow, JobRow, Mark, Metric, NodeRow, OrderRow, Outcome, PendingRow, Point, ServiceRow,
    TaskRow, UpdateRow,
};
use sim::report::manifest::{Expected, Manifest};
use sim::stats::Statistic;

const fn metric(name: &'static str, unit: &'static str, definition: &'static str, smaller: Option<bool>) -> Metric {
    Metric { name, unit, definition, smaller_is_better: smaller }
}

/// Metrics of the synthetic outcomes.
pub const METRICS: &[Metric] = &[
    metric("tasks_desired", "tasks", "Tasks that services want at the end.", None),
    metric("running_final", "tasks", "Tasks running at the end.", Some(false)),
    metric("running_min", "tasks", "Fewest running tasks after the start.", Some(false)),
    metric("time_to_running_p50_s", "s", "Median time from creation to running.", Some(true)),
    metric("time_to_running_p99_s", "s", "99th percentile of the time from creation to running.", Some(true)),
    metric("detection_mean_s", "s", "Mean time from power loss to the node being marked down.", Some(true)),
    metric("pulled_bytes", "B", "Bytes that the registry sent.", Some(true)),
    metric("never_s", "s", "Has no value here.", Some(true)),
    metric("replica_seconds_lost", "s", "Integral of the running tasks that are missing.", Some(true)),
];

/// Equal on every machine and run.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How large the synthetic experiment is.
#[derive(Clone, Copy)]
pub struct Size {
    pub nodes: u64,
    pub tasks_per_node: u64,
    pub strategies: &'static [&'static str],
    pub replications: u32,
}

/// Three nodes, three strategies.
pub const SMALL: Size =
    Size { nodes: 3, tasks_per_node: 6, strategies: &["spread", "binpack", "random"], replications: 5 };

pub fn manifest(size: Size) -> Manifest {
    Manifest {
        tool: "simctl 0.1.0".into(),
        command: "simctl run scenarios/rack-failure.toml".into(),
        name: "rack-failure".into(),
        title: "A rack fails and returns: who recovers sooner?".into(),
        description: "Ten minutes after the start a **rack** loses power.\n\nIt returns <b>later</b>.".into(),
        file: "rack-failure.toml".into(),
        hash: "fnv1a:85944171f73967e8".into(),
        seed: "42".into(),
        replications: size.replications,
        partial_of: None,
        duration_s: 1800.0,
        warm_up_s: 0.0,
        profile: None,
        strategies: size.strategies.iter().map(|name| name.to_string()).collect(),
        set: vec![],
        first_replication_only: vec![],
        runs: vec![],
        expect: vec![
            Expected {
                text: "running_final = 18".into(),
                strategy: None,
                minus: None,
                metric: "running_final".into(),
                statistic: Statistic::Mean,
                min: Some(1.0),
                max: None,
                theory: None,
                within: None,
                share: None,
            },
            Expected {
                text: "never_s <= 3".into(),
                strategy: Some("spread".into()),
                minus: None,
                metric: "never_s".into(),
                statistic: Statistic::Mean,
                min: None,
                max: Some(3.0),
                theory: None,
                within: None,
                share: None,
            },
        ],
    }
}

/// An outcome per strategy and replication, in the order of the plan.
pub fn outcomes(size: Size) -> Vec<Outcome> {
    let strategies = size.strategies.iter().enumerate();
    let runs =
        strategies.flat_map(|(at, name)| (1..=size.replications).map(move |replication| (at, *name, replication)));
    runs.map(|(at, name, replication)| outcome(size, at, name, replication)).collect()
}

fn outcome(size: Size, at: usize, strategy: &str, replication: u32) -> Outcome {
    let mut chance = Chance(u64::from(replication) * 7919 + 1);
    let tasks_wanted = size.nodes * size.tasks_per_node;
    // binpack loses more at once and recovers more slowly.
    let slow = [1.0, 1.45, 1.1][at % 3] * (0.95 + 0.1 * chance.share());
    let lost_share = [0.2, 0.45, 0.25][at % 3] * (0.9 + 0.2 * chance.share());
    let start = 40.0 + 10.0 * chance.share();
    let mut series = Vec::new();
    for step in 0..180 {
        let time_s = f64::from(step) * 10.0;
        let ramp = (time_s / (start * slow)).min(1.0);
        let since = time_s - 600.0;
        let hole = if since < 0.0 {
            0.0
        } else {
            lost_share * (1.0 - (since - 20.0).max(0.0) / (90.0 * slow)).clamp(0.0, 1.0)
        };
        let running = (tasks_wanted as f64 * ramp * (1.0 - hole)).round() as u64;
        let pulling = time_s < 60.0 * slow || (620.0..700.0).contains(&time_s);
        series.push(Point {
            time_s,
            until_s: time_s + 10.0,
            desired: Band::steady(if time_s < 1200.0 { tasks_wanted } else { tasks_wanted + size.nodes }),
            running: Band::steady(if time_s < 1230.0 { running } else { tasks_wanted + size.nodes }),
            believed: Band::steady(running),
            pending: Band::steady(tasks_wanted - running),
            nodes_down: Band::steady(if (600.0..1500.0).contains(&time_s) { 5 } else { 0 }),
            registry_bytes: if pulling { (4.0e9 * (0.6 + 0.4 * chance.share()) / slow) as u64 } else { 0 },
        });
    }
    let mut tasks = Vec::new();
    for number in 0..tasks_wanted {
        let created_s = (number / 50) as f64 * 0.1;
        let wait = slow * (0.6 + 30.0 * chance.share().powi(4));
        let ran = number % 97 != 13;
        tasks.push(TaskRow {
            name: format!("web.{}#1", number + 1).into(),
            service: "web".into(),
            node: format!("node-{}", number % size.nodes + 1).into(),
            image: "web:1".into(),
            specification: 1,
            created_s,
            assigned_s: Some(created_s + 0.05),
            ready_s: ran.then_some(created_s + wait * 0.9),
            running_s: ran.then_some(created_s + wait),
            ended_s: None,
            state: if ran { TaskState::Running } else { TaskState::Pending },
            desired: DesiredState::Running,
            error: if ran { "" } else { "=no suitable node, \"insufficient\"\nresources" }.into(),
        });
    }
    let nodes = (0..size.nodes).map(|node| {
        let share = node as f64 / size.nodes as f64;
        let running = match at % 3 {
            0 => size.tasks_per_node + u64::from(chance.share() < 0.3),
            1 => ((1.0 - share * 1.6).max(0.0) * 2.2 * size.tasks_per_node as f64) as u64,
            _ => (size.tasks_per_node as f64 * (chance.share() + chance.share())) as u64,
        };
        NodeRow {
            node: format!("node-{}", node + 1),
            pool: "workers".into(),
            rack: format!("r{}", node % 2),
            labels: format!("rack=r{}", node % 2),
            cpus: 4.0,
            memory_bytes: 8 << 30,
            cpu_reserved_max: 0.5,
            memory_reserved_max: 0.25,
            images: 1,
            running,
            running_max: running + 2,
            cpu_reserved: 0.1 * running as f64,
            memory_reserved: 0.3,
            down_s: if node == 0 { 900.0 } else { 0.0 },
        }
    });
    let nodes = nodes.collect();
    let mark = |time_s, kind: &str, label: &str| Mark { time_s, kind: kind.into(), label: label.into() };
    let values = vec![
        Some(tasks_wanted as f64),
        Some((tasks_wanted + size.nodes) as f64),
        Some((tasks_wanted as f64 * (1.0 - lost_share)).round()),
        Some(2.4 * slow + 0.05 * chance.share()),
        Some(30.0 * slow + 2.0 * chance.share()),
        (replication != 2).then(|| 15.0 + chance.share()),
        Some((3.1e9 + 1e8 * chance.share() * size.nodes as f64).round()),
        None,
        Some(100.0 * lost_share * tasks_wanted as f64),
    ];
    let web = ServiceRow {
        service: "web".into(),
        wanted: tasks_wanted,
        running_final: tasks_wanted,
        running_min: tasks_wanted / 2,
        availability: Some(1.0 - lost_share / 10.0),
        lost_s: 10.0 * lost_share,
        replicas_lost: 3,
        failover_lost_s: 9.5 * lost_share,
        failover_lost_detected_s: 5.25,
        failover_p50_s: Some(21.5),
        failover_max_s: Some(21.5 + lost_share),
        moves: 2,
        ..ServiceRow::default()
    };
    let cache =
        ServiceRow { service: "cache".into(), wanted: 1, running_final: 1, lost_s: 0.5, ..ServiceRow::default() };
    let services = vec![web, cache];
    Outcome {
        strategy: strategy.into(),
        replication,
        values,
        series,
        tasks,
        nodes,
        services,
        marks: vec![
            mark(600.0, "script", "rack=r1 loses power (5 nodes)"),
            mark(600.0, "down", "node-1 down"),
            mark(614.0 + 3.0 * chance.share(), "detected", "rack=r1 is found down"),
            mark(1200.0, "script", "scale web to 7 a node"),
            mark(1500.0, "up", "rack=r1 up (5 nodes)"),
        ],
        settled_s: Some(60.0),
        classes: vec![ClassRow {
            class: "batch".into(),
            values: (0..CLASS_METRICS.len()).map(|row| (row % 3 > 0).then_some(row as f64 / 7.0)).collect(),
        }],
        jobs: vec![
            JobRow { job: 1, class: "batch".into(), arrived_s: 0.1, outcome: "abandoned".into(), ..JobRow::default() },
            JobRow {
                job: 2,
                class: "batch".into(),
                node: "node-1".into(),
                arrived_s: 0.5,
                started_s: Some(1.25),
                ended_s: Some(700.0),
                outcome: "done".into(),
            },
        ],
        updates: vec![UpdateRow {
            service: "web".into(),
            update: 1,
            time_s: 1200.0,
            state: "updating".into(),
            message: "update in progress".into(),
        }],
        pending: vec![PendingRow {
            service: "web".into(),
            reason: "no suitable node (insufficient resources on 3 nodes)".into(),
            tasks_max: 2,
            seconds: 12.5,
            first_s: 600.0,
            last_s: 610.5,
            open: 0,
            remedy: "1 CPU more on node-3 (places 1 of 2 that wait)".into(),
        }],
        orders: vec![
            OrderRow {
                time_s: 0.0,
                by: "deployment".into(),
                order: "service create web".into(),
                is_refused: false,
                answer: String::new(),
            },
            OrderRow {
                time_s: 1200.0,
                by: "script".into(),
                order: "service scale wbe=7".into(),
                is_refused: true,
                answer: "service wbe not found".into(),
            },
        ],
        left_out: [0; 8],
        trace: Default::default(),
        failed: None,
    }
}

/// A new empty folder of this process, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    /// Names and contents of a folder's files.
    pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
