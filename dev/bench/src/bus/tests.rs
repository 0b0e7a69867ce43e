//! Every contender once through every case, and the defects that must be found.

use super::contenders::{Mpsc, TokioBroadcast};
use super::drive::{Load, On, drive};
use super::fan::{Fan, Opening, Publish, Read};
use super::tally::Tally;
use super::*;

const TINY: Scale = Scale { runs: 1, divisor: 1_000 };

fn asked(work: &mut dyn FnMut()) -> (u64, u64) {
    let counted = allocation_counter::measure(work);
    (counted.count_total, counted.bytes_total)
}

fn all(group: Group) -> Vec<Table> {
    let tables = tables(group, TINY, Some(asked), &[]).unwrap();
    for table in &tables {
        let text = table.text();
        assert_eq!(table.failed(), 0, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(table.rows.iter().flat_map(|row| &row.figures).all(|runs| runs.len() == 1));
    }
    tables
}

#[test]
fn from_one_to_all() {
    all(Group::Fanout);
}

#[test]
fn beside_one_that_stalls() {
    all(Group::Stalled);
}

#[test]
fn a_million_beside_one_that_stalls() {
    all(Group::Million);
}

#[test]
fn to_nobody() {
    all(Group::Unmatched);
}

#[test]
fn from_several_at_once() {
    all(Group::Publishers);
}

#[test]
fn what_publishing_allocates() {
    for table in all(Group::Allocations) {
        assert_eq!(table.missed(), 0, "{}", table.text());
    }
}

/// A channel that forgets a message.
enum Forgetful {}

struct Forgets(<TokioBroadcast<u64> as Fan>::Publisher);

impl Fan for Forgetful {
    type Publisher = Forgets;
    type Reader = <TokioBroadcast<u64> as Fan>::Reader;

    fn open(opening: Opening) -> Result<(Forgets, Vec<Self::Reader>), String> {
        let (publisher, readers) = TokioBroadcast::<u64>::open(opening)?;
        Ok((Forgets(publisher), readers))
    }
}

impl Publish for Forgets {
    fn publish(&mut self, number: u64) -> Result<(), String> {
        // Another in its place, or the run would wait for it.
        self.0.publish(if number == 100 { 99 } else { number })
    }
}

#[test]
fn whoever_forgets_a_message_has_failed() {
    for on in [On::Tasks, On::Threads] {
        let load = Load { on, readers: 3, messages: 1_000 };
        let failed = drive::<Forgetful>(&load).map(|_| ()).unwrap_err();
        assert!(failed.contains("message 99 came instead of 100"), "{failed}");
    }
}

/// Channels that hold less than they should.
enum Narrow {}

impl Fan for Narrow {
    type Publisher = <Mpsc<u64> as Fan>::Publisher;
    type Reader = <Mpsc<u64> as Fan>::Reader;

    fn open(opening: Opening) -> Result<(Self::Publisher, Vec<Self::Reader>), String> {
        Mpsc::<u64>::open(Opening { capacity: 1, ..opening })
    }
}

#[test]
fn whoever_cannot_take_a_message_has_failed() {
    let load = Load { on: On::Tasks, readers: 1_000, messages: 1_000 };
    let failed = drive::<Narrow>(&load).map(|_| ()).unwrap_err();
    assert!(failed.contains("no available capacity"), "{failed}");
}

#[test]
fn a_reader_drains_what_there_is() {
    let opening = Opening { readers: 1, capacity: 8, may_lose: false };
    let (mut publisher, mut readers) = TokioBroadcast::<u64>::open(opening).unwrap();
    let mut tally = Tally::new(&tally::Pace::new(1, 8), 3);
    (0..3).for_each(|number| publisher.publish(number).unwrap());
    readers[0].drain(&mut tally).unwrap();
    assert!(tally.check().is_ok());
}
