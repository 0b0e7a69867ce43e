//! What lanes hold, and how they give it back.

use super::framing::SEALED_HEADERS;
use super::lanes::{at_most, by_subject};
use super::*;

impl Client {
    /// What the table of subscriptions holds, which nothing but the end gives back.
    pub(super) fn budget_of_slots(&self) -> u64 {
        self.outbox.slots.held_bytes() as u64
    }

    /// The memory of lanes as it is booked, and as they say themselves.
    fn lane_memory(&self) -> (usize, usize) {
        let lanes = self.outbox.slots.iter().filter_map(|(_, slot)| slot.lane());
        let own = lanes.map(|lane| lane.backlog.held_bytes()).sum();
        (self.outbox.lanes.as_ref().unwrap().held_bytes, own)
    }

    /// Books so much of the budget that it is short.
    fn press(&self) -> Charge {
        let limit = self.budget.limit();
        self.budget.charge((limit / 10 * 9) as usize)
    }
}

#[test]
fn the_memory_of_lanes_is_booked_and_given_back() {
    let mut client = Client::unlimited();
    let policies = [(1, Policy::DropOldest), (2, Policy::DropNewest), (3, by_subject())];
    let keys =
        policies.map(|(sid, policy)| client.lossy(sid, policy, at_most(500), Report::Status));
    client.block();
    let idle = client.budget.used();
    for round in 0..1000 {
        let payload = [b'x'; 300];
        for key in keys {
            let payload = &payload[round % 100..];
            client.publish(key, &format!("k.{}", round % 70), &[], &[payload]);
        }
        let (booked, own) = client.lane_memory();
        assert_eq!(booked, own);
    }
    let full = client.budget.used();
    let queued = (500 + 500) * 200 + 70 * 200;
    assert!((queued..3 * queued).contains(&(full - idle)), "{}", full - idle);
    assert_eq!(client.outbox.held_bytes() as u64, full - client.budget_of_slots());
    client.said();
    let (booked, own) = client.lane_memory();
    assert_eq!(booked, own);
    assert!(client.budget.used() < idle + 20_000, "the memory of a burst stays");
    for sid in 1..=3 {
        client.outbox.unsubscribe(&Sid::Number(sid), None).unwrap();
    }
    assert_eq!((client.lane_memory(), client.outbox.held_bytes()), ((0, 0), 0));
}

#[test]
fn a_gap_put_back_into_an_emptied_lane_is_booked() {
    // Each message fills the stream, so each feed takes one.
    let large = vec![b'x'; 64 * 1024];
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropNewest, at_most(70), Report::Header);
    client.block();
    client.outbox.on_writable();
    client.deliver(key, &[&large]);
    let headers = SEALED_HEADERS;
    let put = |client: &mut Client| client.publish(key, "s", headers, &[&large]).0;
    while put(&mut client).lost == 0 {}
    client.write(usize::MAX);
    // Room for one more again and again, and each time one too many: many gaps.
    for _ in 0..70 {
        client.write(usize::MAX);
        assert_eq!((put(&mut client).queued, put(&mut client).lost), (1, 1));
    }
    client.write(usize::MAX);
    assert_eq!(put(&mut client).queued, 1, "the last gap has a message behind it");
    while client.write(usize::MAX) {
        let (booked, own) = client.lane_memory();
        assert_eq!(booked, own);
    }
    assert!(client.outbox.slots.at(key.slot).unwrap().lane().unwrap().backlog.has_gap());
    let (booked, own) = client.lane_memory();
    assert_eq!(booked, own);
    assert_eq!(client.backlog(key).messages, 0);
    client.outbox.unsubscribe(&Sid::Number(1), None).unwrap();
    assert_eq!(client.outbox.lanes.as_ref().unwrap().held_bytes, 0);
}

// spec: BND-2
#[test]
fn the_window_narrows_while_memory_is_short() {
    for pressed in [false, true] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropOldest, at_most(1000), Report::None);
        let charge = pressed.then(|| client.press());
        let payload = [b'x'; 100 - FRAME_HEAD];
        client.deliver(key, &[&payload[..]; 1000]);
        let passed = client.outbox.depth().messages;
        assert_eq!(passed, if pressed { passed.min(41) } else { 656 });
        client.write(1);
        client.deliver(key, &[&payload[..]; 1000]);
        // The same for what is fed.
        client.outbox.on_writable();
        client.write(usize::MAX);
        assert_eq!(client.account(key).delivered(), passed);
        client.write(usize::MAX);
        assert_eq!(client.account(key).delivered(), 2 * passed);
        drop(charge);
    }
}

// spec: BND-2, TLD-1
#[test]
fn memory_pressure_takes_the_older_half_and_says_so() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropNewest, UNLIMITED, Report::Status);
    let keyed = client.lossy(2, by_subject(), UNLIMITED, Report::Header);
    client.block();
    let payload = [b'x'; 200];
    // One by one: what came in one batch is freed as a whole.
    (0..101).for_each(|_| assert_eq!(client.deliver_one(key, &payload), 1));
    for subject in ["a", "b", "c"] {
        client.publish(keyed, subject, &[], &[subject.as_bytes(), subject.as_bytes()]);
    }
    let before = client.budget.used();
    assert!(client.outbox.relieve());
    let freed = before - client.budget.used();
    assert!(freed > 51 * 200, "{freed}");
    assert_eq!(client.account(key).losses().of(LossReason::MemoryPressure), 51);
    assert_eq!((client.backlog(key).messages, client.backlog(keyed).messages), (50, 1));
    assert!(client.outbox.end_reason().is_none());
    let said = client.said();
    assert_eq!(said[0], "1 missed 51 in 1-51 memory_pressure=51");
    let keyed = said.iter().find(|line| line.starts_with("2:"));
    let told = "2:c, missed 2 in 2-4 memory_pressure=2, replaced 1";
    assert_eq!((said.len(), keyed.map(String::as_str)), (52, Some(told)));
    // Nothing left to give.
    assert!(!client.outbox.relieve());
}

#[test]
fn who_can_give_up_nothing_that_counts_is_not_relieved() {
    // Only ends at its limit: nothing of it may be lost.
    let mut client = Client::unlimited();
    let ttl = Limits { ttl: Some(Duration::from_secs(1)), ..UNLIMITED };
    let strict = client.lossy(1, Policy::Disconnect, ttl, Report::Header);
    client.block();
    client.deliver(strict, &[&[b'x'; 200][..]; 100]);
    assert!(!client.outbox.relieve());
    assert_eq!(client.backlog(strict).messages, 100);

    // The stream is what is large.
    let mut client = Client::unlimited();
    let lossy = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::Header);
    let plain = client.subscribe(2, SubscriptionSpec::default()).unwrap();
    client.block();
    client.deliver(plain, &[&[b'x'; 2000][..]; 100]);
    client.deliver(lossy, &[&[b'x'; 200][..]; 100]);
    assert!(!client.outbox.relieve());
    assert_eq!(client.backlog(lossy).messages, 100);

    // A stream that every stalled client has is no reason to end this one.
    let mut client = Client::unlimited();
    let lossy = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::Header);
    client.block();
    client.count(lossy, 1..=1);
    assert!(client.outbox.relieve());
    assert!(!client.outbox.relieve(), "nothing is left");
}

#[test]
fn what_has_expired_but_is_still_in_memory_is_given_up_first() {
    let mut client = Client::unlimited();
    let ttl = Limits { ttl: Some(Duration::from_millis(10)), ..UNLIMITED };
    let key = client.lossy(1, Policy::DropOldest, ttl, Report::Status);
    client.block();
    (0..1000).for_each(|_| assert_eq!(client.deliver_one(key, &[b'x'; 200]), 1));
    client.now += Duration::from_millis(11);
    client.count(key, 1..=1);
    let before = client.budget.used();
    assert!(client.outbox.relieve(), "that gave memory back");
    assert!(before - client.budget.used() > 900 * 200);
    assert_eq!((client.account(key).expired(), client.backlog(key).messages), (1000, 1));
    assert_eq!(client.account(key).losses().total(), 0);
    assert_eq!(client.lane_memory().0, client.lane_memory().1);
}

// checklist: E7
#[test]
fn large_payloads_in_a_lane_count_for_who_holds_them() {
    let large = vec![b'x'; 4 * SHARE_FROM_BYTES];
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::None);
    client.block();
    client.deliver(key, &[&large[..]; 50]);
    let held = client.outbox.held_bytes();
    assert!(held >= 50 * large.len(), "{held}");
    let before = client.budget.used();
    assert!(client.outbox.relieve());
    assert!(before - client.budget.used() >= 25 * large.len() as u64);
    assert!(client.outbox.held_bytes() <= held / 2 + 4096);
}

#[test]
fn messages_that_come_while_a_writer_is_at_it_go_behind() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, at_most(10), Report::Header);
    client.count(key, 1..=1);
    let mut taken = client.outbox.begin_write(&TestFraming, client.now).unwrap();
    client.count(key, 2..=2);
    let payload = [b'x'; 1000];
    client.deliver(key, &[&payload[..]; 100]);
    assert_eq!(client.backlog(key).messages, 10);
    client.ping("pong");
    assert!(client.outbox.begin_write(&TestFraming, client.now).is_none(), "one at a time");
    let (written, now) = (taken.len(), client.now);
    client.read.extend(taken.to_vec());
    taken.advance(written, &client.outbox.settings.pool);
    assert!(client.outbox.end_write(taken, written, WriteEnd::Drained, now), "there is more");
    let said = client.said();
    assert_eq!(said[..2], ["1:1", "1:2"]);
    assert!(said.last().is_some_and(|line| line == "pong"));
    assert_eq!(client.outbox.totals().delivered as usize, said.len() - 1);
}

#[test]
fn what_waits_in_lanes_is_tried_again_when_the_socket_was_writable_meanwhile() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, at_most(10), Report::Header);
    client.block();
    client.count(key, 1..=3);
    assert!(client.outbox.begin_write(&TestFraming, client.now).is_none());
    client.outbox.on_writable();
    let mut taken = client.outbox.begin_write(&TestFraming, client.now).unwrap();
    assert_eq!(client.backlog(key).messages, 0, "fed with the first write");
    client.count(key, 4..=4);
    client.outbox.on_writable();
    let (half, now) = (taken.len() / 2, client.now);
    client.read.extend(&taken.to_vec()[..half]);
    taken.advance(half, &client.outbox.settings.pool);
    assert!(client.outbox.end_write(taken, half, WriteEnd::Blocked, now), "go on at once");
    assert!(!client.outbox.is_blocked());
    // Blocked in the end with all of the stream out but messages in the lane.
    assert_eq!(client.said(), ["1:1", "1:2", "1:3", "1:4"]);
    client.block();
    client.count(key, 5..=5);
    client.outbox.on_writable();
    assert!(!client.write(0) && client.outbox.is_blocked());
    assert_eq!(client.said().last().map(String::as_str), Some("1:5"));
}
