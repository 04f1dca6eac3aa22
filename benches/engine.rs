//! The hold model on our engine, on nexosim and on simcore (the engine of DSLab): the same events, the same times, the
//! same digest. In `cargo bench`, an interleaved comparison in CPU time is printed before criterion begins.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cpu_time::ProcessTime;
use criterion::{BenchmarkId, Criterion, Throughput};
use sched::Time;
use serde::{Deserialize, Serialize};
use sim::bench::hold::{Engine, Holder};

const SEED: u64 = 1;
/// Pending events, events of a round of the comparison, and the digest of the first 20,000 times.
const CASES: [(u32, u64, u64); 3] = [
    (1_000, 2_000_000, 0x86f9_3eeb_4535_c20d),
    (100_000, 1_000_000, 0x9802_ec7e_8c1c_0eb7),
    (1_000_000, 1_000_000, 0x1ff0_2721_070e_803d),
];
const ROUNDS: usize = 7;

/// An engine that runs the hold model: N components with one pending event each, of a mean gap of a second.
trait Hold {
    /// Handles all events up to a time in nanoseconds.
    fn run_until(&mut self, nanos: u64);
    /// Events handled, and the digest of their times.
    fn done(&self) -> (u64, u64);
}

type New = fn(u32) -> Box<dyn Hold>;
const ENGINES: [(&str, New); 3] = [
    ("simctl", |pending| Box::new(Engine::new(pending, SEED))),
    ("nexosim", |pending| Box::new(on_nexosim::Nexosim::new(pending))),
    ("simcore", |pending| Box::new(on_simcore::Simcore::new(pending))),
];

impl Hold for Engine {
    fn run_until(&mut self, nanos: u64) {
        Engine::run_until(self, Time::from_nanos(nanos));
    }
    fn done(&self) -> (u64, u64) {
        (self.holder().handled, self.holder().digest)
    }
}

mod on_nexosim {
    use nexosim::model::{BuildContext, Context, Model, ProtoModel, schedulable};
    use nexosim::simulation::{Mailbox, SimInit, Simulation};
    use nexosim::time::MonotonicTime;

    use super::*;

    #[derive(Serialize, Deserialize)]
    pub struct Components {
        pending: u32,
    }

    /// Not part of what nexosim saves of a model.
    pub struct Environment {
        holder: Holder,
        done: Arc<[AtomicU64; 2]>,
    }

    #[Model(type Env = Environment)]
    impl Components {
        #[nexosim(init)]
        async fn init(&mut self, context: &Context<Self>, environment: &mut Environment) {
            for component in 0..self.pending {
                let gap = Duration::from_nanos(environment.holder.first());
                context.schedule_event(gap, schedulable!(Self::due), component).expect("in the future");
            }
        }

        #[nexosim(schedulable)]
        fn due(&mut self, component: u32, context: &Context<Self>, environment: &mut Environment) {
            let now = context.time().duration_since(MonotonicTime::EPOCH).as_nanos() as u64;
            let gap = Duration::from_nanos(environment.holder.handle(now));
            // A model cannot be looked at from outside: this costs a nanosecond.
            environment.done[0].store(environment.holder.handled, Relaxed);
            environment.done[1].store(environment.holder.digest, Relaxed);
            context.schedule_event(gap, schedulable!(Self::due), black_box(component)).expect("in the future");
        }
    }

    struct Prototype {
        pending: u32,
        done: Arc<[AtomicU64; 2]>,
    }

    impl ProtoModel for Prototype {
        type Model = Components;
        fn build(self, _: &mut BuildContext<Self>) -> (Components, Environment) {
            let environment = Environment { holder: Holder::new(SEED), done: self.done };
            (Components { pending: self.pending }, environment)
        }
    }

    pub struct Nexosim {
        simulation: Simulation,
        done: Arc<[AtomicU64; 2]>,
    }

    impl Nexosim {
        pub fn new(pending: u32) -> Self {
            let done: Arc<[AtomicU64; 2]> = Arc::default();
            let prototype = Prototype { pending, done: Arc::clone(&done) };
            let simulation = SimInit::with_num_threads(1)
                .add_model(prototype, Mailbox::new(), "components")
                .init(MonotonicTime::EPOCH)
                .expect("a good model");
            Nexosim { simulation, done }
        }
    }

    impl Hold for Nexosim {
        fn run_until(&mut self, nanos: u64) {
            self.simulation.step_until(MonotonicTime::EPOCH + Duration::from_nanos(nanos)).expect("no deadlock");
        }
        fn done(&self) -> (u64, u64) {
            (self.done[0].load(Relaxed), self.done[1].load(Relaxed))
        }
    }
}

mod on_simcore {
    use simcore::{Event, EventHandler, Simulation, SimulationContext, cast};

    use super::*;

    #[derive(Clone, Serialize)]
    struct Due {
        component: u32,
    }

    struct Components {
        context: SimulationContext,
        holder: Holder,
    }

    impl EventHandler for Components {
        fn on(&mut self, event: Event) {
            cast!(match event.data {
                Due { component } => {
                    // simcore counts in floating point: whole nanoseconds are exact up to 2^53 of them.
                    let gap = self.holder.handle(self.context.time() as u64);
                    self.context.emit_self(Due { component: black_box(component) }, gap as f64);
                }
            })
        }
    }

    pub struct Simcore {
        simulation: Simulation,
        components: Rc<RefCell<Components>>,
    }

    impl Simcore {
        pub fn new(pending: u32) -> Self {
            let mut simulation = Simulation::new(SEED);
            let context = simulation.create_context("components");
            let mut holder = Holder::new(SEED);
            for component in 0..pending {
                context.emit_self(Due { component }, holder.first() as f64);
            }
            let components = Rc::new(RefCell::new(Components { context, holder }));
            simulation.add_handler("components", components.clone());
            Simcore { simulation, components }
        }
    }

    impl Hold for Simcore {
        fn run_until(&mut self, nanos: u64) {
            self.simulation.step_until_time(nanos as f64);
        }
        fn done(&self) -> (u64, u64) {
            let components = self.components.borrow();
            (components.holder.handled, components.holder.digest)
        }
    }
}

/// Nanoseconds of simulated time in which so many events come.
fn span(events: u64, pending: u32) -> u64 {
    events * 1_000_000_000 / u64::from(pending)
}

/// Every engine handles the same events.
fn check() {
    for (pending, _, digest) in CASES {
        for (name, new) in ENGINES {
            let mut engine = new(pending);
            engine.run_until(span(20_000, pending));
            let done = engine.done();
            assert_eq!(done.1, digest, "{name} handles other events than before with {pending} pending");
        }
    }
}

/// CPU time per event, the engines taking turns.
fn compare() {
    println!("hold model, CPU time per event in ns, {ROUNDS} interleaved rounds: minimum / median");
    println!(
        "{:>10} {:>16} {:>16} {:>16} {:>10} {:>10}",
        "pending", "simctl", "nexosim", "simcore", "nexosim", "simcore"
    );
    for (pending, events, _) in CASES {
        let mut engines = ENGINES.map(|(_, new)| new(pending));
        let mut until = span(2 * u64::from(pending), pending);
        // Everything was scheduled twice: the queues are as they will be.
        engines.iter_mut().for_each(|engine| engine.run_until(until));
        let mut rounds: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            until += span(events, pending);
            for (engine, rounds) in engines.iter_mut().zip(&mut rounds) {
                let before = engine.done().0;
                let start = ProcessTime::now();
                engine.run_until(until);
                let nanos = start.elapsed().as_nanos() as f64;
                rounds.push(nanos / (engine.done().0 - before) as f64);
            }
        }
        let done = engines.each_ref().map(|engine| engine.done());
        assert!(done.iter().all(|work| *work == done[0]), "the engines did other work: {done:?}");
        let ratio = |other: usize| median(rounds[0].iter().zip(&rounds[other]).map(|(ours, theirs)| theirs / ours));
        let cell = |row: &Vec<f64>| {
            let least = row.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
            format!("{least:.0} / {:.0}", median(row.iter().copied()))
        };
        let [ours, nexosim, simcore] = rounds.each_ref().map(cell);
        println!("{pending:>10} {ours:>16} {nexosim:>16} {simcore:>16} {:>9.1}x {:>9.1}x", ratio(1), ratio(2));
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10).warm_up_time(Duration::from_millis(300));
    for (pending, ..) in CASES {
        for (name, new) in ENGINES {
            const EVENTS: u64 = 50_000;
            let mut engine = new(pending);
            let mut until = span(u64::from(pending), pending);
            engine.run_until(until);
            group.throughput(Throughput::Elements(EVENTS));
            group.bench_function(BenchmarkId::new(name, pending), |bencher| {
                bencher.iter(|| {
                    until += span(EVENTS, pending);
                    engine.run_until(until);
                    engine.done()
                });
            });
        }
    }
    group.finish();
}

fn main() {
    check();
    // Cargo says whether this is a benchmark or a test.
    if std::env::args().any(|argument| argument == "--bench") {
        compare();
    }
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion);
    criterion.final_summary();
}
