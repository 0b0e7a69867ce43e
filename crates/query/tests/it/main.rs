//! What users of the crate rely on.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod allocation;
mod extended;
mod fuzz;
mod hostile;
mod index;
mod limit;
mod numbers;
mod oracle;
mod patterns;
mod random;
mod strict;
mod sweep;
