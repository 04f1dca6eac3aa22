//! A discrete-event simulator of Docker Swarm clusters.
//!
//! [`simulation::Simulation`] is the front door: one run, which can be stepped, read, changed by orders and cloned.
//!
//! The way through: [`scenario`] reads what the user wrote, [`experiment`] plans and runs it, one [`simulation`] after the
//! other: `sched`'s manager surrounded by the [`model`]s on the [`engine`], observed by [`metrics`]; [`stats`] and [`report`]
//! turn outcomes into CSV, pictures and pages; [`compose`] reads Docker stack files; [`cli`] is `simctl`.
//! [`outside`] is how all of them open files and show foreign text.

pub mod bench;
pub mod cli;
pub mod compose;
pub mod conform;
pub mod digest;
pub mod docker;
pub mod drill;
pub mod engine;
pub mod experiment;
pub mod fact;
pub mod listen;
pub mod metrics;
pub mod model;
pub mod order;
pub mod outside;
pub mod refusal;
pub mod report;
pub mod scenario;
pub mod simulation;
pub mod stats;
pub mod trace;
mod world;
