//! The bus as its users see it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod bucket;
mod endings;
mod groups;
mod isolation;
mod limits;
mod lossy_model;
mod memory;
mod model;
mod numbered;
mod oracle;
mod order;
mod paused;
mod policies;
mod pushback;
