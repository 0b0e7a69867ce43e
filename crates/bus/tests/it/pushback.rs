//! Push-back: a publisher is read as fast as most of those it feeds can drain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::{
    Bus, Consumer, ConsumerId, Filter, Message, Origin, Pace, Pushback, PushbackMode, Router,
    SubscribeOptions, Subscription, Wakeups,
};

use crate::bucket::{Bell, Bucket, Level};

/// A publisher with its own router, as a connection has it.
struct Publisher {
    router: Router,
    pushback: Pushback,
    own: Option<Bucket>,
    now: Instant,
}

impl Publisher {
    fn new(bus: &Bus, mode: PushbackMode) -> Self {
        let (router, pushback) = (Router::new(bus.clone()), Pushback::new(mode));
        Self { router, pushback, own: None, now: Instant::now() }
    }

    fn own_id(&self) -> Option<ConsumerId> {
        self.own.as_ref().map(Bucket::id)
    }

    fn feed(&mut self, subject: &str) {
        let origin = Origin { consumer: self.own_id(), echo: true };
        let mut wakeups = Wakeups::new();
        let mut batch = self.router.batch(origin, &mut self.pushback, &mut wakeups, self.now);
        batch.push(Message::new(subject.as_bytes(), b"x"));
        batch.commit();
        wakeups.wake_all(self.now);
    }

    /// How many consumers it waits for after publishing to `subjects`; 0 if it may go on.
    fn waits_for(&mut self, subjects: &[&str]) -> usize {
        subjects.iter().for_each(|subject| self.feed(subject));
        paused(&self.pushback.after_batch(self.own_id(), self.now))
    }

    fn still_waits_for(&self) -> usize {
        paused(&self.pushback.still_paused(self.own_id()))
    }
}

fn paused(pace: &Pace) -> usize {
    match pace {
        Pace::Free => 0,
        Pace::Paused(over) => over.len(),
    }
}

/// `count` consumers of `s`, the first `over` of them over their mark.
fn buckets(bus: &Bus, count: usize, over: usize) -> Vec<Bucket> {
    let bucket = |n| {
        let bucket = Bucket::attach(bus);
        bucket.subscribe("s", None);
        bucket.set(if n < over { Level::High } else { Level::Low });
        bucket
    };
    (0..count).map(bucket).collect()
}

// spec: BPR-1
#[test]
fn most_pauses_for_more_than_half_any_for_one_and_none_never() {
    use PushbackMode::{Any, Most, None};
    let table = [
        (1, 0, [0, 0, 0]),
        (1, 1, [1, 1, 0]),
        (2, 1, [0, 1, 0]),
        (2, 2, [2, 2, 0]),
        (3, 1, [0, 1, 0]),
        (3, 2, [2, 2, 0]),
        (10, 5, [0, 5, 0]),
        (10, 6, [6, 6, 0]),
    ];
    for (count, over, expected) in table {
        for (mode, expected) in [Most, Any, None].into_iter().zip(expected) {
            let bus = Bus::default();
            let _buckets = buckets(&bus, count, over);
            let mut publisher = Publisher::new(&bus, mode);
            assert_eq!(publisher.waits_for(&["s"]), expected, "{over} of {count}, {mode:?}");
        }
    }
}

#[test]
fn one_that_has_ended_says_nothing_about_the_pace_of_the_others() {
    let bus = Bus::default();
    let buckets = buckets(&bus, 3, 2);
    let mut publisher = Publisher::new(&bus, PushbackMode::Most);
    assert_eq!(publisher.waits_for(&["s"]), 2);
    buckets[0].end();
    // One of two that live: counted as fine, the ended one would make it one of three.
    assert_eq!(publisher.still_waits_for(), 0);
    buckets[2].end();
    assert_eq!(publisher.still_waits_for(), 1, "one of one");
    buckets[1].end();
    assert_eq!(publisher.still_waits_for(), 0);
}

#[test]
fn it_resumes_at_half_the_mark_and_not_before() {
    let bus = Bus::default();
    let buckets = buckets(&bus, 3, 2);
    let mut publisher = Publisher::new(&bus, PushbackMode::Most);
    assert_eq!(publisher.waits_for(&["s"]), 2);
    buckets[0].set(Level::Middle);
    assert_eq!(publisher.still_waits_for(), 2, "below the mark is not half of it");
    buckets[0].set(Level::Low);
    assert_eq!(publisher.still_waits_for(), 0);
    // Between the two a publisher that is not paused goes on.
    buckets[0].set(Level::Middle);
    assert_eq!(publisher.waits_for(&["s"]), 0);
}

#[test]
fn consumers_of_all_subjects_count_once_and_for_a_second() {
    let bus = Bus::default();
    let over = Bucket::attach(&bus);
    ["a", "b", "c"].iter().for_each(|filter| over.subscribe(filter, None));
    over.set(Level::High);
    let fine = Bucket::attach(&bus);
    fine.subscribe("c", None);
    let mut publisher = Publisher::new(&bus, PushbackMode::Most);
    assert_eq!(publisher.waits_for(&["a", "b", "c"]), 0, "one of two");
    publisher.now += Duration::from_millis(999);
    assert_eq!(publisher.waits_for(&["a"]), 0, "it was fed lately");
    publisher.now += Duration::from_millis(1);
    assert_eq!(publisher.waits_for(&["a"]), 1, "one of one");
}

// spec: BPR-2
#[test]
fn a_publisher_is_never_paced_by_itself() {
    for mode in [PushbackMode::Most, PushbackMode::Any] {
        let bus = Bus::default();
        let own = Bucket::attach(&bus);
        own.subscribe("s", None);
        own.subscribe("jobs", Some("g"));
        own.set(Level::High);
        let member = Bucket::attach(&bus);
        member.subscribe("jobs", Some("g"));
        member.set(Level::High);
        let mut publisher = Publisher::new(&bus, mode);
        publisher.own = Some(own);
        assert_eq!(publisher.waits_for(&["s", "jobs"]), 0, "{mode:?}");
        let other = Bucket::attach(&bus);
        other.subscribe("s", None);
        other.set(Level::High);
        assert_eq!(publisher.waits_for(&["s", "jobs"]), 1, "{mode:?}");
    }
}

#[test]
fn a_queue_group_is_one_consumer_that_is_fine_while_one_member_is() {
    let bus = Bus::default();
    let members = [Bucket::attach(&bus), Bucket::attach(&bus)];
    for member in &members {
        member.subscribe("jobs.>", Some("g"));
        member.set(Level::High);
    }
    let fine = Bucket::attach(&bus);
    fine.subscribe("jobs.1", None);
    let mut publisher = Publisher::new(&bus, PushbackMode::Most);
    // However many subjects it takes work from, and however many members it has.
    assert_eq!(publisher.waits_for(&["jobs.1", "jobs.2", "jobs.3"]), 0, "one of two");
    fine.set(Level::High);
    let Pace::Paused(over) = publisher.pushback.still_paused(None) else { panic!("not paused") };
    let bell = Bell::new();
    over.iter().for_each(|consumer| consumer.on_below_mark(bell.waker()));
    // Either member can let the group go on, so either must wake the publisher.
    members[1].set(Level::Low);
    assert_eq!(bell.rung(), 1);
    assert_eq!(publisher.still_waits_for(), 0);
    members[1].set(Level::High);
    members[0].set(Level::Low);
    assert_eq!(bell.rung(), 2);
}

#[test]
fn a_publisher_forgets_whom_it_fed_when_it_is_idle() {
    let bus = Bus::default();
    let buckets = buckets(&bus, 1, 1);
    let mut publisher = Publisher::new(&bus, PushbackMode::Any);
    assert_eq!(publisher.waits_for(&["s"]), 1);
    publisher.pushback.forget_older(publisher.now + Duration::from_secs(1));
    assert_eq!(publisher.still_waits_for(), 0);
    assert_eq!(buckets[0].received(), 1);
}

/// A subscription with `queued` of at most 100 messages, and the consumer behind it.
fn inbox(bus: &Bus, queued: usize) -> (Subscription, Arc<dyn Consumer>) {
    let options = SubscribeOptions::default().max_messages(100);
    let subscription = bus.subscribe(&Filter::new("s").unwrap(), options).unwrap();
    let mut publisher = Publisher::new(bus, PushbackMode::Any);
    (0..queued).for_each(|_| publisher.feed("s"));
    let Pace::Paused(mut over) = publisher.pushback.after_batch(None, publisher.now) else {
        panic!("not over its mark with {queued}");
    };
    (subscription, over.remove(0))
}

#[test]
fn an_inbox_is_over_its_mark_beyond_half_its_limit() {
    let bus = Bus::default();
    let options = SubscribeOptions::default().max_messages(100);
    let _subscription = bus.subscribe(&Filter::new("s").unwrap(), options).unwrap();
    let mut publisher = Publisher::new(&bus, PushbackMode::Most);
    (0..50).for_each(|n| assert_eq!(publisher.waits_for(&["s"]), 0, "with {n} before"));
    assert_eq!(publisher.waits_for(&["s"]), 1);
}

#[test]
fn an_inbox_wakes_the_publisher_exactly_when_it_falls_to_half_the_mark() {
    let bus = Bus::default();
    for take_at_once in [false, true] {
        let (subscription, consumer) = inbox(&bus, 51);
        let bells = [Bell::new(), Bell::new()];
        bells.iter().for_each(|bell| consumer.on_below_mark(bell.waker()));
        if take_at_once {
            assert_eq!(subscription.take_backlog().len(), 51);
        } else {
            for left in (26..51).rev() {
                subscription.try_recv().unwrap();
                assert_eq!(bells[0].rung(), 0, "{left} left");
                assert!(consumer.is_over_mark(true));
            }
            subscription.try_recv().unwrap();
        }
        assert!(!consumer.is_over_mark(true));
        bells.iter().for_each(|bell| assert_eq!(bell.rung(), 1));
        while subscription.try_recv().is_ok() {}
        bells.iter().for_each(|bell| assert_eq!(bell.rung(), 1, "once"));
        // Who asks too late is told at once.
        consumer.on_below_mark(bells[0].waker());
        assert_eq!(bells[0].rung(), 2);
    }
}

#[test]
fn an_inbox_wakes_the_publisher_at_each_kind_of_end() {
    type End = fn(&Bus, &Subscription);
    let ends: [(&str, End); 4] = [
        ("unsubscribed", |_, subscription| subscription.unsubscribe()),
        ("too_far_behind", |bus, _| bus.sweep(Instant::now() + Duration::from_secs(31))),
        ("memory_pressure", |bus, _| bus.make_room(bus.budget().limit())),
        ("out_of_capacity", |bus, _| {
            for _ in 0..50 {
                bus.publish("s", "x").unwrap();
            }
        }),
    ];
    for (name, end) in ends {
        let bus = Bus::default();
        let (subscription, consumer) = inbox(&bus, 51);
        let bell = Bell::new();
        consumer.on_below_mark(bell.waker());
        assert_eq!(bell.rung(), 0);
        end(&bus, &subscription);
        assert_eq!(subscription.end_reason().unwrap().name(), name);
        assert_eq!(bell.rung(), 1, "{name}");
        assert!(!consumer.is_over_mark(false) && !consumer.is_over_mark(true));
        drop(subscription);
        assert_eq!(bell.rung(), 1, "{name}: once");
    }
}
