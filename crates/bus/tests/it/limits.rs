//! Limits by messages, bytes and time behind.

use std::time::{Duration, Instant};

use floodway::{
    Bus, EndReason, Filter, Limit, Limits, LossReason, Message, Origin, Overflow, PublishReport,
    Pushback, PushbackMode, RecvError, Router, SubscribeOptions, Subscription, Wakeups,
};

const BEHIND: Duration = Duration::from_secs(10);

fn subscribe(bus: &Bus, limits: Limits) -> Subscription {
    let options = SubscribeOptions::default().limits(limits);
    bus.subscribe(&Filter::new("s").unwrap(), options).unwrap()
}

/// Publishes `count` messages of `size` bytes in all (the subject is one) at `now`.
fn publish_at(bus: &Bus, count: usize, size: usize, now: Instant) -> PublishReport {
    let payload = vec![0; size - 1];
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let origin = Origin { consumer: None, echo: true };
    let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
    for _ in 0..count {
        batch.push(Message::new(b"s", &payload));
    }
    let report = batch.commit();
    wakeups.wake_all(now);
    report
}

fn read_all(subscription: &Subscription) -> (usize, RecvError) {
    let mut count = 0;
    loop {
        match subscription.try_recv() {
            Ok(_) => count += 1,
            Err(end) => return (count, end),
        }
    }
}

// checklist: A5
#[test]
fn the_last_message_that_fits_and_the_first_that_does_not() {
    for in_one_run in [true, false] {
        let bus = Bus::default();
        let subscription = subscribe(&bus, Limits { messages: Some(10), ..Limits::default() });
        let now = Instant::now();
        assert_eq!(publish_at(&bus, 10, 5, now).queued, 10);
        assert_eq!(subscription.end_reason(), None);
        let more =
            if in_one_run { publish_at(&bus, 5, 5, now) } else { bus.publish("s", "x").unwrap() };
        assert_eq!(more.queued, 0);
        let (limit, messages, bytes) = (Limit::Messages, 10, 50);
        let reason = EndReason::OutOfCapacity { limit, messages, bytes };
        assert_eq!(read_all(&subscription), (10, RecvError::Ended(reason)));
        let account = subscription.account();
        assert_eq!((account.matched(), account.delivered()), (11, 10));
        assert_eq!(account.losses().of(LossReason::OutOfCapacity), 1);
    }
}

// checklist: A5
#[test]
fn the_last_byte_that_fits_and_the_first_that_does_not() {
    for (last, fits) in [(400, true), (401, false)] {
        let bus = Bus::default();
        let subscription = subscribe(&bus, Limits { bytes: Some(1000), ..Limits::default() });
        let now = Instant::now();
        assert_eq!(publish_at(&bus, 6, 100, now).queued, 6);
        assert_eq!(publish_at(&bus, 1, last, now).queued, u64::from(fits));
        let reason = EndReason::OutOfCapacity { limit: Limit::Bytes, messages: 6, bytes: 600 };
        assert_eq!(subscription.end_reason(), (!fits).then_some(reason));
    }
}

// checklist: A5
#[test]
fn room_counts_from_what_is_queued_now_not_from_what_ever_was() {
    let bus = Bus::default();
    let limits = Limits { messages: Some(10), bytes: Some(1000), ..Limits::NONE };
    let subscription = subscribe(&bus, limits);
    for _ in 0..100 {
        assert_eq!(publish_at(&bus, 10, 100, Instant::now()).queued, 10);
        assert_eq!(subscription.take_backlog().len(), 10);
        assert_eq!(publish_at(&bus, 5, 100, Instant::now()).queued, 5);
        assert_eq!(read_all(&subscription), (5, RecvError::Empty));
    }
}

// checklist: A5
#[test]
fn a_stalled_reader_is_ended_in_time_with_three_queued() {
    let limits = Limits { behind: Some(BEHIND), ..Limits::default() };
    let start = Instant::now() + Duration::from_secs(3600);
    let too_late = start + BEHIND;
    let just_in_time = too_late - Duration::from_nanos(1);
    for found_by_sweep in [true, false] {
        let bus = Bus::default();
        let subscription = subscribe(&bus, limits);
        assert_eq!(publish_at(&bus, 2, 5, start).queued, 2);
        bus.sweep(just_in_time);
        // Further messages are no progress.
        assert_eq!(publish_at(&bus, 1, 5, just_in_time).queued, 1);
        assert_eq!(subscription.end_reason(), None);
        if found_by_sweep {
            bus.sweep(too_late);
        } else {
            assert_eq!(publish_at(&bus, 1, 5, too_late).queued, 0);
        }
        assert_eq!(bus.subscription_count(), 0);
        let reason = EndReason::TooFarBehind { behind: BEHIND, messages: 3, bytes: 15 };
        assert_eq!(read_all(&subscription), (3, RecvError::Ended(reason)));
        let lost = subscription.account().losses();
        assert_eq!(lost.of(LossReason::TooFarBehind), u64::from(!found_by_sweep));
    }
}

// checklist: A5
#[test]
fn a_slow_reader_that_moves_is_not_ended_with_a_thousand_queued() {
    let limits = Limits { behind: Some(BEHIND), ..Limits::default() };
    let just_in_time = BEHIND - Duration::from_nanos(1);
    let bus = Bus::default();
    let subscription = subscribe(&bus, limits);
    publish_at(&bus, 1100, 5, Instant::now());
    for turn in 0..100 {
        // Reading stamps the time itself: not before this moment, so a reader that moved after it
        // is in time until that long after it.
        let before = Instant::now();
        if turn % 2 == 0 {
            subscription.try_recv().unwrap();
        } else {
            subscription.recv().unwrap();
        }
        bus.sweep(before + just_in_time);
        assert_eq!(subscription.end_reason(), None, "turn {turn}");
    }
    assert_eq!(subscription.account().queued(), 1000);
    // Then it stalls as well. When it last moved is known to a tick of the system's clock.
    bus.sweep(Instant::now() + BEHIND + Duration::from_millis(10));
    let reason = subscription.end_reason().unwrap();
    assert!(matches!(reason, EndReason::TooFarBehind { messages: 1000, .. }), "{reason}");
}

// checklist: A5
#[test]
fn a_limit_set_later_counts_from_when_the_reader_last_moved() {
    let bus = Bus::default();
    let subscription = subscribe(&bus, Limits::NONE);
    let now = Instant::now();
    publish_at(&bus, 1, 5, now);
    bus.sweep(now + BEHIND);
    assert_eq!(subscription.end_reason(), None);
    let limits = Limits { behind: Some(BEHIND), ..Limits::NONE };
    subscription.set_overflow(Overflow::disconnect(limits));
    bus.sweep(now + BEHIND);
    let reason = subscription.end_reason().unwrap();
    assert!(matches!(reason, EndReason::TooFarBehind { messages: 1, .. }), "{reason}");
}

// checklist: A5
#[test]
fn who_has_nothing_queued_is_never_behind() {
    let bus = Bus::default();
    let subscription = subscribe(&bus, Limits { behind: Some(BEHIND), ..Limits::default() });
    let mut now = Instant::now();
    for _ in 0..3 {
        now += 100 * BEHIND;
        bus.sweep(now);
        // The clock starts with the first message that waits.
        assert_eq!(publish_at(&bus, 1, 5, now).queued, 1);
        bus.sweep(now + BEHIND - Duration::from_nanos(1));
        assert_eq!(subscription.take_backlog().len(), 1);
    }
    assert_eq!(subscription.end_reason(), None);
}
