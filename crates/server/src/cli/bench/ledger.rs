//! Which messages a subscriber has, exactly: lost, duplicated and out of order are told apart.

use std::collections::BTreeMap;

/// What one subscriber received, by publisher.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    tracks: Vec<Track>,
    /// Different messages received.
    pub(super) distinct: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
}

/// What came from one publisher.
#[derive(Debug, Clone)]
enum Track {
    /// For a subscriber that should get everything: what is missing below `next`, as ranges from
    /// the key up to, not including, the value. Nothing is stored while nothing is missing.
    Whole { next: u64, holes: BTreeMap<u64, u64> },
    /// For a member of a queue group, which misses most: one bit a message.
    Part { next: u64, bits: Vec<u64> },
}

impl Ledger {
    /// For a subscriber that should get every message of each publisher.
    pub(super) fn whole(publishers: u32) -> Ledger {
        Ledger::of((0..publishers).map(|_| Track::Whole { next: 0, holes: BTreeMap::new() }))
    }

    /// For a member of a queue group; `shares` says how many messages each publisher sends.
    pub(super) fn part(shares: impl Iterator<Item = u64>) -> Ledger {
        let words = |share: u64| usize::try_from(share.div_ceil(64)).unwrap_or(usize::MAX);
        Ledger::of(shares.map(|share| Track::Part { next: 0, bits: vec![0; words(share)] }))
    }

    fn of(tracks: impl Iterator<Item = Track>) -> Ledger {
        Ledger { tracks: tracks.collect(), distinct: 0, duplicates: 0, out_of_order: 0 }
    }

    /// Enters a message; false if no publisher of the run can have sent it.
    pub(super) fn record(&mut self, publisher: u32, seq: u64) -> bool {
        let Some(track) = self.tracks.get_mut(publisher as usize) else { return false };
        let next = match track {
            Track::Whole { next, .. } | Track::Part { next, .. } => next,
        };
        let late = seq < *next;
        match track {
            Track::Whole { next, holes } => match seq {
                _ if seq == *next => *next += 1,
                _ if !late => {
                    holes.insert(*next, seq);
                    *next = seq + 1;
                }
                _ if fill(holes, seq) => {}
                _ => {
                    self.duplicates += 1;
                    return true;
                }
            },
            Track::Part { next, bits } => {
                let Some(word) = usize::try_from(seq / 64).ok().and_then(|at| bits.get_mut(at))
                else {
                    return false;
                };
                let bit = 1 << (seq % 64);
                if *word & bit != 0 {
                    self.duplicates += 1;
                    return true;
                }
                *word |= bit;
                *next = (*next).max(seq + 1);
            }
        }
        self.distinct += 1;
        self.out_of_order += u64::from(late);
        true
    }

    /// How many different messages the members of a queue group have together. What two of them
    /// have is a duplicate that neither could see.
    pub(super) fn union(members: &[&Ledger]) -> u64 {
        let Some((first, others)) = members.split_first() else { return 0 };
        let mut count = 0;
        for (publisher, track) in first.tracks.iter().enumerate() {
            let Track::Part { bits, .. } = track else { continue };
            for (at, word) in bits.iter().enumerate() {
                let word =
                    others.iter().fold(*word, |word, other| match &other.tracks[publisher] {
                        Track::Part { bits, .. } => word | bits[at],
                        Track::Whole { .. } => word,
                    });
                count += u64::from(word.count_ones());
            }
        }
        count
    }
}

/// Takes a number out of the ranges; false if it is in none.
fn fill(holes: &mut BTreeMap<u64, u64>, seq: u64) -> bool {
    let Some((&from, &to)) = holes.range(..=seq).next_back() else { return false };
    if seq >= to {
        return false;
    }
    holes.remove(&from);
    if from < seq {
        holes.insert(from, seq);
    }
    if seq + 1 < to {
        holes.insert(seq + 1, to);
    }
    true
}
