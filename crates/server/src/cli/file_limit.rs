//! Room for connections: each is an open file, and shells allow as few as 1024 by default.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: listeners, pollers, log, status pages; a generous guess.
const OTHER_FILES: u64 = 64;

/// The number of open files that the system allows at most.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFew(pub(super) u64);

/// Raises this process's limit of open files for so many connections, or as far as it may go.
pub(super) fn raise(connections: usize) -> Result<(), TooFew> {
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = wanted(limit.current, limit.maximum, connections) else { return Ok(()) };
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        // Then the limit is what it was, and it was a number, or nothing would be wanted.
        Err(_) => limit.current.unwrap_or(wanted),
    };
    if allowed < needed(connections) { Err(TooFew(allowed)) } else { Ok(()) }
}

/// What to set the limit to; `None` if it is enough already. A limit of `None` is no limit.
fn wanted(current: Option<u64>, maximum: Option<u64>, connections: usize) -> Option<u64> {
    let needed = needed(connections);
    let current = current.filter(|current| *current < needed)?;
    Some(maximum.map_or(needed, |maximum| maximum.min(needed)).max(current))
}

fn needed(connections: usize) -> u64 {
    connections as u64 + OTHER_FILES
}

#[cfg(test)]
mod tests;
