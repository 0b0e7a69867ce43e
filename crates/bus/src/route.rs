//! Where the messages of one subject go.

use std::sync::Arc;

use crate::consumer::{Consumer, ConsumerId};

/// Which of a consumer's subscriptions is meant. The serial number tells a subscription from a
/// later one in the same slot, so that a route looked up earlier cannot deliver to the wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionKey {
    /// Index in the consumer's table.
    pub slot: u32,
    /// Rises with each subscription of the consumer.
    pub serial: u32,
}

/// One subscription that a subject matches.
#[derive(Clone)]
pub struct Target {
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) id: ConsumerId,
    pub(crate) key: SubscriptionKey,
}

impl Target {
    /// Whose subscription it is.
    pub fn consumer_id(&self) -> ConsumerId {
        self.id
    }

    /// Which of its subscriptions.
    pub fn key(&self) -> SubscriptionKey {
        self.key
    }
}

/// The subscriptions of one queue group: each message goes to one of them.
pub(crate) struct Group {
    pub(crate) id: u32,
    pub(crate) members: Vec<Target>,
}

/// Every subscription that one subject matches.
#[derive(Default)]
pub struct Route {
    pub(crate) plain: Vec<Target>,
    pub(crate) groups: Vec<Group>,
}

impl Route {
    /// Whether nobody would get a message.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }

    /// How many copies of a message go out.
    pub fn fan_out(&self) -> usize {
        self.plain.len() + self.groups.len()
    }

    /// The subscriptions that are in no queue group.
    pub fn plain(&self) -> &[Target] {
        &self.plain
    }

    /// Forgets the targets and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
    }

    pub(crate) fn add(&mut self, target: Target, group: Option<u32>) {
        let Some(id) = group else { return self.plain.push(target) };
        // A subject with many different groups is rare; a scan beats a map for a few.
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.members.push(target),
            None => self.groups.push(Group { id, members: vec![target] }),
        }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Route({} plain, {} groups)", self.plain.len(), self.groups.len())
    }
}
