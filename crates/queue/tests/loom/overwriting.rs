//! The overwriting ring: nothing stale, torn, reordered, stuck or lost without being told.
// checklist: A10
// checklist: A11
// checklist: A12
// checklist: A13

use floodway_queue::overwriting::{Closed, ReadError, Reader, ring, shared_ring};
use loom::sync::Arc;
use loom::thread;

use super::explore;

/// Reads what is there; asserts order and that gaps are told exactly. Returns (read, lost).
fn drain(reader: &mut Reader<u64>) -> (u64, u64) {
    let (mut read, lost) = (0, reader.lost());
    while let Ok(entry) = reader.try_read() {
        assert_eq!(entry.item, entry.sequence, "stale or reordered");
        read += 1;
    }
    (read, reader.lost() - lost)
}

/// The writer laps a reader that may be anywhere, in the middle of a move too. The first `there`
/// items are there from the beginning.
fn lap(capacity: usize, preemptions: usize, there: u64, writes: u64, reads: usize) {
    explore(preemptions, move || {
        let (mut writer, mut reader) = ring(capacity).unwrap();
        (0..there).for_each(|n| assert_eq!(writer.push(n), Ok(None)));
        let pushing = thread::spawn(move || {
            (there..writes).filter(|n| writer.push(*n).unwrap().is_some()).count()
        });
        let mut read = 0;
        for _ in 0..reads {
            read += u64::from(reader.try_read().is_ok_and(|entry| entry.item == entry.sequence));
        }
        let overwritten = pushing.join().unwrap() as u64;
        let (rest, _) = drain(&mut reader);
        assert_eq!(reader.lost(), overwritten);
        assert_eq!(read + rest + overwritten, writes);
        assert!(rest + reads as u64 >= writes.min(capacity as u64), "an item was stuck");
    });
}

#[test]
fn a_reader_is_lapped_in_a_ring_of_one() {
    lap(1, 3, 0, 4, 2);
}

#[test]
fn a_reader_is_lapped_in_a_ring_of_two() {
    lap(2, 3, 0, 5, 2);
}

/// The reader is met twice, at different items: the spare has come back in between.
#[test]
fn a_reader_is_met_again_and_again() {
    lap(1, 2, 0, 7, 3);
}

/// Twice in one read: before its step, which then takes a later item, and right after it, so that
/// this item is not in its slot any more.
#[test]
fn a_reader_is_lapped_on_both_sides_of_its_step() {
    lap(1, 3, 1, 5, 1);
}

/// Two writers and a reader: each writer's items in order, gaps exact, memory never shared.
#[test]
fn two_writers_and_a_reader() {
    explore(3, || {
        let (writer, mut reader) = shared_ring(2).unwrap();
        let writers: Vec<_> = (0..2)
            .map(|id| {
                let writer = writer.clone();
                thread::spawn(move || {
                    (0..2).filter(|n| writer.push((id, *n)).unwrap().is_some()).count()
                })
            })
            .collect();
        drop(writer);
        let (mut newest, mut read, mut next) = ([None; 2], 0, 0);
        let mut take = |reader: &mut Reader<(usize, u64)>| match reader.try_read() {
            Ok(entry) => {
                let (id, n) = entry.item;
                assert!(newest[id] < Some(n), "out of order");
                newest[id] = Some(n);
                assert_eq!(entry.lost_range(), next..entry.sequence);
                next = entry.sequence + 1;
                read += 1;
                true
            }
            Err(_) => false,
        };
        take(&mut reader);
        let lost: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        while take(&mut reader) {}
        assert_eq!((read + lost, reader.lost()), (4, lost as u64));
        assert_eq!(reader.try_read(), Err(ReadError::Closed));
    });
}

/// What a finished push published is there, whatever another writer is in the middle of.
#[test]
fn a_finished_push_can_be_read_at_once() {
    explore(3, || {
        let (writer, mut reader) = shared_ring(4).unwrap();
        let other = writer.clone();
        let pushing = thread::spawn(move || _ = other.push(1).unwrap());
        writer.push(2).unwrap();
        let mut got = vec![reader.try_read().expect("a push has returned").item];
        got.extend(reader.try_read().map(|entry| entry.item));
        assert!(got.contains(&2));
        pushing.join().unwrap();
        got.extend(reader.try_read().map(|entry| entry.item));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn a_push_wakes_the_reader() {
    explore(3, || {
        let (mut writer, mut reader) = ring(1).unwrap();
        let pushing = thread::spawn(move || {
            writer.push(0).unwrap();
            writer
        });
        assert_eq!(reader.read_blocking(None).unwrap().item, 0);
        let mut writer = pushing.join().unwrap();
        let pushing = thread::spawn(move || _ = writer.push(1).unwrap());
        assert_eq!(reader.read_blocking(None).unwrap().item, 1);
        pushing.join().unwrap();
    });
}

#[test]
fn two_writers_wake_the_reader() {
    explore(1, || {
        let (writer, mut reader) = shared_ring(4).unwrap();
        let other = writer.clone();
        let threads = [
            thread::spawn(move || _ = writer.push(1).unwrap()),
            thread::spawn(move || _ = other.push(2).unwrap()),
        ];
        let sum = (0..2).map(|_| reader.read_blocking(None).unwrap().item).sum::<i32>();
        assert_eq!(sum, 3);
        assert_eq!(reader.read_blocking(None).unwrap_err(), ReadError::Closed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn the_last_writer_wakes_the_reader() {
    explore(2, || {
        let (writer, mut reader) = shared_ring::<()>(1).unwrap();
        let other = writer.clone();
        let threads = [thread::spawn(move || drop(writer)), thread::spawn(move || drop(other))];
        assert_eq!(reader.read_blocking(None).unwrap_err(), ReadError::Closed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Reading, overwriting and both ends at once: every item is dropped once.
#[test]
fn the_reader_goes_beside_pushes() {
    explore(3, || {
        let (mut writer, mut reader) = ring(1).unwrap();
        let item = Arc::new(());
        let kept = item.clone();
        let pushing = thread::spawn(move || {
            for _ in 0..3 {
                match writer.push(item.clone()) {
                    Ok(oldest) => drop(oldest),
                    Err(Closed(item)) => drop(item),
                }
            }
        });
        drop(reader.try_read());
        drop(reader);
        pushing.join().unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}
