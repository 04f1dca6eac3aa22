//! The scheduler's hot path.
fn main() {}
