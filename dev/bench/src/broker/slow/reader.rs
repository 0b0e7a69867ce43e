//! A subscriber that reads slowly, stops reading, and reads on: what it saw.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::link::{Link, refused};
use super::super::payload::Stamp;
use super::super::watch::Watch;
use super::super::wire::{Item, PING, header_number};

/// How often it reads: at a tenth of the healthy ones' speed some KiB are due by then.
const TICK: Duration = Duration::from_millis(2);

/// As fast as it goes, until everything has come.
const FREELY: u64 = u64::MAX;

/// At which speed it is to read; shared with the thread that reads.
#[derive(Debug)]
pub(crate) struct Speed {
    bytes_per_s: AtomicU64,
    read: AtomicU64,
    over: AtomicU64,
}

impl Speed {
    pub(crate) fn new(bytes_per_s: u64) -> Speed {
        let bytes_per_s = AtomicU64::new(bytes_per_s);
        Speed { bytes_per_s, read: AtomicU64::new(0), over: AtomicU64::new(0) }
    }

    /// Reads nothing until told otherwise.
    pub(crate) fn pause(&self) {
        self.bytes_per_s.store(0, Ordering::Relaxed);
    }

    /// Reads everything that comes before the answer to one last question.
    pub(crate) fn read_all(&self) {
        self.bytes_per_s.store(FREELY, Ordering::Relaxed);
    }

    /// Ends, wherever it is.
    pub(crate) fn end(&self) {
        self.over.store(1, Ordering::Relaxed);
    }

    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// A message, and where in the stream of bytes the read ended that completed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
}

/// How far it had read when the newest message anybody had was this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) read: u64,
    pub(crate) newest: u64,
}

/// Everything the reader saw.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) taken: Vec<Taken>,
    pub(crate) seen: Vec<Seen>,
    /// Messages it was told that it missed.
    pub(crate) missed: u64,
    /// Messages it was told that were replaced.
    pub(crate) conflated: u64,
    pub(crate) damaged: u64,
    /// Bytes it had read when it was first told to read nothing.
    pub(crate) paused_at: Option<u64>,
}

/// Reads until the end it is told, or the server's.
pub(crate) fn read(
    mut link: Link,
    speed: &Speed,
    watch: &Watch,
    size: usize,
) -> io::Result<(Diary, Link)> {
    let (mut diary, mut asked, mut answered) = (Diary::default(), false, false);
    let (mut before, mut due) = (Instant::now(), 0.0);
    while !answered && speed.over.load(Ordering::Relaxed) == 0 {
        let now = Instant::now();
        let passed = now.duration_since(before).as_secs_f64();
        before = now;
        let most = match speed.bytes_per_s.load(Ordering::Relaxed) {
            FREELY => {
                if !asked {
                    asked = true;
                    link.send(PING)?;
                }
                usize::MAX
            }
            rate => {
                if rate == 0 {
                    diary.paused_at.get_or_insert(link.bytes_read());
                }
                due = if rate == 0 { 0.0 } else { due + passed * rate as f64 };
                due as usize
            }
        };
        let count = if most == 0 {
            0
        } else {
            match diary.read_once(&mut link, most, watch, size, &mut answered) {
                Ok(count) => count,
                // The server ends slow ones; what it told before that has been read.
                Err(error) if is_end(&error) => break,
                Err(error) => return Err(error),
            }
        };
        speed.read.store(link.bytes_read(), Ordering::Relaxed);
        due -= count as f64;
        if count < most {
            // It has caught up, and does not get the time it waited back.
            due = due.min(0.0);
        }
        thread::sleep(TICK);
    }
    Ok((diary, link))
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
}

impl Diary {
    fn read_once(
        &mut self,
        link: &mut Link,
        most: usize,
        watch: &Watch,
        size: usize,
        answered: &mut bool,
    ) -> io::Result<usize> {
        let (first, mut told) = (self.taken.len(), None);
        let count = link.read_at_most(most, |item| match item {
            Item::Message { header, payload, .. } => {
                self.missed += header_number(header, "Floodway-Missed");
                self.conflated += header_number(header, "Floodway-Conflated");
                match Stamp::read(payload, size) {
                    Some(Stamp { sequence, .. }) => self.taken.push(Taken { offset: 0, sequence }),
                    None => self.damaged += 1,
                }
            }
            Item::Pong => *answered = true,
            Item::Error(text) => told = Some(refused(text)),
            Item::Ping | Item::Other => {}
        })?;
        let read = link.bytes_read();
        self.taken[first..].iter_mut().for_each(|taken| taken.offset = read);
        if count > 0 {
            self.seen.push(Seen { read, newest: watch.newest() });
        }
        told.map_or(Ok(count), Err)
    }

    /// How many messages follow the last gap, if they are the newest of all that were published.
    pub(crate) fn newest_held(&self, published: u64) -> Result<u64, String> {
        let last = self.taken.last().map(|taken| taken.sequence);
        if last != published.checked_sub(1) {
            return Err(format!("the last message was {last:?} of {published} published"));
        }
        let in_a_row = |pair: &&[Taken]| pair[0].sequence + 1 == pair[1].sequence;
        let steps = self.taken.windows(2).rev().take_while(in_a_row).count();
        Ok(steps as u64 + 1)
    }

    /// The greatest age of a message when it left the queue, in messages published since: when
    /// the reader had read all but `buffer` bytes of what comes before its end, which is the
    /// earliest that the sockets could take it. First of what was read before it was told to
    /// read nothing, then of what was read after that: what had left the queue for the server's
    /// own stream by then was not replaced any more, and aged all the while.
    pub(crate) fn worst_ages(&self, buffer: u64) -> (u64, u64) {
        let paused_at = self.paused_at.unwrap_or(u64::MAX);
        let (mut before, mut after) = (0, 0);
        let mut at = 0;
        for taken in &self.taken {
            // What the sockets took at once, when they were empty, was never queued.
            let earliest = taken.offset.saturating_sub(buffer);
            if earliest == 0 {
                continue;
            }
            while at + 1 < self.seen.len() && self.seen[at].read < earliest {
                at += 1;
            }
            let newest = self.seen.get(at).map_or(0, |seen| seen.newest);
            let worst = if taken.offset <= paused_at { &mut before } else { &mut after };
            *worst = newest.saturating_sub(taken.sequence).max(*worst);
        }
        (before, after)
    }

    /// Whether the last message of each of `keys`, which were published in turn, is the newest.
    pub(crate) fn ends_with_the_newest(&self, keys: u64, published: u64) -> Result<(), String> {
        let mut newest = vec![None; keys as usize];
        for taken in &self.taken {
            newest[(taken.sequence % keys) as usize] = Some(taken.sequence);
        }
        for sequence in published.saturating_sub(keys)..published {
            let last = newest[(sequence % keys) as usize];
            if last != Some(sequence) {
                return Err(format!("the newest of its key is {sequence}, and {last:?} came last"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diary(sequences: &[u64]) -> Diary {
        let taken = (1..).zip(sequences);
        let taken = taken.map(|(n, &sequence)| Taken { offset: n * 100, sequence }).collect();
        Diary { taken, ..Diary::default() }
    }

    #[test]
    fn what_follows_the_last_gap_is_counted_if_it_is_the_newest() {
        assert_eq!(diary(&[0, 1, 5, 7, 8, 9]).newest_held(10), Ok(3));
        assert_eq!(diary(&[0, 1, 2]).newest_held(3), Ok(3), "no gap at all");
        assert_eq!(diary(&[0, 9]).newest_held(10), Ok(1));
        assert!(diary(&[0, 7, 8]).newest_held(10).is_err(), "the newest is missing");
        assert!(diary(&[]).newest_held(10).is_err());
    }

    #[test]
    fn every_key_ends_with_its_newest() {
        // Three keys in turn, eight messages: the newest are 6 (key 0), 7 (key 1) and 5 (key 2).
        assert_eq!(diary(&[0, 1, 2, 5, 6, 7]).ends_with_the_newest(3, 8), Ok(()));
        assert_eq!(diary(&[7, 5, 6]).ends_with_the_newest(3, 8), Ok(()), "in any order");
        assert!(diary(&[0, 1, 2, 6, 7]).ends_with_the_newest(3, 8).is_err(), "an old one of key 2");
        assert!(diary(&[6, 7]).ends_with_the_newest(3, 8).is_err(), "none of key 2");
    }

    #[test]
    fn the_age_is_as_of_when_the_sockets_could_take_it() {
        let mut diary = diary(&[10, 11, 50]);
        diary.seen =
            [(100, 20), (200, 40), (300, 90)].map(|(read, newest)| Seen { read, newest }).into();
        // Without a buffer each message is as old as when it was read.
        assert_eq!(diary.worst_ages(0), (40, 0), "50 when 90 was the newest");
        // With one, it was taken when the reader was a message further back.
        assert_eq!(diary.worst_ages(100), (9, 0), "11 when 20 was the newest");
        assert_eq!(diary.worst_ages(1000), (0, 0));
        diary.paused_at = Some(200);
        assert_eq!(diary.worst_ages(0), (29, 40), "11 when 40 was the newest, and then 50");
    }
}
