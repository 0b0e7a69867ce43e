//! How a command ends when it does not end well: one line on stderr, and the exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use super::ClientError;
use super::address::AddressError;

/// Why a command stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What was typed makes no sense: exit code 2.
    Usage(String),
    /// It was tried and did not work: exit code 1.
    Failed(String),
    /// Whoever read our standard output went away (`| head`), which is a normal end.
    OutputClosed,
}

impl Failure {
    /// A failure of the run, from anything printable.
    pub(crate) fn failed(why: impl fmt::Display) -> Failure {
        Failure::Failed(why.to_string())
    }

    /// A mistake in what was typed.
    pub(crate) fn usage(why: impl fmt::Display) -> Failure {
        Failure::Usage(why.to_string())
    }

    /// What writing to standard output failed with.
    pub(crate) fn output(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::OutputClosed
        } else {
            Failure::Failed(format!("cannot write to standard output: {error}"))
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::failed(error)
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Failure {
        Failure::usage(error)
    }
}

/// Prints the failure, if any, and turns the outcome into an exit code.
pub(crate) fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => {
            note(&format!("error: {text}"));
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            note(&format!("error: {text}"));
            ExitCode::from(2)
        }
    }
}

/// Prints one line on stderr. Unlike `eprintln!` it does not panic when stderr is gone.
pub(crate) fn note(line: &str) {
    let _unheard = writeln!(io::stderr(), "{line}");
}

/// Prints one line on standard output.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|error| Failure::output(&error))
}

/// `1 message`, `2 messages`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = match (count, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with('y') => {
            return format!("{count} {}ies", &noun[..noun.len() - 1]);
        }
        _ => "s",
    };
    format!("{count} {noun}{plural}")
}
