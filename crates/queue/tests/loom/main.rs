//! Models of the queues and of waiting, run in every order that the memory model allows.
//!
//! `cargo xtask loom`, which is
//! `RUSTFLAGS="--cfg floodway_loom" cargo test --release -p floodway-queue --test loom`
//!
//! A lost wake-up is a deadlock here, which loom reports; a data race, a leak of a segment or of
//! an item, and a double drop are reported too. Each model has at most three threads, and one to
//! three places where a thread is interrupted, which keeps all of them together within two minutes.
//! Segments have two slots in this build, so that a model reaches the third one.
//!
//! Of all accesses to an atomic, loom remembers the last one only: a thread's load right before its
//! own store hides that store from another thread's load. So what is modelled reads such words by
//! `sync::peek` or `sync::own`. A model that ends after a handful of orders has met something like
//! it: look at the count, which `-- --nocapture` prints.
#![cfg(floodway_loom)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod broadcast;
mod mailbox;
mod overwriting;
mod ring;
mod waiters;

/// Steps of one order: one that takes more is an endless loop.
const MAX_BRANCHES: usize = 3_000;

/// Tries all orders of `model`, with up to `preemptions` places where a thread is interrupted.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = MAX_BRANCHES;
    let orders = Arc::new(AtomicUsize::new(0));
    let count = orders.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}
