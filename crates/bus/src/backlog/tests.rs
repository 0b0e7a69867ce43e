//! The backlog by itself.
