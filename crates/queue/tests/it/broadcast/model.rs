//! The ring against a `Vec` of all that was published, and a number per consumer.

use floodway_queue::broadcast::{Consumer, PublishError, ReadError};
use proptest::prelude::*;

use super::ring;

#[derive(Debug, Clone)]
enum Op {
    Publish(usize),
    Read(usize, usize),
    Join,
    JoinAfter(usize, usize),
    Leave(usize),
    Close,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        6 => (0..10_usize).prop_map(Op::Publish),
        12 => (0..8_usize, 0..10_usize).prop_map(|(who, most)| Op::Read(who, most)),
        1 => Just(Op::Join),
        2 => (0..8_usize, 0..8_usize).prop_map(|(a, b)| Op::JoinAfter(a, b)),
        1 => (0..8_usize).prop_map(Op::Leave),
        // Rarely, as little happens afterwards.
        1 => prop::bool::weighted(0.1).prop_map(|close| if close { Op::Close } else { Op::Join }),
    ];
    prop::collection::vec(one, 0..200)
}

/// What a consumer is, said plainly. Entries are their own sequence numbers.
#[derive(Clone)]
struct Oracle {
    id: usize,
    position: u64,
    before: Vec<usize>,
}

#[derive(Default)]
struct World {
    /// Those that are gone too, by id.
    gone: Vec<Option<Vec<usize>>>,
    here: Vec<Oracle>,
    published: u64,
    closed: bool,
}

impl World {
    fn join(&mut self, before: Vec<usize>) {
        self.here.push(Oracle { id: self.gone.len(), position: self.published, before });
        self.gone.push(None);
    }

    /// Up to where the consumer may read.
    fn limit(&self, before: &[usize]) -> u64 {
        let limits = before.iter().map(|id| match &self.gone[*id] {
            Some(before) => self.limit(before),
            None => self.here.iter().find(|other| other.id == *id).unwrap().position,
        });
        limits.min().unwrap_or(self.published)
    }

    fn room(&self, capacity: usize) -> usize {
        let lowest = self.here.iter().map(|one| one.position).min().unwrap_or(self.published);
        capacity - (self.published - lowest) as usize
    }
}

fn run(ops: Vec<Op>, capacity: usize) -> Result<(), TestCaseError> {
    let (producer, ring) = ring(capacity);
    let mut world = World::default();
    let mut consumers: Vec<Consumer<u64>> = Vec::new();
    for op in ops {
        match op {
            Op::Publish(count) => {
                let mut items = (world.published..).take(count).collect();
                let room = world.room(capacity);
                let expected = match () {
                    () if world.closed => Err(PublishError::Closed(())),
                    () if room == 0 => Err(PublishError::Full(())),
                    () => Ok(room.min(count)),
                };
                prop_assert_eq!(producer.try_publish_many(&mut items), expected);
                world.published += expected.unwrap_or(0) as u64;
            }
            Op::Read(who, most) if who < consumers.len() => {
                let position = world.here[who].position;
                let limit = world.limit(&world.here[who].before);
                let count = limit.saturating_sub(position).min(most as u64);
                let end = world.closed && position == world.published;
                match consumers[who].try_read(most) {
                    Ok(batch) => {
                        prop_assert!(limit > position);
                        prop_assert_eq!(batch.first_sequence(), position);
                        prop_assert!(batch.iter().copied().eq(position..position + count));
                    }
                    Err(ReadError::Closed) => prop_assert!(end),
                    Err(ReadError::Empty) => prop_assert!(limit <= position && !end),
                }
                world.here[who].position += count;
            }
            Op::Join => {
                consumers.push(ring.join());
                world.join(Vec::new());
            }
            Op::JoinAfter(a, b) if a < consumers.len() && b < consumers.len() => {
                let joined = ring.join_after(&[&consumers[a], &consumers[b]]).unwrap();
                consumers.push(joined);
                world.join(vec![world.here[a].id, world.here[b].id]);
            }
            Op::Leave(who) if who < consumers.len() => {
                drop(consumers.remove(who));
                let gone = world.here.remove(who);
                world.gone[gone.id] = Some(gone.before);
            }
            Op::Close => {
                ring.close();
                world.closed = true;
            }
            _ => {}
        }
        prop_assert_eq!(ring.consumers(), consumers.len());
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_list_of_everything(ops in ops(), capacity in 1..20_usize) {
        run(ops, capacity)?;
    }
}
