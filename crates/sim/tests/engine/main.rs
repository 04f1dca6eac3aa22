//! What the engine promises beside the order of events. One test: the allocations of the whole process are counted.

use std::alloc::System;

use sched::Time;
use sim::bench::hold::Engine;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn an_event_allocates_nothing() {
    for pending in [100, 1_000, 100_000] {
        let filling = Region::new(ALLOCATOR);
        let mut engine = Engine::new(pending, 1);
        assert!(0 < filling.change().allocations, "the counter counts");
        // Until the queue has been in use for some time.
        let span = |events: u64| Time::from_nanos(events * 1_000_000_000 / u64::from(pending));
        engine.run_until(span(1_000_000 + 2 * u64::from(pending)));
        let before = engine.holder().handled;
        let steady = Region::new(ALLOCATOR);
        engine.run_until(span(2_000_000 + 2 * u64::from(pending)));
        let change = steady.change();
        assert!(900_000 < engine.holder().handled - before);
        assert_eq!((change.allocations, change.reallocations), (0, 0), "with {pending} pending");
    }
}
