//! Models of what the bus does without a lock around all of it, run in every order that the memory
//! model allows.
//!
//! `RUSTFLAGS="--cfg floodway_loom" cargo test --release -p floodway --test loom`
//!
//! These are *extracted* models: the bus is written with std's locks and atomics, so each protocol
//! is written down here once more, line by line, with loom's. What is proved is the protocol and
//! its memory orderings, not the bus's own text; each model names the functions it stands for, and
//! has to be changed with them. What waits and wakes is proved on the real code in `crates/queue`.
#![cfg(floodway_loom)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod end;
mod hand;
mod routes;
mod turns;

/// Tries all orders of `model`, with up to `preemptions` places where a thread is interrupted.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 3_000;
    builder.check(model);
}
