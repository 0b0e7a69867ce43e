//! Exact accounts of what one subscriber received: lost, late, duplicated, damaged.

use std::collections::BTreeMap;
use std::fmt;

use super::form::Form;
use super::payload::Stamp;

/// Everything that must not happen to a message; all zero in a good run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Expected and never received.
    pub(crate) lost: u64,
    /// Received after a later message of the same publisher.
    pub(crate) late: u64,
    /// Received again.
    pub(crate) duplicated: u64,
    /// Not a payload that was sent to this subscriber.
    pub(crate) damaged: u64,
}

impl Faults {
    pub(crate) fn is_clean(&self) -> bool {
        *self == Faults::default()
    }

    /// Without what a policy may do that drops messages, or keeps the latest of a kind.
    pub(crate) fn forgiving(self) -> Faults {
        Faults { lost: 0, late: 0, ..self }
    }

    pub(crate) fn add(&mut self, other: Faults) {
        self.lost += other.lost;
        self.late += other.late;
        self.duplicated += other.duplicated;
        self.damaged += other.damaged;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { lost, late, duplicated, damaged } = self;
        write!(f, "lost {lost}, out of order {late}, duplicated {duplicated}, damaged {damaged}")
    }
}

/// More than any run sends; sequence numbers have 48 bits.
pub(crate) const ENDLESS: u64 = 1 << 48;

/// One subscriber's account of the publishers it is to hear.
#[derive(Debug)]
pub(crate) struct Ledger {
    first_publisher: u16,
    tracks: Vec<Track>,
    form: Form,
    size: usize,
    expected: u64,
    received: u64,
    damaged: u64,
}

impl Ledger {
    /// Expects `count` messages of `size` bytes from each of `publishers` starting at
    /// `first_publisher`, every sequence number from 0.
    pub(crate) fn new(first_publisher: u16, publishers: usize, count: u64, size: usize) -> Self {
        let tracks = (0..publishers).map(|_| Track::new(count)).collect();
        let expected = count * publishers as u64;
        let form = Form::default();
        Ledger { first_publisher, tracks, form, size, expected, received: 0, damaged: 0 }
    }

    /// Messages look like this.
    pub(crate) fn of(self, form: Form) -> Self {
        Ledger { form, ..self }
    }

    /// Expects messages of one publisher without knowing how many, until [`Ledger::close`].
    pub(crate) fn open_ended(size: usize) -> Self {
        Ledger::new(0, 1, ENDLESS, size)
    }

    /// Now it is known that each publisher sent `count`.
    pub(crate) fn close(&mut self, count: u64) {
        self.expected = count * self.tracks.len() as u64;
        self.tracks.iter_mut().for_each(|track| track.count = count);
    }

    /// Books one payload; the stamp if it counts as a delivery.
    pub(crate) fn book(&mut self, payload: &[u8]) -> Option<Stamp> {
        let Some(stamp) = self.form.read(payload, self.size) else {
            self.damaged += 1;
            return None;
        };
        let track = stamp
            .publisher
            .checked_sub(self.first_publisher)
            .and_then(|index| self.tracks.get_mut(usize::from(index)))
            .filter(|track| stamp.sequence < track.count);
        let Some(track) = track else {
            self.damaged += 1;
            return None;
        };
        if !track.book(stamp.sequence) {
            return None;
        }
        self.received += 1;
        Some(stamp)
    }

    /// How many different messages came.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether every expected message came.
    pub(crate) fn is_complete(&self) -> bool {
        self.received == self.expected
    }

    /// The account so far; what has not come yet counts as lost.
    pub(crate) fn faults(&self) -> Faults {
        Faults {
            lost: self.expected.saturating_sub(self.received),
            late: self.tracks.iter().map(|track| track.late).sum(),
            duplicated: self.tracks.iter().map(|track| track.duplicated).sum(),
            // More than were sent: nobody knows which of them are not ours.
            damaged: self.damaged + self.received.saturating_sub(self.expected),
        }
    }
}

/// One publisher's sequence numbers, as one subscriber saw them.
#[derive(Debug)]
struct Track {
    /// Sequence numbers are below this.
    count: u64,
    /// One more than the highest seen.
    next: u64,
    /// Holes below `next`: first missing → first not missing.
    holes: BTreeMap<u64, u64>,
    late: u64,
    duplicated: u64,
}

impl Track {
    fn new(count: u64) -> Self {
        Track { count, next: 0, holes: BTreeMap::new(), late: 0, duplicated: 0 }
    }

    /// Books one number; false if it had come before.
    fn book(&mut self, sequence: u64) -> bool {
        if sequence == self.next {
            self.next += 1;
            return true;
        }
        self.book_out_of_turn(sequence)
    }

    #[cold]
    fn book_out_of_turn(&mut self, sequence: u64) -> bool {
        if sequence > self.next {
            self.holes.insert(self.next, sequence);
            self.next = sequence + 1;
            return true;
        }
        let hole = self.holes.range(..=sequence).next_back().map(|(from, to)| (*from, *to));
        let Some((from, to)) = hole.filter(|(_, to)| sequence < *to) else {
            self.duplicated += 1;
            return false;
        };
        self.holes.remove(&from);
        if from < sequence {
            self.holes.insert(from, sequence);
        }
        if sequence + 1 < to {
            self.holes.insert(sequence + 1, to);
        }
        self.late += 1;
        true
    }
}

#[cfg(test)]
mod tests;
