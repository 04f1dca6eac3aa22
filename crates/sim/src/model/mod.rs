//! The models: daemons, images, overlay networks, failures.
