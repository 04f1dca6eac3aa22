//! The discrete-event engine: an event queue that is also the clock, named streams of chance, the draws
//! from them, laws of random times.
//! It knows no Swarm word.

pub mod chance;
pub mod law;
mod queue;
pub mod rng;

pub use queue::Queue;
