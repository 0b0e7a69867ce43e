//! Many threads: in order, nothing twice, and what is missing is what is reported.
// checklist: A2
// checklist: A9
// checklist: A15

use floodway_queue::overwriting::{ReadError, Reader, ring, shared_ring};

const EACH: u64 = 100_000;

/// Reads to the end in one of three ways; checks every entry; returns how many were read and lost.
fn read_all(reader: &mut Reader<[u64; 3]>, way: usize, writers: usize) -> (u64, u64) {
    let mut newest = vec![None; writers];
    let (mut read, mut lost, mut sequence) = (0, 0, 0);
    let mut check = |entry: floodway_queue::overwriting::Entry<[u64; 3]>| {
        let [writer, number, sum] = entry.item;
        assert_eq!(writer ^ number, sum, "torn");
        let newest = &mut newest[writer as usize];
        assert!(newest.is_none_or(|newest| newest < number), "out of order or twice");
        *newest = Some(number);
        assert_eq!(entry.sequence, sequence + entry.lost, "a gap that is not told");
        sequence = entry.sequence + 1;
        read += 1;
        lost += entry.lost;
    };
    loop {
        match way {
            0 => match reader.try_read() {
                Ok(entry) => check(entry),
                Err(ReadError::Empty) => std::thread::yield_now(),
                Err(ReadError::Closed) => break,
            },
            1 => match reader.read_blocking(None) {
                Ok(entry) => check(entry),
                Err(_) => break,
            },
            _ => {
                reader.drain(10, &mut check);
                match reader.read_blocking(None) {
                    Ok(entry) => check(entry),
                    Err(_) => break,
                }
            }
        }
    }
    assert_eq!(reader.lost(), lost);
    (read, lost)
}

#[test]
fn one_writer() {
    for capacity in [1, 2, 3, 7, 64, 1_024] {
        for way in 0..3 {
            let (mut writer, mut reader) = ring(capacity).unwrap();
            let (read, lost) = std::thread::scope(|scope| {
                let overwritten = scope.spawn(move || {
                    let mut push = |n| writer.push([0, n, n]).unwrap().is_some();
                    (0..EACH).filter(|n| push(*n)).count() as u64
                });
                let (read, lost) = read_all(&mut reader, way, 1);
                assert_eq!(overwritten.join().unwrap(), lost, "lost is what was overwritten");
                (read, lost)
            });
            assert_eq!(read + lost, EACH, "capacity {capacity}, way {way}");
        }
    }
}

#[test]
fn four_writers() {
    for capacity in [1, 3, 64, 1_024] {
        for way in 0..3 {
            let (writer, mut reader) = shared_ring(capacity).unwrap();
            let (read, lost) = std::thread::scope(|scope| {
                for id in 0..4 {
                    let writer = writer.clone();
                    scope.spawn(move || {
                        for n in 0..EACH / 4 {
                            let _ = writer.push([id, n, id ^ n]).unwrap();
                        }
                    });
                }
                drop(writer);
                read_all(&mut reader, way, 4)
            });
            assert_eq!(read + lost, EACH, "capacity {capacity}, way {way}");
        }
    }
}
