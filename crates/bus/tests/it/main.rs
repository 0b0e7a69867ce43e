//! The bus as its users see it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod bucket;
mod endings;
mod groups;
mod isolation;
mod limits;
mod memory;
mod model;
mod numbered;
mod order;
mod pushback;
