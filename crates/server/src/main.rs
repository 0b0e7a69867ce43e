//! The `floodway` binary; everything is in the library beside it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    floodway_server::cli::main()
}
