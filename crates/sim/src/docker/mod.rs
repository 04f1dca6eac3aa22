//! A run as Docker shows it: the objects of the Engine API, and the words and tables of the command line.
//!
//! [`engine::Engine`] makes [`objects`] from a [`Simulation`](crate::simulation::Simulation) and answers as an engine of the
//! swarm would: lists with filters, one object by name or id, refusals with their status. [`client`] prints what the command
//! `docker` prints, and knows nothing but these answers. Both read only.
//!
//! What is not simulated is left out of an object, and never made up: certificates, process ids, digests of images, the host
//! of an engine beyond what the scenario says. What every swarm has but no scenario names is derived from numbers of the run
//! and the same each time: ids, addresses of machines, and the date, see [`stamp::BEGINNING`].

pub mod client;
pub mod engine;
pub mod filters;
pub mod objects;
pub mod stamp;

mod make;

/// The API version whose objects these are: that of Docker 20.10, of which real sessions were recorded.
pub const API_VERSION: &str = "1.41";

/// What engines say that they are. The simulated rules are SwarmKit's, which releases of the engine share; the objects are of
/// the API of this one.
pub const ENGINE_VERSION: &str = "20.10.24";
