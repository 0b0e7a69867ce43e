//! A small seeded generator, so a failed run can be repeated from the seed it printed.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: enough for choosing test actions, and the same sequence everywhere.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Takes the seed from `FLOODWAY_TEST_SEED`, else from the clock, and prints it.
    pub(crate) fn announced(test: &str) -> Random {
        let seed = match std::env::var("FLOODWAY_TEST_SEED") {
            Ok(text) => text.parse().expect("FLOODWAY_TEST_SEED is a number"),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        };
        println!("{test}: FLOODWAY_TEST_SEED={seed}");
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
