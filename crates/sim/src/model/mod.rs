//! The models: daemons, images, overlay networks, failures, heartbeats,
//! what users bring.
//!
//! A model has its own events and schedules only those, and tells what happens as [facts](crate::fact); it never sees the
//! world or another model, and can be run alone. What one model needs of another, the world hands over. Its plan,
//! as the scenario resolves it, stands beside it.

pub mod agent;
pub mod autoscaler;
pub mod cores;
pub mod failure;
pub mod flow;
pub mod gossip;
pub mod heartbeat;
pub mod image;
pub mod image_cache;
pub mod join;
pub mod links;
pub mod managers;
pub mod operator;
pub mod overlay;
pub mod pace;
pub mod requests;
pub mod subnet;
pub mod workload;
