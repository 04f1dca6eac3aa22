//! The event queue under the hold model: take the next event, schedule it again an exponential time later.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sched::Span;
use sim::bench::hold::Gaps;
use sim::engine::Queue;

/// Pending events, and the digest of the order in which ten thousand of them come.
const CASES: &[(u64, u64)] = &[
    (1_000, 0x379e_9518_1aa3_8664),
    (10_000, 0x61d4_f13b_b059_4238),
    (100_000, 0x91f9_3517_10dc_b7cd),
    (1_000_000, 0x8faf_632a_163b_5b17),
    (10_000_000, 0x5f95_327b_c13a_2c10),
];
/// Larger queues take gigabytes of a debug build's time: tests stop here.
const TESTED: u64 = 1_000_000;
/// Operations that are timed together.
const BATCH: u64 = 10_000;

fn full(pending: u64, gaps: &mut Gaps) -> Queue<u64> {
    let mut queue = Queue::new();
    for number in 0..pending {
        queue.after(Span::from_nanos(gaps.draw()), number);
    }
    queue
}

fn hold(queue: &mut Queue<u64>, gaps: &mut Gaps) -> u64 {
    let (_, event) = queue.pop().expect("never empty");
    queue.after(Span::from_nanos(gaps.draw()), event);
    event
}

fn queue(criterion: &mut Criterion) {
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let mut group = criterion.benchmark_group("queue");
    group.sample_size(20).warm_up_time(Duration::from_millis(300));
    group.throughput(Throughput::Elements(BATCH));
    for (pending, digest) in CASES {
        if is_test && TESTED < *pending {
            continue;
        }
        let mut gaps = Gaps::new(1);
        let mut queue = full(*pending, &mut gaps);
        // FNV-1a over the order.
        let order = (0..BATCH).fold(0xcbf2_9ce4_8422_2325u64, |hash, _| {
            (hash ^ hold(&mut queue, &mut gaps)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(order, *digest, "events come in another order with {pending} pending");
        if !is_test {
            // Everything was scheduled again once: the queue is as it will be.
            (0..2 * pending).for_each(|_| _ = black_box(hold(&mut queue, &mut gaps)));
        }
        group.bench_function(BenchmarkId::new("hold", pending), |bencher| {
            bencher.iter(|| (0..BATCH).fold(0, |sum, _| sum ^ hold(&mut queue, &mut gaps)));
        });
    }
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
