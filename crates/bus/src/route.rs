//! Where the messages of one subject go.

use std::sync::Arc;

use crate::consumer::{Consumer, ConsumerId, Taken};
use crate::observer::Watcher;
use crate::payload::Carried;
use crate::publish::Origin;
use crate::queries::{Extract, QuerySet};
use crate::report::Tally;

/// Which of a consumer's subscriptions is meant. The serial number tells a subscription from a
/// later one in the same slot, so that a route looked up earlier cannot deliver to the wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionKey {
    /// Index in the consumer's table.
    pub slot: u32,
    /// Rises with each subscription of the consumer.
    pub serial: u32,
}

impl SubscriptionKey {
    /// The one of a consumer that has one only.
    pub const ONLY: Self = Self { slot: 0, serial: 0 };
}

/// One subscription that a subject matches.
pub struct Target<P: Carried + ?Sized = [u8]> {
    pub(crate) consumer: Arc<dyn Consumer<P>>,
    pub(crate) id: ConsumerId,
    pub(crate) key: SubscriptionKey,
}

impl<P: Carried + ?Sized> Clone for Target<P> {
    fn clone(&self) -> Self {
        Self { consumer: self.consumer.clone(), ..*self }
    }
}

impl<P: Carried + ?Sized> Target<P> {
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
pub(crate) struct Group<P: Carried + ?Sized> {
    pub(crate) id: u32,
    pub(crate) members: Vec<Target<P>>,
}

impl<P: Carried + ?Sized> Group<P> {
    /// Gives a message to one member: the first that is not behind, from a random one on; if all
    /// are, to the random one. A member that has just ended is passed over.
    pub(crate) fn hand_to_one<'g>(
        &'g self,
        random: u64,
        origin: Origin,
        tally: &mut Tally,
        mut hand_out: impl FnMut(&'g Target<P>, &mut Tally) -> Taken,
    ) -> Taken {
        let count = self.members.len();
        let start = (random % count as u64) as usize;
        let before = Tally { accepted: false, ..*tally };
        for with_room in [true, false] {
            for member in (0..count).map(|n| &self.members[(start + n) % count]) {
                let own = Some(member.id) == origin.consumer;
                if own && !origin.echo || with_room && member.consumer.is_behind() {
                    continue;
                }
                *tally = before;
                let taken = hand_out(member, tally);
                // One that dropped it has booked it; giving it to another would count it twice.
                if tally.accepted {
                    return taken;
                }
            }
        }
        *tally = before;
        Taken::default()
    }
}

/// Every subscription that one subject matches.
pub struct Route<P: Carried + ?Sized = [u8]> {
    pub(crate) plain: Vec<Target<P>>,
    pub(crate) groups: Vec<Group<P>>,
    /// Those whose query has to be asked about each message.
    pub(crate) queried: Vec<Arc<QuerySet<P>>>,
    /// What queries may ask for in the payload.
    pub(crate) extract: Option<Arc<Extract>>,
    /// The generation of the table that it is of.
    pub(crate) generation: u64,
    /// Those who see a message before any of them.
    pub(crate) observers: Vec<Arc<Watcher<P>>>,
    /// Whether some of them have to be asked for room.
    pub(crate) has_gates: bool,
}

impl<P: Carried + ?Sized> Default for Route<P> {
    fn default() -> Self {
        Self {
            plain: Vec::new(),
            groups: Vec::new(),
            queried: Vec::new(),
            extract: None,
            generation: 0,
            observers: Vec::new(),
            has_gates: false,
        }
    }
}

impl<P: Carried + ?Sized> Route<P> {
    /// Whether nobody would get a message.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
            && self.groups.is_empty()
            && self.queried.is_empty()
            && self.observers.is_empty()
    }

    /// Whether nobody has to be asked before a message is handed over: no query, and no gate.
    #[inline]
    pub(crate) fn asks_nobody(&self) -> bool {
        self.queried.is_empty() && !self.has_gates
    }

    /// Everybody who may get a message.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (ConsumerId, &Arc<dyn Consumer<P>>)> {
        let members = self.groups.iter().flat_map(|group| &group.members);
        self.plain.iter().chain(members).map(|target| (target.id, &target.consumer))
    }

    /// How many copies of a message go out.
    pub fn fan_out(&self) -> usize {
        self.plain.len() + self.groups.len()
    }

    /// The subscriptions that are in no queue group.
    pub fn plain(&self) -> &[Target<P>] {
        &self.plain
    }

    /// Forgets the targets and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
        self.queried.clear();
        self.extract = None;
        self.observers.clear();
        self.has_gates = false;
    }

    pub(crate) fn add(&mut self, target: Target<P>, group: Option<u32>) {
        self.has_gates |= target.consumer.gate().is_some();
        let Some(id) = group else { return self.plain.push(target) };
        // A subject with many different groups is rare; a scan beats a map for a few.
        match self.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.members.push(target),
            None => self.groups.push(Group { id, members: vec![target] }),
        }
    }
}

impl<P: Carried + ?Sized> std::fmt::Debug for Route<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Route({} plain, {} groups)", self.plain.len(), self.groups.len())
    }
}
