//! Comparison tables: floodway beside its peers, measured in one run on one machine.
//!
//! Each subcommand starts what it compares, drives all of it with the same load, alternating from
//! one to the next so that a noisy minute hurts everybody, and prints medians with their spread.
//! A run that lost, reordered or repeated a message is a failure, never a figure.
#![forbid(unsafe_code)]

mod broker;
mod bus;
mod counted;
mod query;
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
    /// The floodway binary beside nats-server and redis-server, over loopback TCP
    Broker(broker::Arguments),
    /// The bus beside tokio's channels and async-broadcast, in one process
    Bus(bus::Arguments),
    /// Content queries, in one process, beside their bars
    Query(query::Arguments),
    /// Our queues beside those of other crates, in one process
    Queues(queues::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().comparison {
        Comparison::Broker(arguments) => exit_code(broker::run(&arguments)),
        Comparison::Bus(arguments) => exit_code(bus::run(&arguments, None)),
        Comparison::Query(arguments) => exit_code(query::run(&arguments)),
        Comparison::Queues(arguments) => exit_code(queues::run(&arguments, None)),
    }
}

fn exit_code(outcome: Result<(), impl Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floodway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
