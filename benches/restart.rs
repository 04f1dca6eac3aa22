//! What is lost comes back: a node dies, a task fails again and again.

mod cluster;

use std::time::Duration;

use cluster::{Bench, Kind};
use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sched::{Event, NodeId, Row, TaskState};

/// Nodes, tasks on each, and the digest of what is decided when the first of them dies.
const DEATHS: &[(usize, u64, u64)] =
    &[(100, 10, 0x9098_56bd_7727_7e52), (10_000, 10, 0x9098_56bd_7727_7e52), (100, 1000, 0x9459_722d_736e_a7a5)];
/// The digest of where a task goes that failed ten times.
const CRASHES: u64 = 0xaf63_ba4c_8601_b2c6;

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

/// A node's death, from the report to the assignment of the replacements, and what it takes.
fn die(bench: &mut Bench, node: usize) -> Duration {
    let begin = ThreadTime::now();
    bench.manager.handle(bench.now, Event::NodeDown(NodeId::from_index(node)), &mut bench.out).expect("it is there");
    begin.elapsed() + bench.pass()
}

fn restart(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (nodes, per_node, digest) in DEATHS {
        group.throughput(Throughput::Elements(*per_node));
        let id = BenchmarkId::new(format!("node down, {per_node} tasks"), nodes);
        // The first death after so many changes makes the scheduler look at all nodes: it is not the one that is timed.
        let fresh = || {
            let mut bench = running(*nodes, *per_node);
            die(&mut bench, 0);
            let dead = bench.digest();
            assert!(dead == *digest, "{per_node} tasks of {nodes} nodes go elsewhere: {dead:#018x}");
            (bench, 1)
        };
        let (mut bench, mut dead) = fresh();
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    if dead > nodes / 2 {
                        (bench, dead) = fresh();
                    }
                    total += die(&mut bench, dead);
                    dead += 1;
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
                let begin = ThreadTime::now();
                let failed = Event::TaskStatus { task, state: TaskState::Failed, error: None };
                bench.manager.handle(bench.now, failed, &mut bench.out).expect("it is there");
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
