//! The hold model (Vaucher and Duval 1975): take the next event, schedule it again an exponential time later. The number
//! of pending events never changes, so what is measured is the engine and nothing else.

use sched::{Span, Time};

use crate::engine::Queue;
use crate::engine::law::Law;

/// Steps of the tabulated law.
const STEPS: usize = 1024;

/// Times to the next event: exponential with a mean of one second, by table, so that the draw costs every engine the
/// same few nanoseconds.
#[derive(Clone, Debug)]
pub struct Gaps {
    state: u64,
    quantiles: Box<[u64; STEPS]>,
}

impl Gaps {
    /// The gaps of a seed.
    pub fn new(seed: u64) -> Gaps {
        let law = Law::Exponential { mean: Span::from_secs(1) };
        let quantile = |step: usize| law.quantile((step as f64 + 0.5) / STEPS as f64).as_nanos();
        Gaps { state: seed, quantiles: Box::new(std::array::from_fn(quantile)) }
    }

    /// The next gap in nanoseconds, never zero.
    pub fn draw(&mut self) -> u64 {
        // SplitMix64. Ten bits choose the step, twenty others spread it over a millisecond, so that ties are rare.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.quantiles[(bits >> 54) as usize] + (bits & 0xf_ffff) + 1
    }
}

/// What the handler of an event does, on every engine: it counts, adds the time to a digest and draws the next gap.
#[derive(Clone, Debug)]
pub struct Holder {
    gaps: Gaps,
    /// Events handled.
    pub handled: u64,
    /// Of the times of all handled events, in order. Engines that handle the same events have the same one.
    pub digest: u64,
}

impl Holder {
    /// Nothing is handled yet.
    pub fn new(seed: u64) -> Holder {
        Holder { gaps: Gaps::new(seed), handled: 0, digest: 0 }
    }

    /// The time to the first event of each component.
    pub fn first(&mut self) -> u64 {
        self.gaps.draw()
    }

    /// An event comes; the answer is the gap to the next one of the same component, in nanoseconds.
    pub fn handle(&mut self, now: u64) -> u64 {
        self.handled += 1;
        self.digest = (self.digest ^ now).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
        self.gaps.draw()
    }
}

/// What happens in [`Engine`]: typed events and one `match`, as in the world of a simulation.
#[derive(Clone, Copy, Debug)]
enum Event {
    Component(Due),
    /// The time to run until has come.
    Stop,
}

/// A component is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    component: u32,
}

impl From<Due> for Event {
    fn from(due: Due) -> Event {
        Event::Component(due)
    }
}

/// The hold model on [`crate::engine`].
#[derive(Debug)]
pub struct Engine {
    queue: Queue<Event>,
    holder: Holder,
}

impl Engine {
    /// So many components, each with one pending event.
    pub fn new(pending: u32, seed: u64) -> Engine {
        let mut queue = Queue::new();
        let mut holder = Holder::new(seed);
        for component in 0..pending {
            queue.after(Span::from_nanos(holder.first()), Due { component });
        }
        Engine { queue, holder }
    }

    /// Handles all events up to a time.
    pub fn run_until(&mut self, until: Time) {
        self.queue.at(until, Event::Stop);
        while let Some((now, event)) = self.queue.pop() {
            match event {
                Event::Component(due) => Engine::due(&mut self.holder, &mut self.queue, now, due),
                Event::Stop => return,
            }
        }
    }

    /// A model's handler: it knows its own event and no other.
    fn due<E: From<Due>>(holder: &mut Holder, queue: &mut Queue<E>, now: Time, due: Due) {
        queue.after(Span::from_nanos(holder.handle(now.as_nanos())), due);
        // The component's row is what a real handler would look up.
        std::hint::black_box(due.component);
    }

    /// What was handled so far.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}
