//! The one seam between the standard library and loom: atomics, cells, locks, memory and threads.
//!
//! Three builds see three sets of the same names. The shipped one is std's, at no cost. Under
//! `--cfg floodway_loom` they are loom's, which tries every order that the memory model allows.
//! In unit tests the atomics count how often they are used, so that a test can say what a batch
//! costs in synchronising operations.

#[cfg(all(test, not(floodway_loom)))]
pub(crate) mod counted;
#[cfg(floodway_loom)]
mod modelled;
#[cfg(not(floodway_loom))]
mod native;

#[cfg(floodway_loom)]
pub(crate) use modelled::*;
#[cfg(not(floodway_loom))]
pub(crate) use native::*;
pub(crate) use std::sync::atomic::Ordering;
