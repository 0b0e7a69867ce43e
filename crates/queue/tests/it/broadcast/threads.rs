//! Many threads: every consumer gets what was published from its join on, in every producer's
//! order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use floodway_queue::broadcast::{Consumer, WaitStrategy, ring};

const STRATEGIES: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::Yield, WaitStrategy::Park];

type Entry = (usize, u64);

/// Reads to the end; asserts that each producer's numbers come in a row.
fn read_all(consumer: &mut Consumer<Entry>, producers: usize, most: usize) -> u64 {
    let (mut next, mut read) = (vec![None; producers], 0);
    while let Ok(batch) = consumer.read_blocking(most, None) {
        for (producer, n) in &batch {
            let next = &mut next[*producer];
            assert!(next.is_none_or(|next| next == *n), "{n} in the place of {next:?}");
            *next = Some(n + 1);
            read += 1;
        }
    }
    read
}

/// checklist: A2
/// checklist: H5
/// That the crowd is not slow either is for `benches/rings.rs` to say: other tests run beside this.
#[test]
fn all_get_everything() {
    for strategy in STRATEGIES {
        for (producers, consumers, capacity) in [(1, 1, 1), (1, 8, 64), (4, 4, 7), (16, 16, 1024)] {
            let each = 20_000 / (producers * consumers) as u64;
            let (producer, ring) = ring(capacity, strategy).unwrap();
            std::thread::scope(|scope| {
                for most in 1..=consumers {
                    let mut consumer = ring.join();
                    scope.spawn(move || {
                        let read = read_all(&mut consumer, producers, most * 3);
                        assert_eq!(read, each * producers as u64);
                    });
                }
                for id in 0..producers {
                    let producer = producer.clone();
                    scope.spawn(move || match id % 2 {
                        0 => (0..each)
                            .for_each(|n| producer.publish_blocking((id, n), None).unwrap()),
                        _ => {
                            let mut batch = (0..each).map(|n| (id, n)).collect();
                            producer.publish_many_blocking(&mut batch, None).unwrap();
                        }
                    });
                }
                drop(producer);
            });
        }
    }
}

/// checklist: H1
#[test]
fn a_diamond_keeps_its_order() {
    for strategy in STRATEGIES {
        let (producer, ring) = ring(16, strategy).unwrap();
        let (mut top, done) = (ring.join(), [const { AtomicU64::new(0) }; 3]);
        let mut left = ring.join_after(&[&top]).unwrap();
        let mut right = ring.join_after(&[&top]).unwrap();
        let mut bottom = ring.join_after(&[&left, &right]).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                (1..=20_000).for_each(|n| producer.publish_blocking(n, None).unwrap());
            });
            let done = &done;
            let run = |consumer: &mut Consumer<u64>, before: &[usize], own: Option<usize>| {
                while let Ok(batch) = consumer.read_blocking(5, None) {
                    for n in &batch {
                        for at in before {
                            // Relaxed: the ring has to order it.
                            assert!(done[*at].load(Ordering::Relaxed) >= *n, "too early");
                        }
                        own.inspect(|own| done[*own].store(*n, Ordering::Relaxed));
                    }
                }
            };
            scope.spawn(move || run(&mut top, &[], Some(0)));
            scope.spawn(move || run(&mut left, &[0], Some(1)));
            scope.spawn(move || run(&mut right, &[0], Some(2)));
            scope.spawn(move || {
                run(&mut bottom, &[0, 1, 2], None);
                assert_eq!(bottom.next_sequence(), 20_000);
            });
        });
    }
}

/// checklist: H4
#[test]
fn a_thousand_join_and_leave_under_load() {
    let (producer, ring) = ring(64, WaitStrategy::Yield).unwrap();
    let (running, published) = (AtomicBool::new(true), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let mut stayer = ring.join();
        scope.spawn(|| {
            let mut n = 0;
            while running.load(Ordering::Relaxed) {
                producer.publish_blocking((0, n), None).unwrap();
                n += 1;
            }
            published.store(n, Ordering::Relaxed);
            ring.close();
        });
        let staying = scope.spawn(move || read_all(&mut stayer, 1, 9));
        let visitors: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for visit in 0..500 {
                        let mut visitor = ring.join();
                        let joined = visitor.next_sequence();
                        let mut next = joined;
                        while next < joined + visit % 40 {
                            let batch = visitor.read_blocking(7, None).unwrap();
                            for (_, n) in &batch {
                                assert_eq!(*n, next, "joined at {joined}");
                                next += 1;
                            }
                        }
                    }
                })
            })
            .collect();
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
        running.store(false, Ordering::Relaxed);
        assert_eq!(staying.join().unwrap(), published.load(Ordering::Relaxed));
    });
    assert_eq!(ring.consumers(), 0);
}

/// checklist: A12
/// Rings of one, so that every entry has to wake whoever reads, and every release who publishes.
#[test]
fn every_entry_is_waited_for() {
    for strategy in STRATEGIES {
        let (producer, ring) = ring(1, strategy).unwrap();
        let mut first = ring.join();
        let mut second = ring.join_after(&[&first]).unwrap();
        std::thread::scope(|scope| {
            for id in 0..2 {
                let producer = producer.clone();
                scope.spawn(move || {
                    (0..2_000).for_each(|n| producer.publish_blocking((id, n), None).unwrap());
                });
            }
            drop(producer);
            scope.spawn(move || assert_eq!(read_all(&mut first, 2, 1), 4_000));
            scope.spawn(move || assert_eq!(read_all(&mut second, 2, 1), 4_000));
        });
    }
}
