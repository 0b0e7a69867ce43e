//! Code of the user that panics inside of the bus: it harms its own subscription only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Admission, Admit, Bus, Custom, EndReason, Filter, LossReason, Message, ObserveOptions, Offer,
    Origin, Overflow, Policy, Pushback, PushbackMode, RecvError, Router, SubscribeOptions,
    Subscription, Wakeups,
};

use crate::task::Task;

/// Takes everything but what begins with `!`.
pub(crate) struct Touchy;

impl Admission for Touchy {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        assert!(!offer.item.payload.starts_with(b"!"), "on purpose");
        Admit::Accept
    }
}

fn subscribe(bus: &Bus, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new("s").unwrap(), options).unwrap()
}

fn touchy(bus: &Bus) -> Subscription {
    subscribe(bus, SubscribeOptions::default().policy(Policy::Custom(Custom::new(Touchy))))
}

fn plain(bus: &Bus) -> Subscription {
    subscribe(bus, SubscribeOptions::default())
}

// checklist: B11
#[test]
fn a_policy_that_panics_ends_its_subscription_and_the_others_get_the_message() {
    let bus = Bus::default();
    let others = [plain(&bus), plain(&bus)];
    let touchy = touchy(&bus);
    let later = [plain(&bus), plain(&bus)];
    bus.publish("s", "fine").unwrap();
    let report = bus.publish("s", "!").unwrap();
    assert_eq!((report.matched, report.queued, report.lost()), (5, 4, 1));
    assert_eq!(touchy.end_reason(), Some(EndReason::PolicyFailed));
    assert_eq!(bus.publish("s", "after").unwrap().matched, 4);
    for one in others.iter().chain(&later) {
        assert_eq!(one.take_backlog().len(), 3);
    }
    // What it had is still readable, and its account is right.
    assert_eq!(&touchy.recv().unwrap().payload()[..], b"fine");
    assert_eq!(touchy.recv().unwrap_err(), RecvError::Ended(EndReason::PolicyFailed));
    let account = touchy.account();
    assert!(account.is_conserved() && account.losses().of(LossReason::Removed) == 1);
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (4, 5));
}

// checklist: B11
#[test]
fn it_leaves_no_lock_taken_and_no_room_promised() {
    let bus = Bus::default();
    let block = SubscribeOptions::default().policy(Policy::Block { patience: None });
    let waiting = subscribe(&bus, block.max_messages(2));
    // In a batch, and from several threads at once.
    for round in 0..50 {
        let touchy = touchy(&bus);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| bus.publish_wait("s", "!", None).unwrap());
            }
            (0..2).for_each(|_| _ = waiting.recv().unwrap());
        });
        assert_eq!(touchy.end_reason(), Some(EndReason::PolicyFailed), "{round}");
    }
    let touchy = touchy(&bus);
    let (mut router, mut wakeups) = (Router::new(bus.clone()), Wakeups::new());
    let mut pushback = Pushback::new(PushbackMode::None);
    let now = Instant::now();
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
    for payload in ["1", "!", "3"] {
        batch.push(Message::new(b"s", payload.as_bytes()));
    }
    batch.commit();
    assert_eq!((touchy.account().queued(), waiting.account().queued()), (1, 2));
    assert_eq!(touchy.end_reason(), Some(EndReason::PolicyFailed));
    waiting.take_backlog();
    (0..2).for_each(|_| _ = bus.publish("s", "x").unwrap());
    assert!(bus.publish("s", "x").is_err(), "just as much room as before");
}

// checklist: B11
#[test]
fn a_policy_set_later_may_panic_too_and_an_observer() {
    let bus = Bus::default();
    let one = plain(&bus);
    let options = ObserveOptions { deadline: Duration::from_secs(60), ..Default::default() };
    let observer = bus.observe(&Filter::new("s").unwrap(), options, |_| panic!("on purpose"));
    let other = plain(&bus);
    let limits = one.overflow().limits;
    one.set_overflow(Overflow::new(Policy::Custom(Custom::new(Touchy)), limits));
    assert_eq!(bus.publish("s", "x").unwrap().queued, 2);
    assert_eq!(bus.publish("s", "!").unwrap().queued, 1);
    let report = observer.unwrap().report();
    assert_eq!((report.panics, report.overruns, other.take_backlog().len()), (2, 0, 2));
}

/// A waker that publishes and receives, as an executor that runs tasks in place would.
struct Republish {
    bus: Bus,
    own: Subscription,
    left: AtomicU64,
}

impl Wake for Republish {
    fn wake(self: Arc<Self>) {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            _ = self.bus.publish("own", "again");
            _ = self.own.try_recv();
            _ = self.bus.metrics();
        }
    }
}

// checklist: B8
#[test]
fn a_waker_may_publish_and_receive_on_the_same_bus() {
    let bus = Bus::default();
    let block = Policy::Block { patience: None };
    let options = SubscribeOptions::default().policy(block).max_messages(1);
    let subscribe = |filter| bus.subscribe(&Filter::new(filter).unwrap(), options.clone()).unwrap();
    let (own, queue) = (subscribe("own"), subscribe("*"));
    let alarm = Arc::new(Republish { bus: bus.clone(), own, left: AtomicU64::new(1000) });
    let waker = Waker::from(alarm.clone());
    // Woken by what arrives, by what is taken, by the end.
    let mut receiving = Box::pin(queue.recv_async());
    assert!(receiving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    bus.publish("own", "x").unwrap();
    drop(receiving);
    let mut publishing = Box::pin(bus.publish_wait_async("own", "y", None));
    assert!(publishing.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    queue.take_backlog();
    queue.unsubscribe();
    drop((publishing, queue));
    assert!(alarm.left.load(Ordering::SeqCst) < 1000, "it was woken");
}

/// A waker that comes into the line that it is woken from, and leaves it again.
struct Joins {
    bus: Bus,
    woken: AtomicU64,
}

impl Wake for Joins {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let mut waiting = Box::pin(self.bus.publish_wait_async("s", "another", None));
        _ = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

// checklist: B8
#[test]
fn a_waker_may_wait_for_room_where_it_is_woken() {
    let bus = Bus::default();
    let block = Policy::Block { patience: None };
    let queue = subscribe(&bus, SubscribeOptions::default().policy(block).max_messages(1));
    bus.publish("s", "first").unwrap();
    let alarm = Arc::new(Joins { bus: bus.clone(), woken: AtomicU64::new(0) });
    let waker = Waker::from(alarm.clone());
    let mut publishing = Box::pin(bus.publish_wait_async("s", "second", None));
    assert!(publishing.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    queue.recv().unwrap();
    assert_eq!(alarm.woken.load(Ordering::SeqCst), 1);
    // It stood behind, and has not taken the room.
    assert!(publishing.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert_eq!(&queue.recv().unwrap().payload()[..], b"second");
}

// checklist: B8
#[test]
fn a_handler_that_republishes_with_all_capacities_one_never_hangs() {
    const TIMES: u32 = 100_000;
    let bus = Bus::default();
    let block = Policy::Block { patience: None };
    let options = SubscribeOptions::default().policy(block).max_messages(1);
    let own = subscribe(&bus, options);
    let handler = bus.publisher("handler").reads(&own);
    bus.publish("s", "0").unwrap();
    for n in 0..TIMES {
        let message = own.recv().unwrap();
        assert_eq!(message.payload()[..], *n.to_string().as_bytes());
        handler.publish_wait("s", (n + 1).to_string(), None).unwrap();
        // Twice is more than there is room for: it is told at once, whatever call it is.
        if n % 100 == 0 {
            handler.publish_wait("s", "more", None).unwrap_err();
            handler.publish("s", "more").unwrap_err();
            let task = handler.publish_wait_async("s", "more", None);
            Task::new(task).poll().expect("it waits for itself").unwrap_err();
        }
    }
    // Whatever else the policy is, nobody waits.
    let policies = [Policy::Disconnect, Policy::DropNewest, Policy::DropOldest];
    for policy in policies {
        let bus = Bus::default();
        let own = subscribe(&bus, SubscribeOptions::default().policy(policy).max_messages(1));
        bus.publish("s", "x").unwrap();
        for _ in 0..TIMES {
            if let Ok(message) = own.try_recv() {
                bus.publish("s", &message.payload()[..]).unwrap();
                bus.publish("s", "one more").unwrap();
            }
        }
        assert!(own.account().is_conserved());
    }
}
