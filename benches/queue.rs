//! The event queue.
fn main() {}
