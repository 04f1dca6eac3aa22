//! Docker stack files.
