//! How subscriptions with a lane end, alone and with their session.

use super::lanes::{at_most, by_subject};
use super::*;

fn behind(seconds: u64, messages: u64) -> Limits {
    Limits { behind: Some(Duration::from_secs(seconds)), ..at_most(messages) }
}

/// Nothing is left of lanes that are gone.
fn assert_no_lanes(client: &Client) {
    let lanes = client.outbox.lanes.as_ref().unwrap();
    assert_eq!((lanes.held_bytes, lanes.answer_bytes), (0, 0));
    assert!(lanes.ready.is_empty() && lanes.answers.is_empty());
    assert!(client.outbox.is_drained());
}

// spec: OVF-2, TLD-3, END-2
#[test]
fn one_that_is_told_ends_alone_after_what_was_queued_and_missed() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropNewest, behind(10, 5), Report::Status);
    let other = client.lossy(2, Policy::DropOldest, at_most(5), Report::Header);
    client.block();
    client.count(key, 1..=8);
    client.count(other, 1..=1);
    client.now += Duration::from_millis(9999);
    assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
    assert_eq!(client.outbox.open_subscriptions(), 2);
    client.now += Duration::from_millis(1);
    assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
    let reaped: Vec<_> = client.outbox.reap().into_iter().map(|(key, _)| key).collect();
    assert_eq!((reaped, client.outbox.open_subscriptions()), (vec![key], 1));
    assert_eq!(client.deliver_one(key, b"too late"), 0);
    client.count(other, 2..=2);

    // Its name is free at once, its place only when all of it is out.
    let next = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    assert_ne!(next.slot, key.slot);
    assert_eq!(client.outbox.slots.iter().count(), 3);
    let said = client.said();
    let gap = "1 missed 3 in 6-8 dropped_newest=3";
    assert_eq!(said[..7], ["1:1", "1:2", "1:3", "1:4", "1:5", gap, "1 ended"]);
    assert_eq!(said[7..], ["2:1", "2:2"]);
    assert_eq!(client.outbox.slots.iter().count(), 2);
    let totals = client.outbox.totals();
    assert_eq!((totals.matched, totals.delivered, totals.losses.total()), (10, 7, 3));
    client.outbox.unsubscribe(&Sid::Number(2), None).unwrap();
    assert_no_lanes(&client);
}

// spec: OVF-1, OVF-6
#[test]
fn a_plain_limit_with_a_time_to_live_ends_at_the_limit() {
    let limits = Limits { ttl: Some(Duration::from_secs(5)), ..at_most(2) };
    for report in [Report::Status, Report::Header, Report::None] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::Disconnect, limits, report);
        client.block();
        client.count(key, 1..=2);
        // What has expired makes room.
        client.now += Duration::from_millis(5001);
        client.count(key, 3..=4);
        let (taken, ended) = client.deliver(key, &[b"5", b"6"]);
        assert_eq!((taken.queued, taken.lost), (0, 0));
        assert_eq!(client.account(key).losses().of(LossReason::OutOfCapacity), 1);
        assert_eq!(client.account(key).matched(), 5, "nothing matches after the end");
        let alone = report == Report::Status;
        assert_eq!((taken.finished, ended.is_none()), (alone, alone));
        assert_eq!(client.outbox.end_reason(), ended.as_ref());
        assert!(
            ended.is_none_or(|end| matches!(end, EndReason::OutOfCapacity { messages: 2, .. }))
        );
        let gap = "missed 2 in 1-2 expired=2";
        match report {
            Report::Header => assert_eq!(client.said(), [&format!("1:3, {gap}"), "1:4"]),
            Report::None => assert_eq!(client.said(), ["1:3", "1:4"]),
            Report::Status => {
                assert_eq!(client.said(), [&format!("1 {gap}"), "1:3", "1:4", "1 ended"]);
                assert_no_lanes(&client);
            }
        }
        let totals = client.outbox.totals();
        assert_eq!((totals.delivered, totals.expired, totals.losses.total()), (2, 2, 1));
    }
}

// checklist: A5
// spec: OVF-2
#[test]
fn its_own_limit_ends_one_that_loses_messages_and_that_of_the_connection_does_not() {
    let late = Duration::from_secs(10);
    for report in [Report::Header, Report::None] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropOldest, behind(10, 5), report);
        client.block();
        client.count(key, 1..=1);
        client.now += late;
        let reason = client.outbox.sweep(&TestFraming, client.now);
        assert!(matches!(reason, Some(EndReason::TooFarBehind { messages: 1, .. })));
    }
    let connection = Limits { behind: Some(late), ..UNLIMITED };
    let stalled = |client: &mut Client| {
        client.now += late;
        client.outbox.sweep(&TestFraming, client.now).is_some()
    };
    for policy in [Policy::DropOldest, Policy::DropNewest, by_subject()] {
        let mut client = Client::new(connection, UNLIMITED);
        let key = client.lossy(1, policy, at_most(5), Report::Header);
        let plain = client.subscribe(2, SubscriptionSpec::default()).unwrap();
        client.count(key, 1..=1);
        client.write(1);
        client.count(key, 2..=9);
        assert!(!stalled(&mut client));
        // An answer that nobody takes changes nothing, a plain message does.
        client.ping("pong");
        assert!(!stalled(&mut client));
        client.count(plain, 1..=1);
        assert!(stalled(&mut client));
    }
    // One that may expire messages but ends at its limits is like a plain one.
    let mut client = Client::new(connection, UNLIMITED);
    let ttl = Limits { ttl: Some(Duration::from_secs(60)), ..UNLIMITED };
    let key = client.lossy(1, Policy::Disconnect, ttl, Report::Header);
    client.block();
    client.count(key, 1..=1);
    assert!(stalled(&mut client));
}

#[test]
fn an_unsubscribed_one_still_gets_what_waits() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropNewest, at_most(2), Report::Status);
    client.block();
    client.count(key, 1..=3);
    let closed = client.outbox.unsubscribe(&Sid::Number(1), None);
    assert_eq!(closed.map(|(key, _)| key), Some(key));
    assert_eq!(client.deliver_one(key, b"too late"), 0);
    assert_eq!(client.said(), ["1:1", "1:2", "1 missed 1 in 3-3 dropped_newest=1"]);
    assert_no_lanes(&client);
    assert!(client.outbox.slots.iter().next().is_none());
    assert_eq!(client.outbox.totals().matched, 3);

    // With nothing queued and only a header to tell, it is gone at once.
    let key = client.lossy(1, Policy::DropNewest, at_most(0), Report::Header);
    client.block();
    client.count(key, 1..=3);
    client.outbox.unsubscribe(&Sid::Number(1), None).unwrap();
    assert!(client.outbox.slots.iter().next().is_none());
    client.said();
    assert_no_lanes(&client);
}

#[test]
fn a_maximum_counts_what_the_client_gets() {
    for one_by_one in [false, true] {
        for (policy, survivors) in [
            (Policy::DropOldest, ["1:18", "1:19", "1:20"]),
            (Policy::DropNewest, ["1:1", "1:2", "1:3"]),
        ] {
            let mut client = Client::unlimited();
            let key = client.lossy(1, policy, at_most(3), Report::None);
            assert!(client.outbox.unsubscribe(&Sid::Number(1), Some(5)).is_none());
            client.block();
            if one_by_one {
                for number in 1..=20 {
                    client.count(key, number..=number);
                }
            } else {
                client.count(key, 1..=20);
            }
            // All of them were offered: the newest are the newest of all.
            assert_eq!(client.account(key).matched(), 20);
            assert_eq!(client.said(), survivors);
            assert_eq!(client.outbox.open_subscriptions(), 1);
            let taken = client.count(key, 21..=30);
            assert!(taken.queued == 2 && taken.finished);
            assert_eq!(client.outbox.reap().len(), 1);
            assert_eq!(client.said(), [&survivors[..], &["1:21", "1:22"]].concat());
            assert_no_lanes(&client);
        }
        // A key that is replaced is one message, whatever is replaced.
        let mut client = Client::unlimited();
        let key = client.lossy(1, by_subject(), UNLIMITED, Report::None);
        assert!(client.outbox.unsubscribe(&Sid::Number(1), Some(2)).is_none());
        client.block();
        if one_by_one {
            for number in 1..=20 {
                client.count(key, number..=number);
            }
        } else {
            client.count(key, 1..=20);
        }
        assert_eq!(client.outbox.open_subscriptions(), 1);
        client.publish(key, "other", &[], &[b"o1", b"o2"]);
        assert_eq!(client.outbox.open_subscriptions(), 0);
        let last = if one_by_one { "1:o1" } else { "1:o2" };
        assert_eq!(client.said().len(), 2, "{last}");
    }
}

// spec: CON-3
#[test]
fn what_waits_in_lanes_is_given_up_with_the_session() {
    for in_hand in [false, true] {
        let mut client = Client::unlimited();
        let idle = client.budget.used();
        let key = client.lossy(1, Policy::DropOldest, at_most(50), Report::Status);
        let keyed = client.lossy(2, by_subject(), UNLIMITED, Report::Status);
        let idle = idle.max(client.budget.used());
        client.block();
        client.count(key, 1..=60);
        client.count(keyed, 1..=5);
        client.ping("pong");
        let taken = in_hand.then(|| {
            client.outbox.on_writable();
            client.outbox.begin_write(&TestFraming, client.now).unwrap()
        });
        client.count(key, 61..=61);
        client.outbox.end(EndReason::Kicked);
        client.outbox.discard();
        assert_eq!((client.outbox.held_bytes(), client.budget.used()), (0, idle));
        if let Some(taken) = taken {
            assert!(client.outbox.begin_write(&TestFraming, client.now).is_none());
            let mut taken = taken;
            let written = answer(b"-").len() - 1;
            taken.advance(written, &client.outbox.settings.pool);
            let now = client.now;
            assert!(!client.outbox.end_write(taken, written, WriteEnd::Blocked, now));
        }
        let lost = client.account(key).losses();
        let (oldest, removed) = if in_hand { (10, 51) } else { (11, 50) };
        assert_eq!(lost.of(LossReason::DroppedOldest), oldest);
        assert_eq!(lost.of(LossReason::Removed), removed);
        let account = client.account(keyed);
        assert_eq!((account.conflated(), account.losses().of(LossReason::Removed)), (4, 1));
        for key in [key, keyed] {
            assert!(client.account(key).is_conserved() && client.account(key).queued() == 0);
        }
        assert_no_lanes(&client);
        assert_eq!(client.outbox.close_all().len(), 2);
        assert_eq!(client.outbox.depth(), Depth::default());
        assert!(client.outbox.begin_write(&TestFraming, client.now).is_none());
        assert_eq!(client.budget.used(), idle);
    }
}
