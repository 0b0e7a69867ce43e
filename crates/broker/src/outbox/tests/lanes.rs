//! What waits in a lane, what is dropped, replaced or skipped there, and how the client is told.

use floodway::{Conflation, Fallback, Key};

use super::framing::{MuteFraming, SEALED_HEADERS};
use super::*;

const WINDOW: usize = 64 * 1024;

pub(super) fn at_most(messages: u64) -> Limits {
    Limits { messages: Some(messages), ..UNLIMITED }
}

fn living(ttl: u64) -> Limits {
    Limits { ttl: Some(Duration::from_millis(ttl)), ..UNLIMITED }
}

pub(super) fn by_subject() -> Policy {
    Policy::Conflate(Conflation::default())
}

fn lines<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).to_vec()
}

/// The lines of plain messages with these numbers.
fn plain(sid: u64, numbers: RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| format!("{sid}:{number}")).collect()
}

// spec: OVF-7
#[test]
fn what_the_client_keeps_up_with_passes_its_lane_by() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, at_most(3), Report::Header);
    assert_eq!(client.count(key, 1..=100).queued, 100);
    assert_eq!((client.backlog(key).messages, client.outbox.depth().messages), (0, 100));
    assert_eq!(client.said(), plain(1, 1..=100));

    // Until the stream is no longer short: the message that makes it so is the last to pass.
    let payload = [b'x'; 1000];
    let (taken, _) = client.deliver(key, &[&payload[..]; 100]);
    let passed = WINDOW.div_ceil(FRAME_HEAD + 1000) as u64;
    assert_eq!(client.outbox.depth().messages, passed);
    assert_eq!((taken.queued, taken.lost), (100, 0));
    assert_eq!(client.backlog(key).messages, 3);
    // Now that something waits, what comes must not overtake it.
    client.write(10);
    client.outbox.on_writable();
    assert_eq!(client.count(key, 101..=101).queued, 1);
    let said = client.said();
    let missed = format!("missed {} in {}-198 dropped_oldest", 98 - passed, 101 + passed);
    assert_eq!(said.len() as u64, 100 + passed + 3);
    assert!(said[100 + passed as usize].contains(&missed), "{missed}");
    assert_eq!(said.last().map(String::as_str), Some("1:101"));

    // The same without a gap, and with a stream that is short again.
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::Header);
    client.block();
    client.count(key, 1..=2);
    client.outbox.on_writable();
    client.count(key, 3..=3);
    assert_eq!(client.backlog(key).messages, 3);
    assert_eq!(client.said(), plain(1, 1..=3));
}

// spec: OVF-4
#[test]
fn what_an_empty_lane_would_not_take_is_refused_also_by_one_that_keeps_up() {
    for policy in [Policy::DropOldest, Policy::DropNewest] {
        let limits = Limits { bytes: Some(10), ..UNLIMITED };
        let reason = Overflow::new(policy.clone(), limits).loss_reason().name();
        let mut client = Client::unlimited();
        let key = client.lossy(1, policy, limits, Report::Header);
        // The subject counts as well.
        let (taken, _) = client.deliver(key, &[&[b'x'; 9], &[b'y'; 10], &[b'y'; 11], &[b'z'; 9]]);
        assert_eq!((taken.queued, taken.lost), (2, 2));
        let told = format!("1:zzzzzzzzz, missed 2 in 2-3 {reason}=2");
        assert_eq!(client.said(), ["1:xxxxxxxxx", &told]);
    }
}

// checklist: A7 A8
// spec: OVF-4, TLD-1
#[test]
fn drop_oldest_keeps_exactly_the_newest_and_says_what_was_before_them() {
    let gap = "missed 15 in 1-15 dropped_oldest=15";
    for (report, first) in [
        (Report::Header, vec![format!("1:16, {gap}")]),
        (Report::Status, vec![format!("1 {gap}"), "1:16".to_owned()]),
        (Report::None, vec!["1:16".to_owned()]),
    ] {
        for one_by_one in [false, true] {
            let mut client = Client::unlimited();
            let key = client.lossy(1, Policy::DropOldest, at_most(5), report);
            client.block();
            if one_by_one {
                (1..=20)
                    .for_each(|number| assert_eq!(client.count(key, number..=number).queued, 1));
            } else {
                let taken = client.count(key, 1..=20);
                assert_eq!((taken.queued, taken.lost), (20, 0), "if only for a moment");
            }
            let account = client.account(key);
            assert_eq!((account.queued(), account.matched()), (5, 20));
            assert_eq!(account.losses().of(LossReason::DroppedOldest), 15);
            assert_eq!(client.outbox.troubles(), 15);
            assert_eq!(client.said(), [first.clone(), plain(1, 17..=20)].concat());
            assert_eq!(client.account(key).delivered(), 5);
        }
    }
}

// checklist: A7 A8
// spec: OVF-4, TLD-1, TLD-3
#[test]
fn drop_newest_keeps_the_first_and_says_what_was_behind_them() {
    let gap = "missed 15 in 6-20 dropped_newest=15";
    for (report, told, next) in [
        (Report::Header, vec![], format!("1:21, {gap}")),
        (Report::Status, vec![format!("1 {gap}")], "1:21".to_owned()),
        (Report::None, vec![], "1:21".to_owned()),
    ] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropNewest, at_most(5), report);
        client.block();
        let taken = client.count(key, 1..=20);
        assert_eq!((taken.queued, taken.lost), (5, 15));
        // A status does not wait for a further message; a header has to.
        let mut expected = [plain(1, 1..=5), told].concat();
        assert_eq!(client.said(), expected);
        assert!(client.outbox.is_drained());
        client.count(key, 21..=22);
        expected.extend([next, "1:22".to_owned()]);
        assert_eq!(client.said(), expected);
        assert_eq!(client.account(key).losses().of(LossReason::DroppedNewest), 15);
    }
}

// spec: TLD-1
#[test]
fn a_gap_between_messages_stands_between_them() {
    // One message at a time is fed, for each fills the stream.
    let large = |number: u8| vec![number; WINDOW];
    for report in [Report::Header, Report::Status] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropNewest, at_most(2), report);
        client.block();
        let mut expected = Vec::new();
        for number in 1..=4 {
            client.deliver(key, &[&large(number)]);
        }
        client.outbox.on_writable();
        client.write(usize::MAX);
        // Messages 3 and 4 were refused; 5 finds room behind the gap, 6 and 7 are refused again.
        for number in 5..=7 {
            client.deliver(key, &[&large(number)]);
        }
        for frame in client.frames().split_off(1) {
            expected.push(match frame {
                Frame::Message { payload, .. } => (u64::from(payload[0]), None),
                Frame::Noted { payload, told, .. } => (u64::from(payload[0]), Some(told.range)),
                Frame::Missed { told, .. } => (0, Some(told.range)),
                other => panic!("{other}"),
            });
        }
        let (middle, end) = (Some((3, 4)), Some((6, 7)));
        match report {
            Report::Header => assert_eq!(expected, [(1, None), (2, None), (5, middle)]),
            _ => {
                let all = [(1, None), (2, None), (0, middle), (5, None), (0, end)];
                assert_eq!(expected, all);
            }
        }
    }
}

#[test]
fn a_client_that_cannot_be_told_gets_the_messages_as_they_were() {
    let drained = |client: &mut Client| {
        client.outbox.on_writable();
        while let Some(taken) = client.outbox.begin_write(&MuteFraming, client.now) {
            client.read.extend(taken.to_vec());
            let (written, now) = (taken.len(), client.now);
            client.outbox.end_write(ByteQueue::new(), written, WriteEnd::Drained, now);
        }
        client.said()
    };
    for report in [Report::Header, Report::Status, Report::None] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropNewest, at_most(2), report);
        let keyed = client.lossy(2, by_subject(), UNLIMITED, report);
        client.block();
        client.count(key, 1..=9);
        client.count(keyed, 1..=3);
        let mut expected = lines(["1:1", "1:2", "2:3"]);
        assert_eq!(drained(&mut client), expected);
        client.count(key, 10..=10);
        expected.push("1:10".to_owned());
        assert_eq!(drained(&mut client), expected);
    }
}

// spec: TLD-3
#[test]
fn what_cannot_be_told_with_one_message_is_told_with_the_next() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, at_most(2), Report::Header);
    client.block();
    client.count(key, 1..=3);
    client.publish(key, "s", SEALED_HEADERS, &[b"4", b"5"]);
    let expected = lines(["1:4", "1:5"]);
    assert_eq!(client.said(), expected);
    client.count(key, 6..=7);
    let told = lines(["1:6, missed 3 in 1-3 dropped_oldest=3", "1:7"]);
    assert_eq!(client.said(), [expected, told].concat());
}

// checklist: A7
// spec: OVF-5, TLD-2
#[test]
fn conflation_keeps_the_latest_of_each_key_at_the_place_of_the_first() {
    for report in [Report::Header, Report::Status, Report::None] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, by_subject(), UNLIMITED, report);
        client.block();
        for (subject, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3")] {
            client.publish(key, subject, &[], &[format!("{subject}{value}").as_bytes()]);
        }
        let (taken, _) = client.publish(key, "b", &[], &[b"b2", b"b3", b"b4"]);
        assert_eq!((taken.queued, taken.lost), (3, 0));
        let account = client.account(key);
        assert_eq!((account.queued(), account.conflated(), account.matched()), (3, 5, 8));
        assert_eq!(client.outbox.subscriptions(client.now)[0].replaced, 2);
        let expected = match report {
            Report::None => lines(["1:a3", "1:b4", "1:c1"]),
            _ => lines(["1:a3, replaced 2", "1:b4, replaced 3", "1:c1"]),
        };
        assert_eq!(client.said(), expected);
        assert!(client.account(key).is_conserved());
    }
}

// checklist: A7
// spec: OVF-5
#[test]
fn with_more_keys_than_fit_the_fallback_decides() {
    let policy = |fallback| Policy::Conflate(Conflation { key: Key::Subject, fallback });
    let offer = |client: &mut Client, key| {
        for (subject, value) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("b", "b2")] {
            client.publish(key, subject, &[], &[value.as_bytes()]);
        }
    };
    for (fallback, expected) in [
        (
            Fallback::DropOldest,
            lines(["1 missed 1 in 3-3 dropped_oldest=1", "1:b2, replaced 1", "1:c1"]),
        ),
        (
            Fallback::DropNewest,
            lines(["1:a2, replaced 1", "1:b2, replaced 1", "1 missed 1 in 4-4 dropped_newest=1"]),
        ),
        (Fallback::Disconnect, lines(["1:a2, replaced 1", "1:b1", "1 ended"])),
    ] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, policy(fallback), at_most(2), Report::Status);
        client.block();
        offer(&mut client, key);
        assert_eq!(client.said(), expected, "{fallback:?}");
    }
}

// spec: OVF-6
#[test]
fn messages_that_wait_too_long_are_skipped_and_told() {
    let gap = "missed 2 in 1-2 expired=2";
    for swept in [false, true] {
        for policy in [Policy::DropOldest, Policy::DropNewest, Policy::Disconnect, by_subject()] {
            let keyed = policy == by_subject();
            let mut client = Client::unlimited();
            let key = client.lossy(1, policy, living(100), Report::Status);
            client.block();
            let put = |client: &mut Client, name: &str| {
                let subject = if keyed { name } else { "s" };
                client.publish(key, subject, &[], &[name.as_bytes()]);
            };
            put(&mut client, "a");
            put(&mut client, "b");
            client.now += Duration::from_millis(1);
            put(&mut client, "c");
            // As old as it may be is not too old.
            client.now += Duration::from_millis(99);
            if swept {
                assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
            }
            assert_eq!((client.account(key).expired(), client.backlog(key).messages), (0, 3));
            client.now += Duration::from_millis(1);
            if swept {
                assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
                assert_eq!((client.account(key).expired(), client.backlog(key).messages), (2, 1));
            }
            assert_eq!(client.said(), [format!("1 {gap}"), "1:c".to_owned()]);
            assert_eq!((client.account(key).expired(), client.outbox.troubles()), (2, 2));
        }
    }
}

// spec: OVF-6, TLD-3
#[test]
fn a_lane_that_expired_to_the_last_still_tells() {
    for (report, alone, next) in [
        (Report::Status, Some("1 missed 3 in 1-3 expired=3"), "1:4"),
        (Report::Header, None, "1:4, missed 3 in 1-3 expired=3"),
        (Report::None, None, "1:4"),
    ] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropOldest, living(100), report);
        client.block();
        client.count(key, 1..=3);
        client.now += Duration::from_millis(101);
        client.outbox.sweep(&TestFraming, client.now);
        let mut expected: Vec<_> = alone.into_iter().map(str::to_owned).collect();
        assert_eq!(client.said(), expected);
        client.count(key, 4..=4);
        expected.push(next.to_owned());
        assert_eq!(client.said(), expected);
    }
}

// spec: OVF-7
#[test]
fn plain_subscriptions_beside_lanes_keep_their_order_and_wait_for_none() {
    let mut client = Client::unlimited();
    let lossy = client.lossy(1, Policy::DropOldest, at_most(1000), Report::Header);
    let both = [2, 3].map(|sid| client.subscribe(sid, SubscriptionSpec::default()).unwrap());
    client.block();
    client.count(lossy, 1..=500);
    for number in 1..=20 {
        client.count(both[number as usize % 2], number..=number);
    }
    // All of them go out with the next write, and before what waits.
    let queued = client.outbox.depth().messages;
    assert_eq!(queued, 20);
    let said = client.said();
    let first: Vec<_> = (1..=20).map(|number| format!("{}:{number}", 2 + number % 2)).collect();
    assert_eq!((&said[..20], &said[20..]), (&first[..], &plain(1, 1..=500)[..]));
}

// spec: OVF-7, TLD-3
#[test]
fn lanes_and_what_waits_for_them_are_not_starved_by_a_plain_subscription() {
    let mut client = Client::unlimited();
    let lossy = client.lossy(1, Policy::DropNewest, at_most(100), Report::Header);
    let busy = client.subscribe(2, SubscriptionSpec::default()).unwrap();
    let payload = [b'x'; 1000];
    client.block();
    client.deliver(busy, &[&payload[..]; 200]);
    client.count(lossy, 1..=100);
    client.ping("pong");
    // The client takes as much as comes in: it is never less than 200 kB behind.
    let mut written = 0;
    while !decode(&client.read).0.contains(&Frame::Answer(b"pong".to_vec())) {
        client.outbox.on_writable();
        client.write(10 * (FRAME_HEAD + 1000));
        client.deliver(busy, &[&payload[..]; 10]);
        written += 10_000;
        assert!(written < 2_000_000, "never told");
    }
    // And they do not make the backlog longer than it was, but by their share.
    assert!(client.outbox.depth().bytes < 230_000, "{:?}", client.outbox.depth());
}

#[test]
fn lanes_feed_in_turns() {
    let mut client = Client::unlimited();
    let keys = [1, 2, 3].map(|sid| client.lossy(sid, Policy::DropOldest, UNLIMITED, Report::None));
    client.block();
    for key in keys {
        client.deliver(key, &[&[b'x'; 1000][..]; 100]);
    }
    let frames = client.frames().split_off(1);
    let sids: Vec<_> = frames.iter().map(|frame| frame.to_string()[..1].to_owned()).collect();
    let turns: Vec<_> = sids.chunk_by(|one, next| one == next).collect();
    // A turn ends with the message that reaches 8 KiB.
    let most = (8 * 1024_usize).div_ceil(FRAME_HEAD + 1000);
    for (n, turn) in turns[..30].iter().enumerate() {
        assert!(turn.len() <= most && turn[0] == (n % 3 + 1).to_string(), "{n}: {turn:?}");
    }
    assert_eq!(sids.len(), 300);
}
