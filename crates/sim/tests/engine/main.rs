//! What the engine promises beside the order of events.

use sched::Time;
use sim::bench::hold::Engine;

/// Allocations of a million events under the hold model, when the queue has been in use for some time.
fn allocations(pending: u32) -> u64 {
    let mut engine = Engine::new(pending, 1);
    let span = |events: u64| Time::from_nanos(events * 1_000_000_000 / u64::from(pending));
    engine.run_until(span(1_000_000 + 2 * u64::from(pending)));
    let handled = engine.holder().handled;
    let counted = allocation_counter::measure(|| engine.run_until(span(2_000_000 + 2 * u64::from(pending))));
    assert!(engine.holder().handled - handled > 900_000);
    counted.count_total
}

#[test]
fn an_event_allocates_nothing() {
    for pending in [100, 1_000, 100_000] {
        assert_eq!(allocations(pending), 0, "with {pending} pending");
    }
}

#[test]
fn filling_a_queue_is_counted() {
    let counted = allocation_counter::measure(|| drop(Engine::new(100_000, 1)));
    assert!(100_000 / 128 < counted.count_total, "the counter counts: {counted:?}");
}
