//! The scheduler's hot path: one pass that places groups of equal tasks.
//!
//! What is timed is [`sched::Manager::handle`] for the deadline of a pass: everything from the waiting tasks to the last
//! command, with the tasks' records, the nodes' counters and lists, the journal and all who read it. Nothing of it is
//! left out, and creating and removing the tasks is not in it.

mod cluster;

use std::time::Duration;

use cluster::{Bench, Kind, SLOTS};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const NODES: [usize; 3] = [1_000, 10_000, 100_000];

/// How much of a cluster is taken by tasks that reserve an eighth of a node each.
#[derive(Clone, Copy)]
enum Fill {
    Empty,
    Half,
    /// One of a hundred nodes has room for one more of those tasks.
    Nearly,
    Full,
}

/// A name, strategy, fill, services, tasks of each, what these ask for, and for each number of nodes the digest of what
/// is decided. A change of a digest means other decisions: say why.
type Case = (&'static str, &'static str, Fill, u64, u64, Kind, [u64; 3]);

const CASES: &[Case] = &[
    (
        "single, plain, empty",
        "spread",
        Fill::Empty,
        1000,
        1,
        Kind::Plain,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, plain",
        "spread",
        Fill::Half,
        1000,
        1,
        Kind::Plain,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, reserving",
        "spread",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, constrained",
        "spread",
        Fill::Half,
        1000,
        1,
        Kind::Constrained,
        [0x9a32_6d7b_687e_61bd, 0x5ead_b6ed_5d92_d3ed, 0x5ead_b6ed_5d92_d3ed],
    ),
    (
        "single, 3 levels",
        "spread",
        Fill::Half,
        1000,
        1,
        Kind::Spread,
        [0xe662_8648_16bb_a045, 0x304c_8565_e088_5c65, 0x56c2_5218_e53b_9de5],
    ),
    (
        "groups of 10, plain",
        "spread",
        Fill::Half,
        100,
        10,
        Kind::Plain,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "groups of 1000, plain",
        "spread",
        Fill::Half,
        10,
        1000,
        Kind::Plain,
        [0x0cd8_7a7b_f724_c115, 0x1fb4_4726_9073_5a75, 0x1fb4_4726_9073_5a75],
    ),
    (
        "group of 100000, plain",
        "spread",
        Fill::Half,
        1,
        100_000,
        Kind::Plain,
        [0xdb7b_6eb5_4f44_0085, 0x5cfd_71ce_2431_5245, 0xc4ca_f0be_c56e_5545],
    ),
    (
        "group of 100000, 3 levels",
        "spread",
        Fill::Half,
        1,
        100_000,
        Kind::Spread,
        [0xdd55_b82a_212f_ed15, 0xba0b_42d8_2cdc_8df5, 0x4114_d540_11d8_87d5],
    ),
    (
        "group of 100000, constrained",
        "spread",
        Fill::Half,
        1,
        100_000,
        Kind::Constrained,
        [0x57a3_71c9_5640_d945, 0x1a29_d028_d29d_d38d, 0x849d_a626_2e91_c265],
    ),
    (
        "single, reserving, nearly full",
        "spread",
        Fill::Nearly,
        500,
        1,
        Kind::Reserving,
        [0x0cf2_eccb_fffd_6bd9, 0xd317_9014_033c_8c71, 0xd441_9b30_fee4_a831],
    ),
    (
        "single, reserving, saturated",
        "spread",
        Fill::Full,
        1000,
        1,
        Kind::Reserving,
        [0x177e_9c58_f018_c8ad, 0x177e_9c58_f018_c8ad, 0x177e_9c58_f018_c8ad],
    ),
    (
        "single, reserving",
        "spread-even",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, reserving",
        "binpack",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0xf6d4_0698_aa1f_28cd, 0x1bc3_26b9_9ea5_6bdd, 0xb2a1_586b_d008_ac4d],
    ),
    (
        "single, reserving",
        "random",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x87b5_d485_d8e4_3a91, 0x45f0_4747_81f6_cd69, 0xfeb4_4d6f_6fb7_2d1a],
    ),
    (
        "single, reserving",
        "two-choices",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x8f2e_a61a_18ab_445f, 0xbaf4_c8ff_11f2_3974, 0x753e_a0a6_4b97_73cf],
    ),
    (
        "single, reserving",
        "worst-fit",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, reserving",
        "cache-aware",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, reserving",
        "dominant-fit",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd, 0x988c_c5af_d8cb_65dd],
    ),
    (
        "single, reserving",
        "domains",
        Fill::Half,
        1000,
        1,
        Kind::Reserving,
        [0x8fa5_23c9_df01_73dd, 0xe2cf_4866_6d25_3ced, 0xe2cf_4866_6d25_3ced],
    ),
];

/// A cluster of so many nodes, filled.
fn filled(strategy: &str, nodes: usize, fill: Fill) -> Bench {
    let mut bench = Bench::new(strategy, nodes);
    let all = nodes as u64 * SLOTS;
    let tasks = match fill {
        Fill::Empty => return bench,
        Fill::Half => all / 2,
        Fill::Nearly => all - nodes as u64 / 100,
        Fill::Full => all,
    };
    bench.create(Kind::Filling, tasks);
    bench.rest();
    bench
}

fn placement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    // Without `--bench` this is a test, to which the largest cluster adds nothing but time.
    let columns = if std::env::args().any(|arg| arg == "--bench") { NODES.len() } else { NODES.len() - 1 };
    for (column, nodes) in NODES.into_iter().enumerate().take(columns) {
        let mut open: Option<(&str, u8, Bench)> = None;
        for (name, strategy, fill, services, tasks, kind, digests) in CASES {
            let cluster = (*strategy, *fill as u8);
            let bench = match &mut open {
                Some((strategy, fill, bench)) if (*strategy, *fill) == cluster => bench,
                _ => &mut open.insert((strategy, cluster.1, filled(strategy, nodes, *fill))).2,
            };
            let mut was_run = false;
            group.throughput(Throughput::Elements(services * tasks));
            group.bench_function(BenchmarkId::new(format!("{strategy}, {name}"), nodes), |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut total = Duration::ZERO;
                    for _ in 0..rounds {
                        let created: Vec<_> = (0..*services).map(|_| bench.create(*kind, *tasks)).collect();
                        total += bench.pass();
                        // Chance gives every task another node in every round, so of these only the first is known.
                        let is_by_chance = ["random", "two-choices"].contains(strategy);
                        if !is_by_chance || !std::mem::replace(&mut was_run, true) {
                            let digest = bench.digest();
                            let right = digest == digests[column];
                            assert!(right, "{strategy}, {name}, {nodes} nodes decides otherwise: {digest:#018x}");
                        }
                        bench.remove(&created);
                    }
                    total
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, placement);
criterion_main!(benches);
