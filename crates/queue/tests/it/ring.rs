//! The ring as its users see it: an oracle, drops, waiting, threads.

mod drops;
mod model;
mod threads;
mod waiting;

use floodway_queue::ring::{PopError, PushError, ring};

/// checklist: A10
/// checklist: A11
#[test]
fn what_was_pushed_is_there_at_once_and_in_order() {
    for capacity in [1, 3, 4] {
        let (mut producer, mut consumer) = ring(capacity).unwrap();
        for n in 0..100 {
            producer.try_push(n).unwrap();
            assert_eq!(consumer.try_pop(), Ok(n));
            assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        }
        let mut items = 0..6;
        assert_eq!(producer.try_push_many(&mut items), Ok(capacity));
        assert_eq!(items.next(), Some(capacity), "what found no room is still in the iterator");
        let mut popped = Vec::new();
        assert_eq!(consumer.drain_into(&mut popped, usize::MAX), capacity);
        assert!(popped.into_iter().eq(0..capacity));
    }
}

/// checklist: E1
#[test]
fn what_is_refused_comes_back() {
    let (mut producer, mut consumer) = ring(1).unwrap();
    producer.try_push("kept".to_owned()).unwrap();
    let refused = producer.try_push("back".to_owned()).unwrap_err();
    assert_eq!(refused, PushError::Full("back".to_owned()));
    assert_eq!(refused.into_item(), "back");
    assert_eq!(consumer.try_pop().as_deref(), Ok("kept"));
    drop(consumer);
    assert!(producer.is_closed());
    for _ in 0..3 {
        let refused = producer.try_push("back".to_owned());
        assert_eq!(refused, Err(PushError::Closed("back".to_owned())));
        let mut items = ["a".to_owned()].into_iter();
        assert_eq!(producer.try_push_many(&mut items), Err(PushError::Closed(())));
        assert_eq!(items.len(), 1);
    }
}

/// An iterator may say what it likes about its length, or have nothing at all.
#[test]
fn a_batch_does_not_believe_the_iterator() {
    struct Liar(u32);
    impl Iterator for Liar {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (1_000_000, Some(1_000_000))
        }
    }
    let (mut producer, mut consumer) = ring(4).unwrap();
    assert_eq!(producer.try_push_many(&mut Liar(2)), Ok(2));
    assert_eq!(producer.try_push_many(&mut Liar(9)), Ok(2));
    assert_eq!(producer.try_push_many(&mut Liar(1)), Err(PushError::Full(())));
    assert_eq!(producer.try_push_many(&mut std::iter::empty()), Ok(0));
    let mut popped = Vec::new();
    assert_eq!(consumer.drain_into(&mut popped, 3), 3);
    assert_eq!(consumer.drain(usize::MAX, |n| popped.push(n)), 1);
    assert_eq!(popped, [1, 0, 8, 7]);
}
