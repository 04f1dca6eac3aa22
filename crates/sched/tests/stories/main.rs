//! Stories about the core: what Swarm does in one situation each, told in the operator's words.
//!
//! The numbers in the names and comments (`RF-01`, `SP-20`) are those of the project's catalogue of behaviours.
mod api;
mod constraints;
mod coverage;
mod enforcer;
mod failover;
mod filters;
mod global;
mod jobs;
mod laws;
mod nodes;
mod placement;
mod readiness;
mod reaper;
mod replicated;
mod resources;
mod restart;
mod spread;
mod storms;
mod swarm;
mod update;
