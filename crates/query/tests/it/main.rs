//! What users of the crate rely on.

mod allocation;
mod extended;
mod hostile;
mod index;
mod numbers;
mod oracle;
mod random;
mod strict;
