//! A queue that is overrun loses what was overwritten and nothing else, at a cost that does not
//! depend on how much is queued.

use std::hint::black_box;
use std::time::{Duration, Instant};

use floodway::{Delivery, Fallback, Limits, LossReason, Policy, SHARE_FROM_BYTES};

use crate::oracle::Rule;
use crate::paused::{Paused, Sent};

fn messages(limit: u64) -> Limits {
    Limits { messages: Some(limit), ..Limits::NONE }
}

fn number(n: u64) -> Sent {
    Sent { subject: "s".to_owned(), headers: String::new(), payload: n.to_string() }
}

// checklist: A9 A8
#[test]
fn one_more_than_fits_loses_exactly_one_and_says_so() {
    for (policy, lost, reason) in [
        (Policy::DropOldest, 1, LossReason::DroppedOldest),
        (Policy::DropNewest, 1001, LossReason::DroppedNewest),
    ] {
        for batch in [1, 7, 1000, 1001] {
            let mut clock = Paused::new(64 << 20);
            let subscription = clock.subscribe("s", policy.clone(), messages(1000));
            let all: Vec<_> = (1..=1001).map(number).collect();
            for batch in all.chunks(batch) {
                clock.publish(batch);
            }
            let backlog = subscription.take_backlog_at(clock.now());
            let expected = (1..=1001).filter(|&seq| seq != lost);
            assert!(backlog.iter().map(Delivery::seq).eq(expected.clone()));
            let payloads = backlog.iter().map(|one| String::from_utf8_lossy(one.payload()));
            assert!(payloads.eq(expected.map(|seq| seq.to_string())));
            // The newest is missed behind all others, and told with the next that comes.
            clock.publish(&[number(1002)]);
            let next = subscription.try_recv_at(clock.now()).unwrap();
            let mut told = backlog.iter().chain([&next]).filter_map(|one| one.missed());
            let missed = told.next().unwrap();
            assert_eq!((missed.total(), missed.first(), missed.last()), (1, lost, lost));
            assert_eq!(missed.losses().of(reason), 1);
            assert_eq!(told.next(), None, "told once");
            let at = if lost == 1 { backlog[0].missed() } else { next.missed() };
            assert!(at.is_some(), "told at another place");
            let account = subscription.account();
            assert_eq!((account.delivered(), account.losses().total()), (1001, 1));
        }
    }
}

// checklist: A9 A10
#[test]
fn nothing_stale_and_nothing_reordered() {
    for capacity in [1, 3, 4, 5] {
        let mut clock = Paused::new(1 << 20);
        let subscription = clock.subscribe("s", Policy::DropOldest, messages(capacity));
        for n in 0..6 {
            clock.publish(&[number(n)]);
        }
        let backlog = subscription.take_backlog_at(clock.now());
        let left = backlog.iter().map(|one| str::from_utf8(one.payload()).unwrap().parse::<u64>());
        assert!(left.map(Result::unwrap).eq(6 - capacity..6));
    }
}

// checklist: A9 A14
#[test]
fn room_for_nothing_is_a_limit_like_others() {
    for rule in [Rule::DropNewest, Rule::DropOldest, Rule::BySubject(Fallback::DropOldest)] {
        for limits in [messages(0), Limits { bytes: Some(0), ..Limits::NONE }] {
            let mut clock = Paused::new(1 << 20);
            let subscription = clock.subscribe("s", rule.policy(), limits);
            clock.publish(&[number(1), number(2), number(3)]);
            let error = subscription.try_recv_at(clock.now()).unwrap_err();
            assert_eq!(error.to_string(), "missed 3 messages");
            assert_eq!(
                subscription.try_recv_at(clock.now()).unwrap_err().to_string(),
                "no message"
            );
            assert_eq!(
                (subscription.account().losses().total(), clock.bus.budget().used()),
                (3, 0)
            );
        }
    }
}

// checklist: A7
// spec: OVF-4
#[test]
fn what_cannot_fit_even_alone_pushes_nothing_out() {
    for rule in [Rule::DropOldest, Rule::BySubject(Fallback::DropOldest)] {
        let mut clock = Paused::new(1 << 20);
        let limits = Limits { messages: Some(2), bytes: Some(100), ..Limits::NONE };
        let subscription = clock.subscribe("s", rule.policy(), limits);
        let giant = Sent { payload: "x".repeat(SHARE_FROM_BYTES), ..number(0) };
        // In a run as well as alone.
        clock.publish(&[number(1), giant.clone(), giant.clone(), giant.clone()]);
        clock.publish(&[giant]);
        let first = subscription.try_recv_at(clock.now()).unwrap();
        assert_eq!((&first.payload()[..], first.missed()), (&b"1"[..], None));
        let error = subscription.try_recv_at(clock.now()).unwrap_err();
        assert_eq!(error.to_string(), "missed 4 messages");
    }
}

/// The least time that publishing to a full queue of so many messages took, per message.
fn cost(depth: u64, policy: Policy) -> Duration {
    const ROUNDS: u32 = 30;
    const RUN: u32 = 200;
    let mut clock = Paused::new(1 << 30);
    let subscription = clock.subscribe("s", policy, messages(depth));
    for _ in 0..=depth / 100 {
        clock.publish_run("s", "0123456789", 100);
    }
    assert_eq!(subscription.account().queued(), depth);
    let one = [number(0)];
    let round = |_| {
        let started = Instant::now();
        for _ in 0..RUN {
            black_box(clock.publish(&one));
        }
        started.elapsed() / RUN
    };
    (0..ROUNDS).map(round).min().unwrap()
}

// checklist: E6
#[test]
fn cost_does_not_depend_on_depth() {
    for policy in [Policy::DropOldest, Policy::DropNewest] {
        let [shallow, middle, deep] = [10, 1000, 100_000].map(|depth| cost(depth, policy.clone()));
        // Anything that looks at all of the queue would be a thousand times slower.
        assert!(middle < shallow * 8 && deep < shallow * 8, "{shallow:?} {middle:?} {deep:?}");
    }
}
