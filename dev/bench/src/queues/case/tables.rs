//! The tables of each group.

use super::super::payload::Kind;
use super::super::shape::CAPACITY;
use super::super::work::{Shape, Work};
use super::{Bar, Case, Column, Group, Scale, Summary};

/// What a publisher does so that nobody has much more than a capacity waiting; see `shape.rs`.
const FAN_NOTE: &str = "two workers; bounded channels are awaited; mutex and monitor yield once \
    after a message that left somebody with 1024 or more; the unbounded channel yields while \
    somebody is 1024 behind, the broadcast channel while it is full but for 32, both looking once \
    in 32 messages";

/// What a ring that several consumers hold back must be beside those one would take instead.
const RINGS_BAR: Bar = Bar::HalfAgainOf(&["crossbeam", "std", "disruptor"]);

pub(super) fn of(group: Group, scale: &Scale) -> Vec<Case> {
    match group {
        Group::Same => vec![same(scale)],
        Group::Ring => vec![ring(scale)],
        Group::Pair => vec![pair(scale)],
        Group::Batch => vec![batch(scale)],
        Group::Many => vec![many(scale)],
        Group::Overwrite => overwrite(scale),
        Group::Fan => vec![fan(scale)],
        Group::Broadcast => vec![broadcast(scale)],
        Group::Memory => vec![memory(scale)],
        Group::Depth => depth(scale),
        Group::Crowd => crowd(scale),
    }
}

fn case(group: Group, title: &str, note: &'static str, columns: Vec<Column>) -> Case {
    Case { group, title: title.to_owned(), note, columns, summary: None }
}

/// A column per payload; bars are of u64 and of `Bytes` of 18 bytes.
fn by_payload(shape: Shape, work: Work, payloads: &[Kind], bars: [Option<Bar>; 2]) -> Vec<Column> {
    let column = |payload: &Kind| {
        let bar = match payload {
            Kind::Number => bars[0],
            Kind::Bytes(18) => bars[1],
            Kind::Bytes(_) => None,
        };
        let work = Work { payload: *payload, ..work };
        Column { head: payload.to_string(), shape, work, bar }
    };
    payloads.iter().map(column).collect()
}

fn at_most(number: f64, bytes: f64) -> [Option<Bar>; 2] {
    [Some(Bar::AtMost(number)), Some(Bar::AtMost(bytes))]
}

fn same(scale: &Scale) -> Case {
    let columns = by_payload(Shape::Same, scale.work(400_000), scale.all(), at_most(12.0, 25.0));
    let note = "through the operations that never wait; bytes are handles, moved";
    case(Group::Same, "same thread, enqueue + dequeue, ns a message", note, columns)
}

fn ring(scale: &Scale) -> Case {
    let bars = [Some(Bar::AtMostOf("rtrb, spin")); 2];
    let columns = by_payload(Shape::Ring, scale.work(1_000_000), scale.all(), bars);
    let title = "same thread, single-producer ring, ns a message";
    case(Group::Ring, title, "1024 slots; ArrayQueue takes many producers", columns)
}

fn pair(scale: &Scale) -> Case {
    let columns = by_payload(Shape::Pair, scale.work(500_000), scale.all(), at_most(20.0, 45.0));
    let note = "blocking operations, threads where the system puts them";
    case(Group::Pair, "1 producer → 1 consumer thread, ns a message", note, columns)
}

fn batch(scale: &Scale) -> Case {
    // One figure is asked for, not one for each payload.
    let bars = [Some(Bar::AtMost(8.0)), None];
    let columns = by_payload(Shape::Batch, scale.work(500_000), scale.small(), bars);
    let note = "flume, kanal and tokio unbounded send one by one; flume, kanal and swapped take \
        all there is, the others 64 at most";
    let title = "1 producer → 1 consumer thread, in batches of 64, ns a message";
    case(Group::Batch, title, note, columns)
}

fn many(scale: &Scale) -> Case {
    let work = Work { producers: 4, ..scale.work(500_000) };
    let columns = by_payload(Shape::Many, work, scale.small(), at_most(25.0, 45.0));
    let note = "blocking operations, threads where the system puts them";
    case(Group::Many, "4 producer → 1 consumer threads, ns a message", note, columns)
}

fn overwrite(scale: &Scale) -> Vec<Case> {
    let work = scale.work(500_000);
    let table = |title: &str, note, shape, bars| {
        let columns = by_payload(shape, work, scale.small(), bars);
        case(Group::Overwrite, title, note, columns)
    };
    vec![
        table(
            "overwriting ring, same thread, always full, ns a push",
            "every push loses the oldest; at the end the newest 1024 must be there",
            Shape::OverwriteFull,
            at_most(12.0, 22.0),
        ),
        table(
            "overwriting ring, same thread, push + pop, ns a message",
            "never full: what the figures of the bar were measured with",
            Shape::OverwritePairs,
            at_most(12.0, 22.0),
        ),
        table(
            "overwriting ring, a thread pushes flat out, another pops, ns a push",
            "what is missing must be what is reported lost, wherever the reader was",
            Shape::OverwriteThreads,
            [None; 2],
        ),
    ]
}

fn fan(scale: &Scale) -> Case {
    let column = |(subscribers, bar): (usize, f64)| {
        // Everybody gets enough to be over the mark, if it is not the shortest of runs.
        let messages = (500_000 / subscribers as u64).max(2_000);
        let work = Work { consumers: subscribers, ..scale.work(messages) };
        let bar = Some(Bar::AtMost(bar));
        Column { head: subscribers.to_string(), shape: Shape::FanOut, work, bar }
    };
    let columns = [(1, 40.0), (8, 80.0), (64, 60.0), (1_000, 70.0)].map(column).into();
    let title = "tokio fan-out to so many subscriber tasks, Arc payload, ns a delivery";
    case(Group::Fan, title, FAN_NOTE, columns)
}

fn broadcast(scale: &Scale) -> Case {
    let column = |(head, consumers, messages, bar): (&str, usize, u64, Bar)| {
        let work = Work { consumers, ..scale.work(messages) };
        Column { head: head.to_owned(), shape: Shape::Broadcast, work, bar: Some(bar) }
    };
    let columns = [
        ("1 → 1", 1, 500_000, Bar::AtMost(40.0)),
        ("1 → 2", 2, 100_000, RINGS_BAR),
        ("1 → 8", 8, 20_000, Bar::AtMost(100.0)),
    ];
    let columns = columns.map(column).into();
    let note = "u64; crossbeam, std and rtrb: a queue per listener; tokio's publisher waits while \
        it is nearly full, so that nothing is lost";
    case(Group::Broadcast, "broadcast ring on threads, ns a delivery", note, columns)
}

fn memory(scale: &Scale) -> Case {
    let column = |head: &str, shape, bar| {
        let work = scale.work(0);
        Column { head: head.to_owned(), shape, work, bar }
    };
    let columns = vec![
        column("heap", Shape::Heap, Some(Bar::AtMost(128.0))),
        column("both handles", Shape::Handles, None),
    ];
    let note = "of Bytes; heap as asked of the allocator, handles beside it";
    let title = "an empty queue with a limit of 1,000,000, bytes";
    case(Group::Memory, title, note, columns)
}

fn depth(scale: &Scale) -> Vec<Case> {
    let table = |payload: &Kind| {
        let column = |(head, depth): (&str, u64)| {
            let work = scale.work(400_000);
            // The deepest is what it is about, so it is not much less in a short run.
            let depth = if scale.divisor > 100 { depth.min(10_000) } else { depth };
            let work = Work { payload: *payload, depth, ..work };
            Column { head: head.to_owned(), shape: Shape::Depth, work, bar: None }
        };
        let columns = [("at 10", 10), ("at 1,000", 1_000), ("at 1,000,000", 1_000_000)];
        let title = format!("same thread, at a depth, {payload}, ns a message");
        let note = "after each queue was gone round once";
        let columns = columns.map(column).into();
        Case { summary: Some(Summary::Swing), ..case(Group::Depth, &title, note, columns) }
    };
    scale.small().iter().map(table).collect()
}

fn crowd(scale: &Scale) -> Vec<Case> {
    let table = |title: &str, note, shape, few, many| {
        let bar = (shape == Shape::BroadcastOfMany).then_some(RINGS_BAR);
        let column = |(head, each, messages): (&str, usize, u64)| {
            let work = Work { producers: each, consumers: each, ..scale.work(messages) };
            Column { head: head.to_owned(), shape, work, bar }
        };
        let columns = [("2 + 2", 2, few), ("16 + 16", 16, many)].map(column).into();
        Case { summary: Some(Summary::Kept), ..case(Group::Crowd, title, note, columns) }
    };
    vec![
        table(
            "broadcast, producers + listeners on 2 cores, ns a delivery",
            "u64; every listener sees everything",
            Shape::BroadcastOfMany,
            20_000,
            4_000,
        ),
        table(
            "one queue, producers + consumers on 2 cores, ns a message",
            "u64; every message goes to one of the consumers",
            Shape::Shared,
            200_000,
            200_000,
        ),
    ]
}

const _: () = assert!(CAPACITY == 1024, "the titles and notes say so");
