//! A node dies: its tasks are replaced elsewhere.

mod cluster;

use std::hint::black_box;

use cluster::Bench;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sched::{Event, TaskState};

/// Tasks per node, and the digest of what is decided.
const CASES: &[(u64, u64)] = &[(10, 0xa863_eeec_653f_c5f1), (100, 0xda54_60ae_e752_d45a)];
const NODES: usize = 100;

fn restart(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10);
    for (per_node, digest) in CASES {
        let running = || {
            let mut bench = Bench::new("spread", NODES);
            bench.create(Bench::service("web", per_node * NODES as u64));
            bench.rest();
            let tasks: Vec<_> = bench.manager.cluster().tasks().map(|(id, _)| id).collect();
            let report = |task| Event::TaskStatus { task, state: TaskState::Running, error: None };
            bench.manager.handle_all(bench.now, tasks.into_iter().map(report), &mut bench.out);
            bench.rest();
            bench.out.clear();
            bench
        };
        let die = |mut bench: Bench| {
            let node = bench.manager.cluster().nodes().ids().next().expect("a hundred");
            bench.manager.handle(bench.now, Event::NodeDown(node), &mut bench.out);
            bench.rest();
            bench
        };
        assert_eq!(die(running()).digest(), *digest, "{per_node} tasks of a dead node go elsewhere than before");
        group.throughput(Throughput::Elements(*per_node));
        group.bench_function(BenchmarkId::new("node down", format!("{per_node} tasks")), |bencher| {
            bencher.iter_batched(running, |bench| black_box(die(bench)), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, restart);
criterion_main!(benches);
