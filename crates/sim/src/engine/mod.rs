//! The discrete-event engine. It knows no Swarm word.

pub mod law;
