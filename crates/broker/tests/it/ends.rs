//! How sessions end.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use floodway::{EndReason, Limits, LossReason, Overflow};
use floodway_broker::{Advisory, Broker, BrokerConfig};

use crate::client::{Client, Lines, UNLIMITED, config, publish_as};

/// A broker whose connections hold at most so many messages.
fn broker(messages: u64) -> Broker {
    let limits = Limits { messages: Some(messages), ..UNLIMITED };
    Broker::new(BrokerConfig { connection: Overflow::disconnect(limits), ..config(64 << 20) })
}

// checklist: B2
#[test]
fn a_session_out_of_capacity_still_gets_what_was_queued() {
    let (broker, now) = (broker(2), Instant::now());
    let client = Client::stalled(&broker, now);
    client.subscribe(&broker, 1, "a");
    assert_eq!(publish_as(&broker, None, "a", &[b"x", b"y", b"z"], now), 2);
    assert_eq!(client.session.end_reason().unwrap().name(), "out_of_capacity");
    client.session.last_words(b"-ERR slow\n", now);
    assert_eq!(publish_as(&broker, None, "a", &[b"too late"], now), 0);
    assert!(!client.session.end(EndReason::Kicked), "the first reason stays");
    client.read(usize::MAX, now);
    assert_eq!(client.lines(), ["1 x", "1 y", "-ERR slow"]);

    let advisory = Advisory::of_end(&client.session.snapshot(now, true)).unwrap();
    let text = String::from_utf8(advisory.payload).unwrap();
    assert!(text.contains(r#""reason":"out_of_capacity""#), "{text}");
    assert!(text.contains(r#""lost":1"#) && text.contains(r#""delivered":2"#), "{text}");
    let last = broker.close(&client.session, now);
    assert_eq!(last.end.unwrap().name(), "out_of_capacity");
    assert_eq!((last.matched, last.out_messages, last.losses.total()), (3, 2, 1));
    assert_eq!((broker.bus().subscription_count(), broker.bus().consumer_count()), (0, 0));
    drop(client);
    assert_eq!(broker.bus().budget().used(), 0);
}

// checklist: B1
#[test]
fn racing_ends_agree_on_one_reason() {
    const ROUNDS: usize = 10_000;
    let (broker, now) = (broker(1), Instant::now());
    let clients: Vec<_> = (0..ROUNDS).map(|_| Client::stalled(&broker, now)).collect();
    for (n, client) in clients.iter().enumerate() {
        client.subscribe(&broker, 1, &format!("a.{n}"));
    }
    let start = Barrier::new(3);
    let ends = [EndReason::Kicked, EndReason::ServerStopped];
    // A panic in a thread would leave the others waiting: what they saw is judged afterwards.
    let seen = thread::scope(|scope| {
        let threads = [0, 1, 2].map(|who| {
            let (broker, clients, start, ends) = (&broker, &clients, &start, &ends);
            scope.spawn(move || {
                let mut seen = Vec::new();
                for (n, client) in clients.iter().enumerate() {
                    start.wait();
                    let first = match who {
                        0 => client.session.end(ends[0].clone()),
                        1 => client.session.evict(ends[1].clone()),
                        _ => {
                            publish_as(broker, None, &format!("a.{n}"), &[b"x", b"y"], now);
                            false
                        }
                    };
                    seen.push((first, client.session.end_reason().cloned()));
                }
                seen
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for (who, seen) in seen.iter().enumerate() {
        for (client, (first, reason)) in clients.iter().zip(seen) {
            assert!(who == 2 || reason.is_some(), "ended without a reason");
            assert!(reason.is_none() || reason.as_ref() == client.session.end_reason(), "changed");
            assert!(!first || reason.as_ref() == ends.get(who), "told that it was the first");
        }
    }
    for client in &clients {
        let reason = client.session.end_reason().cloned();
        let inner = client.session.with_outbox(|outbox| outbox.end_reason().cloned());
        assert!(reason.is_some() && reason == inner, "{reason:?}, inside {inner:?}");
        let last = broker.close(&client.session, now);
        assert_eq!((last.end, last.matched), (reason, last.losses.total()));
    }
}

#[test]
fn closing_counts_what_nobody_will_write_any_more() {
    for in_hand in [false, true] {
        let (broker, now) = (broker(100), Instant::now());
        let client = Client::stalled(&broker, now);
        client.subscribe(&broker, 1, "a");
        assert_eq!(publish_as(&broker, None, "a", &[b"one", b"two", b"three"], now), 3);
        client.read("1 one\n1 t".len(), now);
        client.session.with_outbox(floodway_broker::Outbox::on_writable);
        let taken = client
            .session
            .with_outbox(|outbox| if in_hand { outbox.begin_write(&Lines, now) } else { None });
        assert_eq!(taken.is_some(), in_hand);
        let last = broker.close(&client.session, now);
        assert_eq!((last.matched, last.out_messages, last.pending_messages), (3, 1, 0));
        assert_eq!(last.losses.of(LossReason::Disconnected), 2);
        assert!(last.subscriptions[0].account.is_conserved());
        let totals = broker.registry().totals(now);
        assert_eq!((totals.matched, totals.delivered, totals.losses.total()), (3, 1, 2));
        assert_eq!(broker.registry().open_count(), 0);
    }
}
