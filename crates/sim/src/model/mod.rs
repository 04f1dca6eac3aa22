//! The models: daemons, images, overlay networks, failures, heartbeats.
//!
//! A model has its own events and schedules only those; it never sees the world or another model, and can be run alone.
//! What one model needs of another, [`crate::world`] hands over.

pub mod agent;
pub mod failure;
pub mod heartbeat;
pub mod image;
pub mod overlay;
