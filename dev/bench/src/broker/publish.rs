//! One publisher: a thread that writes prepared commands, flat out or at a steady rate.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::form::Form;
use super::link::Link;
use super::payload::{self, Stamp};
use super::watch::Watch;

/// Bytes a publisher hands to the system at once; more does not make a publisher faster.
const WRITE_SIZE: usize = 64 * 1024;

/// What one publisher is to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) publisher: u16,
    /// Taken in turn; all of the same length.
    pub(crate) subjects: Vec<String>,
    pub(crate) form: Form,
    pub(crate) size: usize,
    pub(crate) count: u64,
    /// Messages per second; `None` is flat out.
    pub(crate) rate: Option<f64>,
    /// At a rate, so many fall due together: more in each of the server's reads, which makes its
    /// work less dependent on when exactly it wakes.
    pub(crate) burst: u64,
    /// Whoever may end it before `count`.
    pub(crate) watch: Option<Arc<Watch>>,
}

impl Load {
    /// Sends everything, waits until the server has taken it, and says how many that were.
    pub(crate) fn run(&self, link: &mut Link) -> io::Result<u64> {
        let mut reel = Reel::new(self, link);
        let sent = match self.rate {
            None => self.flat_out(link, &mut reel)?,
            Some(rate) => self.steadily(link, &mut reel, rate)?,
        };
        link.sync()?;
        Ok(sent)
    }

    fn is_done(&self, sent: u64) -> bool {
        sent >= self.count || self.watch.as_ref().is_some_and(|watch| watch.is_stopped())
    }

    fn flat_out(&self, link: &mut Link, reel: &mut Reel) -> io::Result<u64> {
        let mut sent = 0;
        while !self.is_done(sent) {
            let batch = reel.room().min(self.count - sent);
            let at = payload::now();
            link.send(reel.stamp(self.publisher, sent, batch, |_| at))?;
            sent += batch;
            link.drain()?;
        }
        Ok(sent)
    }

    /// Sends what is due, together if several are, and sleeps until the next is.
    ///
    /// A message is stamped with the time it is sent, for sleeping late is the load's own fault;
    /// but one that fell due while the server held up the previous write is stamped with the time
    /// it was due, or a server that stalls would hide the stall from the latency.
    fn steadily(&self, link: &mut Link, reel: &mut Reel, rate: f64) -> io::Result<u64> {
        // Without this a sleep is 50 us late on purpose; a system that cannot do it is only later.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let interval = 1e9 / rate;
        let start = payload::now();
        let burst = self.burst;
        let due = |sequence: u64| start + ((sequence / burst * burst) as f64 * interval) as u64;
        let (mut sent, mut released) = (0, start);
        while !self.is_done(sent) {
            let now = payload::now();
            if now < due(sent) {
                thread::sleep(Duration::from_nanos(due(sent) - now));
                continue;
            }
            let fallen_due = (((now - start) as f64 / interval) as u64 / burst + 1) * burst;
            let batch = (fallen_due.min(self.count) - sent).clamp(1, reel.room());
            let sent_at = |sequence| if due(sequence) < released { due(sequence) } else { now };
            link.send(reel.stamp(self.publisher, sent, batch, sent_at))?;
            released = payload::now();
            sent += batch;
            link.drain()?;
        }
        Ok(sent)
    }
}

/// Ready-made publish commands in a row; sending means patching payloads and writing a stretch.
#[derive(Debug)]
struct Reel {
    bytes: Vec<u8>,
    /// Bytes of one command: all are equally long.
    pitch: usize,
    form: Form,
    /// Bytes of the header block and of the payload, which close the command.
    header: usize,
    size: usize,
    commands: u64,
    /// Commands in one write.
    batch: u64,
    next: u64,
}

impl Reel {
    fn new(load: &Load, link: &Link) -> Self {
        let (header, blank) = (load.form.header(), load.form.blank(load.size));
        let mut bytes = Vec::new();
        let mut commands = 0_usize;
        // At least one write's worth, in whole rounds of the subjects: a reel starts again where
        // it began.
        while bytes.len() < WRITE_SIZE || !commands.is_multiple_of(load.subjects.len()) {
            let subject = &load.subjects[commands % load.subjects.len()];
            match header.as_str() {
                "" => link.protocol().publish(&mut bytes, subject, "", &blank),
                header => link.protocol().publish_with(&mut bytes, subject, header, &blank),
            }
            commands += 1;
        }
        let pitch = bytes.len() / commands;
        Reel {
            bytes,
            pitch,
            form: load.form,
            header: header.len(),
            size: blank.len(),
            commands: commands as u64,
            batch: (WRITE_SIZE / pitch).max(1) as u64,
            next: 0,
        }
    }

    /// How many commands the next write may have.
    fn room(&self) -> u64 {
        self.batch.min(self.commands - self.next)
    }

    /// The next `batch` commands, with their payloads stamped.
    fn stamp(
        &mut self,
        publisher: u16,
        first: u64,
        batch: u64,
        sent_at: impl Fn(u64) -> u64,
    ) -> &[u8] {
        let begin = self.next as usize * self.pitch;
        let end = begin + batch as usize * self.pitch;
        let stretch = &mut self.bytes[begin..end];
        // The line end is behind the payload.
        let body_at = self.pitch - 2 - self.size - self.header;
        for (sequence, command) in (first..).zip(stretch.chunks_exact_mut(self.pitch)) {
            let stamp = Stamp { publisher, sequence, sent_at: sent_at(sequence) };
            let (header, rest) = command[body_at..].split_at_mut(self.header);
            self.form.stamp(stamp, header, &mut rest[..self.size]);
        }
        self.next = (self.next + batch) % self.commands;
        stretch
    }
}
