//! `floodway-bench queues` under an allocator that counts what is asked of it.
//!
//! A program of its own, because counting would change the figures of whatever allocates.
//! `floodway-bench queues` builds it and starts it for the case of memory.
#![forbid(unsafe_code)]

mod queues;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    queues: queues::Arguments,
}

/// Bytes of heap that are in use after it and were not before.
fn count(work: &mut dyn FnMut()) -> i64 {
    allocation_counter::measure(work).bytes_current
}

fn main() -> ExitCode {
    match queues::run(&Arguments::parse().queues, Some(count)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floodway-bench-counting: {error}");
            ExitCode::FAILURE
        }
    }
}
