//! What a user builds with the hook alone, and that no hook gets around the limits.
// checklist: E2

use std::convert::Infallible;
use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    self, Limit, Offer, Policy, RecvError, SendError, Status, Tick, Verdict, from_fn,
};
use floodway_queue::{Limits, Weigh};

use super::{items, limited};

#[test]
fn drop_oldest_by_a_closure() {
    let policy = from_fn::<u32, Infallible, _>(|offer| {
        if offer.depth.messages < 3 { Verdict::Accept } else { Verdict::DropOldest }
    });
    let (sender, mut receiver) = limited(3, policy);
    (0..10).for_each(|n| _ = sender.try_send(n).unwrap());
    assert_eq!(receiver.account().dropped, 7);
    assert_eq!(items(&mut receiver), [7, 8, 9]);
}

#[test]
fn coalescing_by_a_closure() {
    let policy = from_fn::<(&str, u32), &str, _>(|offer| Verdict::Replace(offer.item.0));
    let (sender, mut receiver) = limited(2, policy);
    for (n, key) in ["a", "b", "a", "b", "b"].into_iter().enumerate() {
        sender.try_send((key, n as u32)).unwrap();
    }
    assert_eq!(receiver.account().replaced, 3);
    assert_eq!(items(&mut receiver), [("a", 2), ("b", 4)]);
}

#[test]
fn admission_by_age() {
    let limit = Duration::from_millis(10);
    let policy = from_fn::<u32, Infallible, _>(move |offer| {
        let late = offer.oldest.is_some_and(|age| age > limit);
        if late { Verdict::Refuse } else { Verdict::Accept }
    });
    let (sender, mut receiver) = limited(100, policy);
    let start = Instant::now();
    sender.try_send_at(0, start).unwrap();
    sender.try_send_at(1, start + limit).unwrap();
    let late = start + limit + Duration::from_millis(1);
    assert_eq!(sender.try_send_at(2, late), Err(SendError::Refused(2)));
    assert_eq!(receiver.try_recv_at(late).unwrap().item, 0);
    sender.try_send_at(3, late).unwrap();
    let entry = receiver.try_recv_at(late).unwrap();
    assert_eq!((entry.item, entry.missed), (1, None));
    let entry = receiver.try_recv_at(late).unwrap();
    assert_eq!((entry.item, entry.missed.unwrap().refused()), (3, 1));
}

/// Sees all there is to see.
struct Witness(Vec<String>);

impl Policy<&'static str> for Witness {
    type Key = char;

    fn admit(&mut self, offer: &Offer<'_, &'static str, char>) -> Verdict<char> {
        let key = offer.item.chars().next().unwrap();
        let queued = offer.queued_under(&key);
        let times = (offer.oldest.map(|age| age.as_millis()), offer.stalled.as_millis());
        let seen = format!("{} {} {times:?} {queued:?}", offer.depth.messages, offer.depth.bytes);
        self.0.push(seen);
        Verdict::Replace(key)
    }

    fn tick(&mut self, status: &Status) -> Tick {
        self.0.push(format!("{} {:?}", status.depth.messages, status.oldest));
        Tick::Keep
    }

    fn taken(&mut self, left: overflow::Depth) {
        self.0.push(format!("left {} {}", left.messages, left.bytes));
    }
}

struct Length;

impl Weigh<&'static str> for Length {
    fn bytes(item: &&'static str) -> u64 {
        item.len() as u64
    }
}

#[test]
fn it_sees_depth_bytes_age_and_the_queued_one() {
    let limits = Limits::messages(9).unwrap().and_bytes(100).unwrap();
    let mut buffer = overflow::Buffer::<_, _, Length>::new(limits, Witness(Vec::new()));
    let at = |ms| overflow::When { now: Duration::from_millis(ms), waited: Duration::ZERO };
    buffer.offer("a", at(5), drop).unwrap();
    buffer.offer("bcd", at(7), drop).unwrap();
    buffer.offer("apple", at(9), drop).unwrap();
    buffer.take(at(20).now, drop).unwrap();
    buffer.offer("b", at(30), drop).unwrap();
    let seen = &buffer.policy().0;
    let expected = [
        "0 0 (None, 0) None",
        "1 1 (Some(2), 2) None",
        "2 4 (Some(4), 4) Some(1)",
        "2 Some(11ms)",
        "left 1 3",
        "1 3 (Some(23), 10) Some(3)",
    ];
    assert_eq!(*seen, expected);
    buffer.assert_consistent();
}

#[test]
fn what_a_hook_takes_beyond_the_limits_ends_the_queue() {
    let (sender, mut receiver) =
        limited(2, from_fn::<_, Infallible, _>(|_: &Offer<'_, u8, _>| Verdict::Accept));
    (0..2).for_each(|n| _ = sender.try_send(n).unwrap());
    assert_eq!(sender.try_send(2), Err(SendError::Ended(2, Limit::Messages)));
    assert_eq!(sender.try_send(3), Err(SendError::Ended(3, Limit::Messages)));
    assert_eq!((receiver.account().high_water, receiver.account().offered), (2, 3));
    assert_eq!(items(&mut receiver), [0, 1]);
    assert_eq!(receiver.try_recv(), Err(RecvError::Ended(Limit::Messages)));
    assert_eq!(receiver.take_missed().unwrap().refused(), 1);
}

#[test]
fn a_replacement_beyond_the_bytes_ends_the_queue() {
    let limits = Limits::messages(9).unwrap().and_bytes(4).unwrap();
    let policy =
        from_fn::<&str, char, _>(|offer| Verdict::Replace(offer.item.chars().next().unwrap()));
    let (sender, mut receiver) = overflow::queue_by::<_, _, Length>(limits, policy);
    sender.try_send("aa").unwrap();
    sender.try_send("b").unwrap();
    sender.try_send("aaa").unwrap();
    assert_eq!(receiver.account().queued_bytes, 4);
    assert_eq!(sender.try_send("aaaa"), Err(SendError::Ended("aaaa", Limit::Bytes)));
    let entry = receiver.try_recv().unwrap();
    assert_eq!((entry.item, entry.replaced), ("aaa", 1));
    assert_eq!(receiver.account().high_water_bytes, 4);
}

#[test]
fn answers_that_lead_nowhere_are_refusals() {
    for verdict in [Verdict::DropOldest, Verdict::Expire(Duration::ZERO), Verdict::Refuse] {
        let answer = verdict.clone();
        let policy = from_fn::<u8, Infallible, _>(move |offer| {
            if offer.depth.messages < 2 && *offer.item < 2 {
                Verdict::Accept
            } else {
                answer.clone()
            }
        });
        let (sender, receiver) = limited(2, policy);
        (0..2).for_each(|n| _ = sender.try_send(n).unwrap());
        assert_eq!(sender.try_send(2), Err(SendError::Refused(2)), "{verdict:?}");
        assert_eq!(receiver.account().refused, 1);
    }
}

#[test]
fn what_would_not_fit_alone_pushes_nothing_out() {
    let limits = Limits::messages(9).unwrap().and_bytes(4).unwrap();
    let (sender, receiver) = overflow::queue_by::<_, _, Length>(limits, overflow::DropOldest);
    sender.try_send("aaaa").unwrap();
    assert_eq!(sender.try_send("bbbbb"), Err(SendError::Refused("bbbbb")));
    assert_eq!(receiver.account().queued, 1);
    assert_eq!(sender.try_send("bbbb").unwrap().dropped, 1);
}
