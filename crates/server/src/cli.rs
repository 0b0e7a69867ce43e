//! The command line: what a person types, and what they read when they typed it wrong.
//!
//! Exit codes: 0 done, 1 tried and failed, 2 not understood or not possible as asked.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod client;
mod demo;
mod file_limit;
mod logging;
mod publish;
mod query;
mod reply;
mod request;
mod run_files;
mod serve;
mod signals;
mod slow;
mod sub;

/// A message broker in which a consumer that cannot keep up floods only itself.
///
/// It speaks the NATS client protocol: NATS clients of every language work as they are.
#[derive(Debug, Parser)]
#[command(name = "floodway", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  floodway serve                             a server for this machine, on 127.0.0.1:4222
  floodway sub 'orders.>'                    print what is published below `orders`
  floodway pub orders.eu 'one order'         publish a message
  floodway reply time.now --command date     answer requests
  floodway request time.now                  ask, and print the answer
  floodway bench                             measure a server
  floodway demo                              see slow consumers flood only themselves
  floodway slow                              show who cannot keep up
  floodway query check 'price > 5'           try a content query

`floodway help COMMAND` tells more about each.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    #[command(name = "pub")]
    Publish(publish::Args),
    Sub(sub::Args),
    Request(request::Args),
    Reply(reply::Args),
    Bench(bench::Args),
    Demo(demo::Args),
    Slow(slow::Args),
    Query(query::Args),
}

/// Runs what the command line asks for; the binary's whole `main`.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Publish(args) => publish::run(args),
        Command::Sub(args) => sub::run(args),
        Command::Request(args) => request::run(args),
        Command::Reply(args) => reply::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Slow(args) => slow::run(args),
        Command::Query(args) => query::run(args),
    }
}

#[cfg(test)]
mod tests;
