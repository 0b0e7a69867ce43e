//! The overwriting ring as its users see it: vectors, an oracle, drops, waiting, threads.

mod drops;
mod model;
mod threads;
mod waiting;

use floodway_queue::overwriting::{
    Entry, ReadError, Reader, SharedWriter, Writer, ring, shared_ring,
};

/// Both kinds of writers.
enum AnyWriter<T> {
    Sole(Writer<T>),
    Shared(SharedWriter<T>),
}

impl<T> AnyWriter<T> {
    /// What was overwritten.
    fn push(&mut self, item: T) -> Option<T> {
        match self {
            AnyWriter::Sole(writer) => writer.push(item),
            AnyWriter::Shared(writer) => writer.push(item),
        }
        .expect("the reader is there")
    }
}

fn both<T>(capacity: usize) -> [(AnyWriter<T>, Reader<T>); 2] {
    let (sole, reader) = ring(capacity).unwrap();
    let (shared, other) = shared_ring(capacity).unwrap();
    [(AnyWriter::Sole(sole), reader), (AnyWriter::Shared(shared), other)]
}

fn all(reader: &mut Reader<u64>) -> Vec<u64> {
    let mut items = Vec::new();
    reader.drain(usize::MAX, |entry| items.push(entry.item));
    items
}

/// checklist: A9
#[test]
fn one_too_many_loses_one() {
    for (mut writer, mut reader) in both(1_000) {
        (0..1_001).for_each(|n| _ = writer.push(n));
        let first = reader.try_read().unwrap();
        assert_eq!(first, Entry { item: 1, sequence: 1, lost: 1 });
        assert_eq!(first.lost_range(), 0..1);
        assert!(all(&mut reader).into_iter().eq(2..1_001), "1000 are delivered");
        assert_eq!(reader.lost(), 1);
    }
}

/// checklist: A10
/// The writes after which the rings of the article were empty, stale or out of order.
#[test]
fn the_newest_four_in_order() {
    for (writes, survivors) in [(4, 0..4), (5, 1..5), (6, 2..6), (8, 4..8), (9, 5..9)] {
        for (mut writer, mut reader) in both(4) {
            (0..writes).for_each(|n| _ = writer.push(n));
            assert_eq!(reader.len(), 4);
            assert!(all(&mut reader).into_iter().eq(survivors.clone()), "{writes} writes");
            assert_eq!(reader.lost(), writes - 4);
            // And on from there: what was read is no obstacle.
            (6..9).for_each(|n| _ = writer.push(n));
            assert_eq!(all(&mut reader), [6, 7, 8]);
        }
    }
}

/// The tests of go-diodes, by what should have come: lapped once and twice, then caught up.
#[test]
fn the_loss_is_told_where_it_happened() {
    for (mut writer, mut reader) in both(5) {
        (0..6).for_each(|n| _ = writer.push(n));
        assert_eq!(reader.try_read().unwrap().lost_range(), 0..1);
        (6..18).for_each(|n| _ = writer.push(n));
        assert_eq!(reader.try_read().unwrap(), Entry { item: 13, sequence: 13, lost: 11 });
        assert_eq!(all(&mut reader), [14, 15, 16, 17]);
        assert_eq!(reader.try_read(), Err(ReadError::Empty));
        writer.push(18);
        assert_eq!(reader.try_read().unwrap().lost, 0);
        assert_eq!((reader.lost(), reader.next_sequence()), (12, 19));
    }
}

/// checklist: A11
#[test]
fn what_was_pushed_is_readable_at_once() {
    for (mut writer, mut reader) in both(3) {
        for n in 0..100 {
            writer.push(n);
            assert_eq!(reader.try_read().unwrap().item, n);
            assert_eq!(reader.try_read(), Err(ReadError::Empty));
        }
    }
}
