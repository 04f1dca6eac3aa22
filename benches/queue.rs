//! The event queue under the hold model: take the next event, schedule another one an exponential time later.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sched::Span;
use sim::engine::Queue;
use sim::engine::law::Law;

/// Pending events, and the digest of the order in which a thousand of them come.
const CASES: &[(usize, u64)] = &[(1_000, 0x0cac_6000_5cd1_1ab3), (100_000, 0x8882_7bbc_0239_a5bf)];
const LAW: Law = Law::Exponential { mean: Span::from_secs(1) };

fn full(pending: usize, rng: &mut ChaCha8Rng) -> Queue<u64> {
    let mut queue = Queue::new();
    for number in 0..pending {
        queue.after(LAW.sample(rng), number as u64);
    }
    queue
}

fn hold(queue: &mut Queue<u64>, rng: &mut ChaCha8Rng) -> u64 {
    let (_, event) = queue.pop().expect("never empty");
    queue.after(LAW.sample(rng), event);
    event
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    for (pending, digest) in CASES {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut queue = full(*pending, &mut rng);
        // FNV-1a over the order.
        let order = (0..1000).fold(0xcbf2_9ce4_8422_2325u64, |hash, _| {
            (hash ^ hold(&mut queue, &mut rng)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(order, *digest, "events come in another order with {pending} pending");
        group.bench_function(BenchmarkId::new("hold", pending), |bencher| {
            bencher.iter(|| black_box(hold(&mut queue, &mut rng)));
        });
    }
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
