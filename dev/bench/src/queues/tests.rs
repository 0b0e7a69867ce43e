//! Every contender once through every case it can do, and the defects that must be found.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::contenders::spin::{Entry, Exit, Spin, spin};
use super::payload::Payload;
use super::shape::Queue;
use super::work::Work;
use super::*;

fn count(work: &mut dyn FnMut()) -> i64 {
    allocation_counter::measure(work).bytes_current
}

fn tiny(groups: &[Group]) -> Vec<Case> {
    let counter: Counter = count;
    case::cases(groups, &Scale { divisor: 1_000, payloads: Vec::new(), counter: Some(counter) })
}

fn all(groups: &[Group]) -> String {
    let contenders = contenders(&[]);
    let mut text = String::new();
    for case in tiny(groups) {
        let rows = measure(&case, &contenders, 1, "test");
        for row in &rows {
            assert_eq!(row.failure(), None, "{}: {}", case.title, row.contender.name);
        }
        assert!(rows.len() > 2, "{} has {} rows", case.title, rows.len());
        text += &report::table(&case, &rows);
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

#[test]
fn everybody_alone_on_a_thread() {
    let text = all(&[Group::Same, Group::Ring, Group::Depth]);
    for name in ["kanal bounded", "rtrb, spin", "* monitor", "SegQueue, spin"] {
        assert!(text.contains(&format!("| {name} ")), "{name} is missing\n{text}");
    }
}

#[test]
fn everybody_from_thread_to_thread() {
    all(&[Group::Pair, Group::Batch, Group::Many]);
}

#[test]
fn everybody_who_overwrites() {
    all(&[Group::Overwrite]);
}

#[test]
fn everybody_from_one_to_all() {
    all(&[Group::Fan, Group::Broadcast]);
}

#[test]
fn everybody_with_more_threads_than_cores() {
    all(&[Group::Crowd]);
}

#[test]
fn everybody_empty() {
    let contenders = contenders(&["crossbeam unbounded".to_owned(), "rtrb".to_owned()]);
    let case = tiny(&[Group::Memory]).remove(0);
    let rows = measure(&case, &contenders, 1, "test");
    let json = report::to_json(&case, &rows);
    let heap = |queue| figures(&json, queue, "heap");
    assert!(heap("rtrb, spin")[0].as_ref().is_ok_and(|bytes| *bytes >= 32_000_000.0), "{json}");
    let unbounded = heap("crossbeam unbounded").remove(0).unwrap();
    assert!((100.0..2_000.0).contains(&unbounded), "{json}");
    assert!(heap("nobody")[0].is_err());
    all(&[Group::Memory]);
}

#[test]
fn names_are_told_apart() {
    let all = contenders(&[]);
    let mut names: Vec<&str> = all.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    assert!(contenders(&["no such queue".to_owned()]).is_empty());
}

/// A queue that does to every hundredth message what `Defect` says.
enum Broken<const DEFECT: u8> {}

const LOSES: u8 = 0;
const REPEATS: u8 = 1;
const SWAPS: u8 = 2;
const FORGES: u8 = 3;

struct Ends<T, const DEFECT: u8>(Arc<Mutex<VecDeque<T>>>, u64);

impl<T, const DEFECT: u8> Clone for Ends<T, DEFECT> {
    fn clone(&self) -> Self {
        Ends(Arc::clone(&self.0), 0)
    }
}

impl<T: Payload, const DEFECT: u8> Queue<T> for Broken<DEFECT> {
    type Producer = Spin<Ends<T, DEFECT>>;
    type Consumer = Spin<Ends<T, DEFECT>>;

    fn open(_: usize) -> (Self::Producer, Self::Consumer) {
        let ends = Ends(Arc::default(), 0);
        spin(ends.clone(), ends)
    }
}

impl<T: Payload, const DEFECT: u8> Entry<T> for Ends<T, DEFECT> {
    fn offer(&mut self, item: T) -> Result<(), T> {
        let mut items = self.0.lock().unwrap();
        self.1 += 1;
        match DEFECT {
            _ if self.1 % 100 != 50 => items.push_back(item),
            LOSES => {}
            REPEATS => items.extend([item.clone(), item]),
            SWAPS => {
                let last = items.pop_back();
                items.extend([Some(item), last].into_iter().flatten());
            }
            _ => items.push_back(T::default()),
        }
        Ok(())
    }
}

impl<T: Payload, const DEFECT: u8> Exit<T> for Ends<T, DEFECT> {
    fn take(&mut self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }
}

fn found<const DEFECT: u8>() -> Vec<String> {
    let broken = Contender::peer("broken").queue::<Broken<DEFECT>>().shared::<Broken<DEFECT>>();
    let mut reasons = Vec::new();
    for case in tiny(&[Group::Pair, Group::Many, Group::Same, Group::Depth, Group::Crowd]) {
        for column in &case.columns {
            let Some(run) = broken.run(column.shape) else { continue };
            // On one thread there is never a second message to change places with, but at a depth.
            if DEFECT == SWAPS && column.shape != Shape::Depth {
                continue;
            }
            let work = Work { messages: 6_400, ..column.work };
            reasons.push(run(&work).expect_err(&case.title));
        }
    }
    reasons
}

#[test]
fn a_queue_that_loses_is_found_in_every_case() {
    let reasons = found::<LOSES>();
    assert!(reasons.len() > 15 && reasons.iter().any(|it| it.contains("messages arrived")));
}

#[test]
fn a_queue_that_repeats_is_found_in_every_case() {
    let reasons = found::<REPEATS>();
    assert!(reasons.len() > 15 && reasons.iter().any(|it| it.contains("after")), "{reasons:?}");
}

#[test]
fn a_queue_that_reorders_is_found() {
    let reasons = found::<SWAPS>();
    assert!(!reasons.is_empty() && reasons.iter().all(|it| it.contains("after")), "{reasons:?}");
}

#[test]
fn a_queue_that_forges_is_found_in_every_case() {
    assert!(found::<FORGES>().len() > 15);
}

#[test]
fn the_payload_a_slot_begins_with_is_nobodys_message() {
    let press = <Bytes as Payload>::mint(Kind::Bytes(18));
    assert_eq!(Bytes::default().identity(press), tally::UNKNOWN);
}
