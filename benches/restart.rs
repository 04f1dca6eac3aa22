//! What is lost comes back: a node dies, a task fails again and again.

mod cluster;

use std::time::{Duration, Instant};

use cluster::{Bench, Kind};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sched::{Event, NodeId, Row, TaskState};

/// Nodes, tasks on each, and the digest of what is decided when the first of them dies.
const DEATHS: &[(usize, u64, u64)] = &[(100, 10, 0), (10_000, 10, 0), (100, 1000, 0)];
/// The digest of where a task goes that failed ten times.
const CRASHES: u64 = 0;

/// A cluster of nodes with so many running tasks each.
fn running(nodes: usize, per_node: u64) -> Bench {
    let mut bench = Bench::new("spread", nodes);
    bench.create(Kind::Reserving, per_node * nodes as u64);
    bench.rest();
    bench.report(TaskState::Running, |_| true);
    bench.rest();
    bench.out.clear();
    bench
}

#[allow(clippy::disallowed_methods)] // Benchmarks are there to look at the clock.
fn restart(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (nodes, per_node, digest) in DEATHS {
        group.throughput(Throughput::Elements(*per_node));
        let id = BenchmarkId::new(format!("node down, {per_node} tasks"), nodes);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|rounds| {
                let (mut bench, mut total) = (running(*nodes, *per_node), Duration::ZERO);
                for round in 0..rounds {
                    if round > 0 && round % (*nodes as u64 / 2) == 0 {
                        bench = running(*nodes, *per_node);
                    }
                    // From the report to the assignment of the replacements.
                    let node = NodeId::from_index(round as usize % (nodes / 2));
                    let begin = Instant::now();
                    bench.manager.handle(bench.now, Event::NodeDown(node), &mut bench.out);
                    total += begin.elapsed();
                    total += bench.pass();
                    let dead = bench.digest();
                    assert!(round > 0 || dead == *digest, "{per_node} tasks of {nodes} nodes: {dead:#018x}");
                }
                total
            });
        });
    }
    let mut bench = running(1000, 10);
    let mut first = true;
    group.throughput(Throughput::Elements(1));
    group.bench_function("crash loop", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            let mut crash = |bench: &mut Bench, place: u64| {
                let (task, _) = bench
                    .manager
                    .cluster()
                    .tasks()
                    .filter(|(_, task)| task.state == TaskState::Running)
                    .nth(place as usize)
                    .expect("thousands");
                bench.out.clear();
                let begin = Instant::now();
                let failed = Event::TaskStatus { task, state: TaskState::Failed, error: None };
                bench.manager.handle(bench.now, failed, &mut bench.out);
                total += begin.elapsed();
                total += bench.pass();
            };
            for _ in 0..rounds {
                crash(&mut bench, 7);
                if std::mem::take(&mut first) {
                    let digest = bench.digest();
                    assert!(digest == CRASHES, "the failed task goes elsewhere: {digest:#018x}");
                }
                // The replacement starts when its delay is over.
                for _ in 0..6 {
                    bench.rest();
                }
                bench.report(TaskState::Running, |_| true);
                bench.rest();
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, restart);
criterion_main!(benches);
