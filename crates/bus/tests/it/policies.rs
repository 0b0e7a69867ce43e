//! A script for each policy: exactly who survives, what the consumer is told, and the account,
//! after each operation. The scripts are tables in `scripts/`; a key is a letter, a value a digit.

use std::fmt::Write;
use std::time::Duration;

use floodway::{Account, Delivery, Fallback, Limits, LossReason, Missed, RecvError, Subscription};

use crate::oracle::Rule;
use crate::paused::{Paused, Sent};

const BUDGET: u64 = 1 << 20;

/// The message of a word such as `a1`, or `a1+50` with so many bytes more than others.
fn message(word: &str) -> Sent {
    let (name, pad) = word.split_once('+').unwrap_or((word, "0"));
    let key = name.chars().next().filter(char::is_ascii_lowercase);
    let mut sent = Sent::new("s.-", key, key, pad.parse().unwrap());
    if let Some(key) = key {
        sent.subject = format!("s.{key}");
    }
    // The word itself, so that it can be told what came out.
    sent.payload.insert_str(1, &format!("\"word\": \"{name}\", "));
    sent
}

fn word(delivery: &Delivery) -> String {
    let text = str::from_utf8(delivery.payload()).unwrap();
    let mut parts = text.split('"').skip(3);
    let name = parts.next().unwrap().to_owned();
    let replaced = delivery.replaced();
    if replaced > 0 { format!("{name}*{replaced}") } else { name }
}

/// Where it was missed: a range, and how many if others of the range were not missed.
fn range(missed: &Missed) -> String {
    let (total, first, last) = (missed.total(), missed.first(), missed.last());
    if total == last - first + 1 {
        format!("[{first}-{last}]")
    } else {
        format!("[{total} of {first}-{last}]")
    }
}

fn reasons(missed: &Missed) -> String {
    let each = missed.by_reason().map(|(name, count)| format!("{count} {name}"));
    format!("{} {}", each.collect::<Vec<_>>().join(" "), range(missed))
}

fn result(next: Result<Delivery, RecvError>) -> String {
    match next {
        Ok(delivery) => {
            let told = delivery.missed().map(|missed| format!(" after {}", reasons(missed)));
            format!("{} #{}{}", word(&delivery), delivery.seq(), told.unwrap_or_default())
        }
        Err(RecvError::Missed(missed)) => format!("missed {}", reasons(&missed)),
        Err(RecvError::Ended(reason)) => format!("ended: {}", reason.name()),
        Err(RecvError::Empty) => "empty".to_owned(),
    }
}

/// Everything queued, with the gaps between.
fn queue(clock: &Paused, subscription: &Subscription) -> String {
    let mut queue = Vec::new();
    loop {
        match subscription.try_recv_at(clock.now()) {
            Ok(delivery) => {
                queue.extend(delivery.missed().map(range));
                queue.push(word(&delivery));
            }
            Err(RecvError::Missed(missed)) => queue.push(range(&missed)),
            Err(RecvError::Empty | RecvError::Ended(_)) => return queue.join(" "),
        }
    }
}

/// The sum that must be right.
fn sum(account: &Account) -> String {
    let lost = LossReason::ALL.map(|reason| (account.losses().of(reason), reason.name()));
    let parts = [(account.delivered(), "got")].into_iter().chain(lost).chain([
        (account.conflated(), "conflated"),
        (account.expired(), "expired"),
        (account.queued(), "queued"),
    ]);
    let parts: Vec<_> =
        parts.filter(|part| part.0 > 0).map(|(n, name)| format!("{n} {name}")).collect();
    assert!(account.is_conserved(), "{account:?}");
    format!("{} = {}", account.matched(), parts.join(" + "))
}

fn apply(clock: &mut Paused, subscription: &Subscription, operation: &str) -> String {
    let (verb, rest) = operation.split_once(' ').unwrap_or((operation, ""));
    match verb {
        "put" => {
            let messages: Vec<_> = rest.split_whitespace().map(message).collect();
            clock.publish(&messages);
        }
        "get" => return result(subscription.try_recv_at(clock.now())),
        "wait" => {
            clock.ms += rest.parse::<u64>().unwrap();
            clock.sweep();
        }
        "evict" => clock.bus.make_room(BUDGET),
        "end" => subscription.unsubscribe(),
        other => panic!("{other}"),
    }
    String::new()
}

/// Plays a script again for each of its lines, because looking at a queue empties it.
fn play(script: &str, rule: Rule, limits: Limits) {
    let rows: Vec<Vec<&str>> = script
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 20, "only {}", rows.len());
    let mut real = Vec::new();
    for last in 0..rows.len() {
        let mut clock = Paused::new(BUDGET);
        let subscription = clock.subscribe("s.*", rule.policy(), limits);
        let mut shown = String::new();
        for row in &rows[..=last] {
            shown = apply(&mut clock, &subscription, row[0]);
        }
        let account = subscription.account();
        let ended = subscription.end_reason();
        let ended = ended.map_or_else(String::new, |reason| format!("; {}", reason.name()));
        let sum = sum(&account) + &ended;
        let queued = queue(&clock, &subscription);
        assert_eq!(account.queued_bytes() > 0, account.queued() > 0);
        real.push(vec![rows[last][0].to_owned(), shown, queued, sum]);
    }
    let table = real.iter().fold(String::new(), |mut table, row| {
        writeln!(table, "{:15} | {:37} | {:20} | {}", row[0], row[1], row[2], row[3]).unwrap();
        table
    });
    assert!(real == rows, "with {rule:?} it is\n{table}");
}

fn messages(limit: u64) -> Limits {
    Limits { messages: Some(limit), ..Limits::NONE }
}

// checklist: A7
// spec: OVF-1
#[test]
fn disconnect() {
    play(include_str!("scripts/disconnect.txt"), Rule::Disconnect, messages(3));
}

// checklist: A7
// spec: OVF-4, TLD-1
#[test]
fn drop_newest() {
    play(include_str!("scripts/drop-newest.txt"), Rule::DropNewest, messages(3));
}

// checklist: A7
// spec: OVF-4, TLD-1
#[test]
fn drop_oldest() {
    play(include_str!("scripts/drop-oldest.txt"), Rule::DropOldest, messages(3));
}

// checklist: A7
#[test]
fn drop_oldest_by_bytes_and_age() {
    let size = message("a1").size();
    let (bytes, ttl) = (Some(3 * size), Some(Duration::from_millis(10)));
    let limits = Limits { bytes, ttl, ..Limits::NONE };
    play(include_str!("scripts/drop-oldest-bytes-ttl.txt"), Rule::DropOldest, limits);
}

// checklist: A7 E9
// spec: OVF-5, TLD-2
#[test]
fn conflate_by_subject_by_header_and_by_payload() {
    let script = include_str!("scripts/conflate.txt");
    let at = Fallback::DropOldest;
    for rule in [Rule::BySubject(at), Rule::ByTag(at), Rule::ByName(at)] {
        play(script, rule, messages(3));
    }
}

// checklist: A7
#[test]
fn conflate_and_refuse_further_keys() {
    let script = include_str!("scripts/conflate-drop-newest.txt");
    let at = Fallback::DropNewest;
    for rule in [Rule::BySubject(at), Rule::ByTag(at), Rule::ByName(at)] {
        play(script, rule, messages(2));
    }
}

// checklist: A7
#[test]
fn conflate_and_end_at_a_further_key() {
    let script = include_str!("scripts/conflate-disconnect.txt");
    let at = Fallback::Disconnect;
    for rule in [Rule::BySubject(at), Rule::ByTag(at), Rule::ByName(at)] {
        play(script, rule, messages(2));
    }
}

// checklist: A7
#[test]
fn what_has_no_key_is_never_replaced() {
    let script = include_str!("scripts/conflate-keyless.txt");
    for rule in [Rule::ByTag(Fallback::DropOldest), Rule::ByName(Fallback::DropOldest)] {
        play(script, rule, messages(3));
    }
}

// checklist: A7 E2
#[test]
fn a_function_decides() {
    play(include_str!("scripts/custom.txt"), Rule::Whim, messages(6));
}
