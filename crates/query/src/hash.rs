//! Hashes of keys and values, the same in queries and in messages of one process.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

/// More of a value is not hashed: that costs a message more than it saves a query.
const HASHED_MAX: usize = 1024;

/// Differs from process to process, so that nobody can prepare keys that collide.
static STATE: LazyLock<SeedableRandomState> =
    LazyLock::new(|| SeedableRandomState::with_seed(0, SharedSeed::global_random()));

/// The hash of a key, or of an event type.
#[inline]
pub(crate) fn of_key(key: &[u8]) -> u32 {
    of(key)
}

/// The hash of a key together with a value.
#[inline]
pub(crate) fn of_pair(key: u32, value: &[u8]) -> u32 {
    let start = &value[..value.len().min(HASHED_MAX)];
    // The length is part of it, so that long values differ in more than their first kilobyte.
    key.wrapping_mul(0x9E37_79B1).rotate_left(7) ^ of(start) ^ value.len() as u32
}

/// The hash of several pairs, in order.
#[inline]
pub(crate) fn of_pairs(pairs: impl Iterator<Item = u32>) -> u64 {
    spread(pairs.fold(0, |sum: u64, pair| {
        sum.rotate_left(29).wrapping_add(u64::from(pair)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }))
}

/// A hash of 32 bits as a table wants it, which looks at the highest bits and the lowest.
#[inline]
pub(crate) fn spread(hash: u64) -> u64 {
    let product = hash.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    product ^ (product >> 32)
}

#[inline]
fn of(bytes: &[u8]) -> u32 {
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    let hash = hasher.finish();
    (hash ^ (hash >> 32)) as u32
}
