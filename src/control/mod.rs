//! The daemon's socket and its metrics page.
