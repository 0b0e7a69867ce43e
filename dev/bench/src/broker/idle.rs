//! Idle connections: what each costs in memory while nothing happens.

use std::io;
use std::thread;
use std::time::Duration;

use super::link::{Link, Target};
use super::outcome::{Metric, Outcome};
use super::usage;

/// How long the server may settle before its memory is read: some free what connecting took.
const SETTLE: Duration = Duration::from_secs(1);

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
}

impl Idle {
    /// Runs it against a fresh server. The connections come back, to be closed after the server:
    /// whoever closes first keeps the port busy for a minute, and that should not be the load.
    pub(crate) fn run(&self, target: Target) -> (Outcome, Vec<Link>) {
        let mut links = Vec::with_capacity(self.connections);
        let outcome = self.measure(target, &mut links).map_err(|error| error.to_string());
        (outcome, links)
    }

    fn measure(&self, target: Target, links: &mut Vec<Link>) -> io::Result<Vec<(Metric, f64)>> {
        let missing = || io::Error::other("the server's memory cannot be read");
        let pid = target.pid.ok_or_else(missing)?;
        let before = usage::resident(pid).ok_or_else(missing)?;
        for index in 0..self.connections {
            let mut link = Link::open_small(target)?;
            link.subscribe(&[format!("bench.idle.{index}")])?;
            links.push(link);
        }
        thread::sleep(SETTLE);
        let after = usage::resident(pid).ok_or_else(missing)?;
        // All of them must still be served; a server that dropped half would look cheap.
        for link in links.iter_mut() {
            link.sync()?;
        }
        Ok(vec![
            (Metric::BytesEach, (after - before) / self.connections as f64),
            (Metric::ResidentPeak, after / 1e6),
        ])
    }
}
