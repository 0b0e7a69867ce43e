//! `throttle`: publishers slow down in proportion to the queue, and only for the queue that is
//! slow. Time is simulated where it can be, so the figures are exact.

use std::thread;
use std::time::{Duration, Instant};

use floodway::{Bus, Filter, Limits, Overflow, Policy, Refusal, SubscribeOptions, Subscription};

use crate::task::Task;

const MAX_DELAY: Duration = Duration::from_millis(10);

fn throttle(max_delay: Duration, limit: u64) -> SubscribeOptions {
    let limits = Limits { messages: Some(limit), ..Limits::NONE };
    SubscribeOptions::default().policy(Policy::Throttle { max_delay }).limits(limits)
}

fn subscribe(bus: &Bus, filter: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

#[test]
fn the_delay_grows_from_nothing_at_the_mark_to_the_most_at_the_limit() {
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", throttle(MAX_DELAY, 100));
    let delays: Vec<_> = (0..100).map(|_| bus.publish("s", "x").unwrap().delay).collect();
    assert!(delays[..50].iter().all(Duration::is_zero), "{delays:?}");
    for (nth, delay) in delays.iter().enumerate().skip(50) {
        let expected = MAX_DELAY.mul_f64((nth + 1 - 50) as f64 / 50.0);
        assert!(delay.abs_diff(expected) < Duration::from_micros(1), "{nth}: {delay:?}");
    }
    assert_eq!(delays[99], MAX_DELAY);
    // Nothing is refused below the limit, and there publishers wait.
    assert!(matches!(bus.publish("s", "x").unwrap_err().refusal, Refusal::Full(_)));
    let mut task = Task::waiting(bus.publish_wait_async("s", "x", None));
    queue.recv().unwrap();
    assert!(task.when_woken().is_none(), "it pays the delay as well");
    assert_eq!(queue.account().queued(), 100);
    assert_eq!(task.run().unwrap().delay, MAX_DELAY);
    // By bytes as well, whichever is nearer to its limit.
    let limits = Limits { messages: Some(100), bytes: Some(100), ..Limits::NONE };
    queue.take_backlog();
    queue.set_overflow(Overflow::new(Policy::Throttle { max_delay: MAX_DELAY }, limits));
    assert_eq!(bus.publish("s", [0; 74]).unwrap().delay, MAX_DELAY / 2);
}

/// Producers and one consumer on a simulated clock. The most that was queued in the second half,
/// and how many were received in it per second.
fn simulate(producers: usize, produce: Duration, consume: Duration, limit: u64) -> (u64, f64) {
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", throttle(MAX_DELAY, limit));
    let start = Instant::now();
    let seconds = Duration::from_secs(20);
    let (mut next, mut ready) = (vec![start; producers], start + consume);
    let (mut deepest, mut received) = (0, 0_u32);
    while ready < start + seconds {
        let second_half = ready >= start + seconds / 2;
        let (who, at) = next.iter().copied().enumerate().min_by_key(|(_, at)| *at).unwrap();
        if at <= ready {
            let report = bus.publish_at("s", "x", at).expect("it reaches its limit");
            next[who] = at + produce + report.delay;
            let depth = queue.account().queued();
            deepest = if second_half { depth.max(deepest) } else { 0 };
            continue;
        }
        received += u32::from(queue.try_recv_at(ready).is_ok() && second_half);
        ready += consume;
    }
    let account = queue.account();
    assert!(account.is_conserved() && account.troubles() == 0);
    (deepest, f64::from(received) / (seconds / 2).as_secs_f64())
}

// checklist: E3
#[test]
fn a_queue_settles_below_its_set_point_at_the_rate_of_its_consumer() {
    let (fast, slow) = (Duration::from_micros(100), Duration::from_millis(1));
    for (producers, limit) in [(1, 100), (1, 1000), (4, 100), (8, 1000)] {
        // The delay that makes the producers just as fast as the consumer, and its place between
        // the mark and the limit; that and a tenth is the set point.
        let delay = slow.mul_f64(producers as f64) - fast;
        let share = delay.as_secs_f64() / MAX_DELAY.as_secs_f64();
        let set_point = limit as f64 / 2.0 * (1.0 + share) * 1.1 + producers as f64;
        let (deepest, rate) = simulate(producers, fast, slow, limit);
        assert!((deepest as f64) < set_point, "{producers}: {deepest}, not {set_point}");
        assert!((900.0..1100.0).contains(&rate), "{producers}: {rate} per second");
    }
    // A consumer that keeps up costs its producers nothing.
    let (deepest, rate) = simulate(1, slow, fast, 100);
    assert!(deepest < 3 && (900.0..1100.0).contains(&rate), "{deepest} {rate}");
}

// checklist: E3
#[test]
fn threads_are_slowed_to_the_rate_of_their_consumer() {
    const MESSAGES: u64 = 2000;
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", throttle(Duration::from_millis(2), 200));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..MESSAGES).for_each(|_| _ = bus.publish_wait("s", "x", None).unwrap());
            });
        }
        let mut deepest = 0;
        for _ in 0..2 * MESSAGES {
            queue.recv().unwrap();
            deepest = deepest.max(queue.account().queued());
            // Some work.
            let until = Instant::now() + Duration::from_micros(100);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        assert!(deepest < 200, "it filled up");
    });
    assert!(queue.account().troubles() == 0 && bus.metrics().delayed > Duration::ZERO);
}

// checklist: E3
#[test]
fn two_actors_with_more_on_the_way_than_their_marks_do_not_deadlock() {
    const HOPS: u32 = 10_000;
    let bus = Bus::default();
    let max_delay = Duration::from_micros(200);
    let inboxes = ["a", "b"].map(|name| subscribe(&bus, name, throttle(max_delay, 100)));
    // Two thirds of both queues are full: each is over its mark, and is slow because of the other.
    for n in 0..132 {
        bus.publish(["a", "b"][n % 2], HOPS.to_le_bytes()).unwrap();
    }
    let hops: u32 = thread::scope(|scope| {
        let actors = [(0, "b"), (1, "a")].map(|(own, next)| {
            let (bus, own) = (&bus, &inboxes[own]);
            scope.spawn(move || {
                let publisher = bus.publisher(next).reads(own);
                let mut hops = 0;
                let last = || Some(Instant::now() + Duration::from_secs(20));
                while let Ok(message) = own.recv_until(last()) {
                    let left = u32::from_le_bytes(message.payload()[..].try_into().unwrap());
                    if left == 0 || hops == HOPS {
                        break;
                    }
                    hops += 1;
                    publisher.publish_wait(next, (left - 1).to_le_bytes(), last()).unwrap();
                }
                hops
            })
        });
        actors.map(|actor| actor.join().unwrap()).into_iter().sum()
    });
    assert!(hops >= HOPS, "they stand still after {hops}");
    assert_eq!(bus.metrics().wait_cycles, 0);
}

#[test]
fn nobody_is_charged_for_another_subscription() {
    let bus = Bus::default();
    let slow = subscribe(&bus, "slow", throttle(MAX_DELAY, 10));
    let fast = subscribe(&bus, "*", throttle(MAX_DELAY, 10));
    for n in 0..100 {
        if n < 10 {
            bus.publish("slow", "x").unwrap();
            fast.take_backlog();
        }
        let report = bus.publish("fast", "x").unwrap();
        assert_eq!((report.queued, report.delay), (1, Duration::ZERO));
        fast.take_backlog();
    }
    // Both are matched: the slow one asks for the delay.
    slow.recv().unwrap();
    assert_eq!(bus.publish("slow", "x").unwrap().delay, MAX_DELAY);
}

#[test]
fn who_is_over_its_own_mark_is_not_charged() {
    let bus = Bus::default();
    let next = subscribe(&bus, "next", throttle(MAX_DELAY, 1000));
    let own = subscribe(&bus, "own", throttle(MAX_DELAY, 10));
    let stage = bus.publisher("stage").reads(&own);
    (0..600).for_each(|_| _ = bus.publish("next", "x").unwrap());
    let publish = || {
        let waited = stage.publish_wait("next", "x", None).unwrap().delay;
        let task = Task::new(stage.publish_wait_async("next", "x", None)).run().unwrap().delay;
        let once = stage.publish("next", "x").unwrap().delay;
        [waited, task, once].map(|delay| delay > Duration::ZERO)
    };
    assert_eq!(publish(), [true; 3]);
    // Its mailbox fills up to just over its mark, and then it is let go first.
    (0..5).for_each(|_| _ = bus.publish("own", "x").unwrap());
    assert_eq!(publish(), [true; 3], "at its mark");
    bus.publish("own", "x").unwrap();
    assert_eq!(publish(), [false; 3], "over its mark");
    // Others pay.
    assert!(bus.publish("next", "x").unwrap().delay > Duration::ZERO);
    own.recv().unwrap();
    assert_eq!(publish(), [true; 3]);
    assert_eq!(next.account().troubles(), 0);
}
