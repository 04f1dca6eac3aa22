//! What it takes a manager with each failover policy until everything is done about a node that is lost, and about one that
//! comes back: ten thousand nodes with ten tasks each, two of each of five services.
//!
//! What is timed is [`sched::Manager::handle`], from the event to the last command that follows within ten minutes: waits,
//! tolerations and delays are timers, so they cost nothing but their handling. What agents report is in it, too; that time
//! passes is not.

mod cluster;

use std::time::Duration;

use cluster::{Bench, Kind};
use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sched::failover::FAILOVERS;
use sched::{Command, DesiredState, Event, NodeId, Row, Span, TaskState};

const NODES: usize = 10_000;
const SERVICES: u64 = 5;
const PER_NODE: u64 = 10;
/// Longer than any policy waits by default.
const WITHIN: Span = Span::from_secs(600);

/// The digests of what is done about a loss and about a return. A change means other decisions: say why.
const DIGESTS: &[(&str, u64, u64)] = &[
    ("reschedule", 0x4f95_8567_5737_78e0, 0xcbf2_9ce4_8422_2325),
    ("wait", 0x4f95_8567_5737_78e0, 0xcbf2_9ce4_8422_2325),
    ("standby", 0xbcb3_2f9d_10b1_9d36, 0xcbf2_9ce4_8422_2325),
    ("prepull", 0x4f95_8567_5737_78e0, 0xcbf2_9ce4_8422_2325),
    ("rebalance", 0x4f95_8567_5737_78e0, 0x1d44_44d3_e88e_f909),
    ("drain-start-first", 0x4f95_8567_5737_78e0, 0xcbf2_9ce4_8422_2325),
    ("guarded", 0x4f95_8567_5737_78e0, 0xcbf2_9ce4_8422_2325),
    ("kubernetes", 0xdff3_341d_7998_0db8, 0xcbf2_9ce4_8422_2325),
    ("nomad", 0xdff3_341d_7998_0db8, 0xcbf2_9ce4_8422_2325),
    ("marathon", 0x423d_7978_ada0_5716, 0xacf0_85f1_38d7_5e8b),
];

/// A cluster in which all runs.
fn running(policy: &str) -> Bench {
    let mut bench = Bench::with("spread", policy, NODES);
    for _ in 0..SERVICES {
        bench.create(Kind::Reserving, PER_NODE * NODES as u64 / SERVICES);
    }
    bench.rest();
    bench.report(TaskState::Running, |task| task.desired == DesiredState::Running);
    bench.report(TaskState::Ready, |task| TaskState::Assigned <= task.state);
    bench.rest();
    bench.out.clear();
    bench
}

/// An event and all that follows, with agents that do at once what they are told, but for those of a lost node. Says what
/// it takes, and the digest of what is decided.
fn follow(bench: &mut Bench, event: Event, lost: Option<NodeId>) -> (Duration, u64) {
    let (mut total, mut hash) = (Duration::ZERO, 0xcbf2_9ce4_8422_2325);
    let end = bench.now + WITHIN;
    let mut events = vec![event];
    loop {
        bench.out.clear();
        let begin = ThreadTime::now();
        bench.manager.handle_all(bench.now, events.drain(..), &mut bench.out).expect("it is there");
        total += begin.elapsed();
        hash = bench.out.iter().fold(hash, digest);
        events.extend(bench.out.iter().filter_map(|command| said(bench, command, lost)));
        if events.is_empty() {
            let Some(at) = bench.manager.deadline().filter(|at| *at <= end) else { break };
            bench.now = at;
            events.push(Event::Deadline);
        }
    }
    bench.now = end;
    (total, hash)
}

/// FNV-1a over what is assigned, wanted and written of tasks, in order.
fn digest(hash: u64, command: &Command) -> u64 {
    let number = match command {
        Command::Assign { node, .. } => node.index() as u64,
        Command::Desired { node, desired, .. } => {
            1 << 40 | node.map_or(0, |node| node.index() as u64 + 1) << 8 | *desired as u64
        }
        Command::State { state, .. } => 1 << 32 | *state as u64,
        _ => return hash,
    };
    (hash ^ number).wrapping_mul(0x0100_0000_01b3)
}

/// What an agent has to say about a command.
fn said(bench: &Bench, command: &Command, lost: Option<NodeId>) -> Option<Event> {
    let (Command::Assign { task, .. } | Command::State { task, .. } | Command::Desired { task, .. }) = command else {
        return None;
    };
    let record = bench.manager.cluster().task(*task)?;
    let state = match record.desired {
        DesiredState::Running => TaskState::Running,
        DesiredState::Ready => TaskState::Ready,
        _ => TaskState::Shutdown,
    };
    let is_heard = TaskState::Assigned <= record.state && record.node != lost;
    (is_heard && record.state < state).then_some(Event::TaskStatus { task: *task, state, error: None })
}

fn failover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("failover");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(PER_NODE));
    assert!(
        FAILOVERS.iter().map(|entry| entry.name).eq(DIGESTS.iter().map(|digest| digest.0)),
        "a policy has no digest"
    );
    for (policy, loss, back) in DIGESTS {
        // Losses and returns take turns in one cluster, each node once; the first of both has a digest.
        let fresh = || {
            let mut bench = running(policy);
            let node = NodeId::from_index(0);
            let first = follow(&mut bench, Event::NodeDown(node), Some(node)).1;
            assert!(first == *loss, "{policy} does something else about a loss: {first:#018x}");
            let second = follow(&mut bench, Event::NodeUp(node), None).1;
            assert!(second == *back, "{policy} does something else about a return: {second:#018x}");
            (bench, 1)
        };
        let (mut bench, mut next) = fresh();
        for is_loss in [true, false] {
            let name = format!("{policy}, node {}", if is_loss { "lost" } else { "back" });
            group.bench_function(BenchmarkId::new(name, NODES), |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut total = Duration::ZERO;
                    for _ in 0..rounds {
                        if next == NODES / 2 {
                            (bench, next) = fresh();
                        }
                        let node = NodeId::from_index(next);
                        let (lost, _) = follow(&mut bench, Event::NodeDown(node), Some(node));
                        let (back, _) = follow(&mut bench, Event::NodeUp(node), None);
                        total += if is_loss { lost } else { back };
                        next += 1;
                    }
                    total
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, failover);
criterion_main!(benches);
