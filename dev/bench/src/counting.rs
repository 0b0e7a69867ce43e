//! `floodway-bench queues` and `floodway-bench bus` under an allocator that counts what is asked of
//! it.
//!
//! A program of its own, because counting would change the figures of whatever allocates.
//! `floodway-bench` builds it and starts it for the cases of memory.
#![forbid(unsafe_code)]

mod bus;
mod counted;
mod queues;
mod table;
mod watchdog;

use std::fmt::Display;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    comparison: Comparison,
}

#[derive(Debug, Subcommand)]
enum Comparison {
    /// As `floodway-bench bus`
    Bus(bus::Arguments),
    /// As `floodway-bench queues`
    Queues(queues::Arguments),
}

/// Bytes of heap that are in use after it and were not before.
fn left(work: &mut dyn FnMut()) -> i64 {
    allocation_counter::measure(work).bytes_current
}

/// How often it asked for memory, and for how many bytes.
fn asked(work: &mut dyn FnMut()) -> (u64, u64) {
    let counted = allocation_counter::measure(work);
    (counted.count_total, counted.bytes_total)
}

fn main() -> ExitCode {
    match Arguments::parse().comparison {
        Comparison::Bus(arguments) => exit_code(bus::run(&arguments, Some(asked))),
        Comparison::Queues(arguments) => exit_code(queues::run(&arguments, Some(left))),
    }
}

fn exit_code(outcome: Result<(), impl Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floodway-bench-counting: {error}");
            ExitCode::FAILURE
        }
    }
}
