//! Whole simulations with all metrics on: events per second of CPU time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput};
use sched::{Span, Time};
use sim::metrics::{METRICS, Outcome};
use sim::scenario::{self, Scenario};
use sim::simulation::Simulation;

/// Ten thousand tasks that end by themselves and start again, on a thousand nodes that fail.
const CHURN: &str = r#"
duration = "10m"
replications = 1

[[pool]]
name = "node"
count = 1000
cpus = 16
memory = "64GiB"
network = "10Gbit/s"
labels = { rack = "r{i/40}" }

[[service]]
name = "web-{i+1}"
count = 20
image = "web:1"
replicas = 500
preferences = ["node.labels.rack"]
reserve = { cpus = "0.5", memory = "1GiB" }
exits = { after = { exponential = { mean = "60s" } } }
restart = { delay = "1s" }

[[failure]]
of = "all"
mtbf = "10h"
repair = { exponential = { mean = "2m" } }
"#;

/// `scenarios/large/million.toml` or a part of it: so many times fewer nodes and tasks.
fn million(fewer: u64) -> Arc<Scenario> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/large/million.toml");
    let mut text = std::fs::read_to_string(&path).expect("the scenario ships with the project");
    let mut less = |key: &str, from: u64| {
        let whole = format!("{key}{from}");
        assert!(text.contains(&whole), "{whole} is not in the scenario");
        text = text.replace(&whole, &format!("{key}{}", from / fewer));
    };
    less("count = ", 100_000);
    less("z{i/", 10_000);
    less("replicas = ", 5_000);
    scenario::parse(&path, &text).expect("a good scenario").into()
}

fn churn() -> Arc<Scenario> {
    scenario::parse(Path::new("churn.toml"), CHURN).expect("a good scenario").into()
}

/// A thousand nodes that run thirty thousand tasks.
fn fork() -> Arc<Scenario> {
    let text = "duration = \"20m\"\n[[pool]]\nname = \"node\"\ncount = 1000\n\
                [[service]]\nname = \"web\"\ncount = 10\nimage = \"web\"\nreplicas = 3000\n";
    scenario::parse(Path::new("fork.toml"), text).expect("a good scenario").into()
}

fn run(scenario: &Arc<Scenario>) -> Outcome {
    let outcome = Simulation::new(Arc::clone(scenario), "spread", 1).expect("a strategy of the list").finish();
    assert_eq!(outcome.failed, None);
    outcome
}

fn events(outcome: &Outcome) -> f64 {
    let row = METRICS.iter().position(|metric| metric.name == "events").expect("events are counted");
    outcome.values[row].expect("of every run")
}

/// FNV-1a over the number of events and the times at which tasks ran, so that another metric does not change it.
fn digest(outcome: &Outcome) -> u64 {
    let tasks = outcome.tasks.iter().map(|task| task.running_s.unwrap_or(-1.0).to_bits());
    std::iter::once(events(outcome) as u64)
        .chain(tasks)
        .fold(0xcbf2_9ce4_8422_2325, |hash, bits| (hash ^ bits).wrapping_mul(0x0100_0000_01b3))
}

/// A run and its cost, printed: too long to be repeated.
fn once(name: &str, scenario: &Arc<Scenario>) {
    let start = ThreadTime::now();
    let outcome = run(scenario);
    let cost = start.elapsed().as_secs_f64();
    let rate = events(&outcome) / cost / 1e6;
    println!("{name}: {} events in {cost:.2} s of CPU time, {rate:.2} million a second", events(&outcome));
}

/// A change of it means that simulations come out otherwise: say why.
const DIGEST: u64 = 0x0965_1464_4ee7_2d55;

fn main() {
    let small = million(100);
    let digest = digest(&run(&small));
    assert!(digest == DIGEST, "a hundredth of million.toml comes out otherwise: {digest:#018x}");
    let churn = churn();
    if std::env::args().any(|argument| argument == "--bench") {
        once("churn, 10,000 tasks", &churn);
        once("million.toml, 1,000,000 tasks", &million(1));
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("simulation");
    group.sample_size(10).warm_up_time(Duration::from_millis(300));
    for (name, scenario) in [("churn, 10k tasks", &churn), ("million, 10k tasks", &small)] {
        let events = events(&run(scenario));
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| bencher.iter(|| run(scenario)));
    }
    let mut forked = Simulation::new(fork(), "spread", 1).expect("a strategy of the list");
    forked.run_until(Time::ZERO + Span::from_secs(600));
    assert_eq!(forked.service("web-1").expect("it was created").running, 3000);
    group.throughput(Throughput::Elements(1));
    group.bench_function("fork, 1,000 nodes, 30k tasks", |bencher| bencher.iter_with_large_drop(|| forked.clone()));
    group.finish();
    criterion.final_summary();
}
