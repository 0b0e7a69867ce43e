//! The cases with a row for each policy.

use std::time::Duration;

use super::super::crowd::Crowd;
use super::super::form::Form;
use super::super::policy::{BURST, Kept, Missed};
use super::super::queries::{Others, Queries};
use super::super::slow::{Pace, Slow};
use super::super::wish::Policy;
use super::{Entry, Work};

type Tables = Vec<(String, Vec<Entry>)>;

/// Healthy ones beside slow ones.
///
/// Under `disconnect` a slow one costs what it takes to fill its queue, once; the windows are as
/// long as to see that share of a few seconds. Under the others it costs the same all the time.
pub(super) fn slow(quick: bool) -> Tables {
    let shapes = [
        ("128 B 1→1 beside 1 stalled", (1, 1), Pace::Stalled, true),
        // The peers are in the case `stall`, for as long as it takes to fill their buffers.
        ("128 B 1→8 beside 1 stalled", (8, 1), Pace::Stalled, false),
        ("128 B 1→8 beside 8 stalled", (8, 8), Pace::Stalled, true),
        ("128 B 1→8 beside 1 that reads a tenth", (8, 1), Pace::Tenth, true),
    ];
    let entry = |(healthy, slow), pace, (label, policy, subjects), peers| {
        let millis = |full| Duration::from_millis(if quick { full / 3 } else { full });
        let (alone, beside, rounds) = match policy {
            Policy::Disconnect => (500, 2_000, 1),
            _ => (300, 500, if quick { 1 } else { 2 }),
        };
        let (alone, beside) = (millis(alone), millis(beside));
        let slow = Slow { healthy, slow, pace, policy, subjects, peers, alone, beside, rounds };
        Entry { label, work: Work::Slow(slow) }
    };
    // What is replaced by subject may be of one, where a row of messages is one step, or of many,
    // where each is looked up.
    let policies = || {
        let one = Policy::ALL.map(|policy| (policy.name(), policy, 1));
        one.into_iter().chain([("conflate, 200 subjects in turn", Policy::Conflate, 200)])
    };
    let table = |(title, sides, pace, peers): (&str, (usize, usize), Pace, bool)| {
        let entries = policies().map(|policy| entry(sides, pace, policy, peers));
        (format!("{title}, flat out, by policy"), entries.collect())
    };
    shapes.map(table).into()
}

/// Healthy ones beside very many that are stalled.
pub(super) fn crowd(quick: bool) -> Tables {
    let (stalled, many) = if quick { (2_000, "2,000") } else { (10_000, "10,000") };
    let seconds = Duration::from_secs;
    let ended = Crowd {
        stalled,
        policy: Policy::Disconnect,
        rate: None,
        alone: seconds(1),
        beside: Duration::from_millis(1_500),
    };
    let staying = Crowd {
        policy: Policy::DropOldest,
        rate: Some(500.0),
        alone: seconds(2),
        beside: seconds(3),
        ..ended
    };
    let table = |how: &str, label, crowd| {
        let title = format!("128 B 1→8 beside {many} stalled under 256 MiB, {how}");
        (title, vec![Entry { label, work: Work::Crowd(crowd) }])
    };
    vec![
        table("flat out", Policy::Disconnect.name(), ended),
        table("500 msg/s", Policy::DropOldest.name(), staying),
    ]
}

/// What policies cost.
pub(super) fn policy(quick: bool) -> Tables {
    let length = Duration::from_millis(if quick { 300 } else { 400 });
    let kept = |subscribers: usize, burst: u64, how: &str| {
        let entry = |policy: Policy| {
            let work = Work::Kept(Kept { subscribers, policy, burst, length });
            Entry { label: policy.name(), work }
        };
        let title = format!("128 B 1→{subscribers} at 400,000 msg/s{how}, kept up with, by policy");
        (title, Policy::STAYING.map(entry).into())
    };
    let missed = |subjects: usize, what: &str| {
        let entry = |policy: Policy| {
            let work = Work::Missed(Missed { subjects, policy, length });
            Entry { label: policy.name(), work }
        };
        let title =
            format!("128 B 1→1 at 400,000 msg/s in bursts beside 1 stalled, {what}, by policy");
        (title, Policy::STAYING.map(entry).into())
    };
    vec![
        kept(1, 1, ""),
        kept(8, 1, ""),
        kept(1, BURST, " in bursts"),
        kept(8, BURST, " in bursts"),
        missed(1, "one subject"),
        missed(200, "200 subjects in turn"),
    ]
}

/// One beside a thousand that want something else.
pub(super) fn queries(quick: bool) -> Tables {
    let length = Duration::from_millis(if quick { 200 } else { 400 });
    let rounds = if quick { 1 } else { 3 };
    let entry = |label, form, others| {
        let work = Work::Queries(Queries { form, others, length, rounds });
        Entry { label, work }
    };
    let rows = [
        ("by query, the same headers in every message", Form::Headers, Others::Queried),
        ("by query, a number of its own in the headers of each", Form::Numbered, Others::Queried),
        ("by query, tags from JSON", Form::Json, Others::Queried),
        ("plain, of other subjects", Form::Headers, Others::Plain),
    ];
    let rows = rows.map(|(label, form, others)| entry(label, form, others)).into();
    vec![("128 B 1→1 beside 999 other subscriptions, flat out".to_owned(), rows)]
}
