//! The scheduler's hot path: one pass that places a group of equal tasks.

mod cluster;

use std::hint::black_box;

use cluster::Bench;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Strategy, nodes, tasks, and the digest of what is decided. A change of a digest means other decisions: say why.
const CASES: &[(&str, usize, u64, u64)] = &[
    ("spread", 1_000, 1_000, 0xfdb4_fe07_3d23_0b65),
    ("spread", 10_000, 1_000, 0xfdb4_fe07_3d23_0b65),
    ("spread", 1_000, 1, 0x0832_8807_b4eb_6fed),
    ("spread", 10_000, 1, 0x0832_8807_b4eb_6fed),
    ("spread-even", 1_000, 100, 0x221a_9847_a0c8_7ad5),
    ("binpack", 1_000, 1_000, 0x92ff_284f_aebe_490d),
    ("binpack", 10_000, 1_000, 0x92ff_284f_aebe_490d),
    ("random", 1_000, 1_000, 0xc221_53af_8a6a_2bf5),
];

fn placement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(10);
    for (strategy, nodes, tasks, digest) in CASES {
        let waiting = || {
            let mut bench = Bench::new(strategy, *nodes);
            bench.create(Bench::service("web", *tasks));
            bench
        };
        let mut once = waiting();
        once.rest();
        assert_eq!(once.digest(), *digest, "{strategy} decides otherwise at {nodes} nodes and {tasks} tasks");
        group.throughput(Throughput::Elements(*tasks));
        group.bench_function(BenchmarkId::new(*strategy, format!("{nodes} nodes, {tasks} tasks")), |bencher| {
            bencher.iter_batched(
                waiting,
                |mut bench| {
                    bench.rest();
                    black_box(bench)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, placement);
criterion_main!(benches);
