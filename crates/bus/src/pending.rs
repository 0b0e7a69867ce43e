//! What the messages of a batch are for whom, until they are handed out: one call for each
//! consumer, however many subjects and subscriptions they were of.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::consumer::{Consumer, ConsumerId};
use crate::payload::Carried;
use crate::route::Target;
use crate::run::Item;

/// What one consumer is to get.
pub(crate) struct Waiting<P: Carried + ?Sized> {
    pub(crate) consumer: Arc<dyn Consumer<P>>,
    pub(crate) id: ConsumerId,
    pub(crate) items: Vec<Item>,
    /// What it may need for copies of its own.
    pub(crate) bytes: usize,
}

/// See the [module header](self). Kept from batch to batch for its memory.
pub(crate) struct Pending<P: Carried + ?Sized> {
    waiting: Vec<Waiting<P>>,
    places: HashMap<ConsumerId, usize>,
    /// Memory of items handed out.
    spare: Vec<Vec<Item>>,
}

/// Lists of items kept for their memory.
const SPARE: usize = 64;

impl<P: Carried + ?Sized> Default for Pending<P> {
    fn default() -> Self {
        Self { waiting: Vec::new(), places: HashMap::new(), spare: Vec::new() }
    }
}

impl<P: Carried + ?Sized> Pending<P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Messages `from` up to `to` of the batch are for each of `targets`.
    pub(crate) fn add<'t>(
        &mut self,
        targets: impl Iterator<Item = &'t Target<P>>,
        from: usize,
        to: usize,
        bytes: usize,
    ) {
        for (nth, target) in targets.enumerate() {
            let item = Item { key: target.key, from: from as u32, to: to as u32 };
            let waiting = self.waiting_for(target, nth);
            waiting.bytes += bytes;
            match waiting.items.last_mut() {
                Some(last) if last.key == item.key && last.to == item.from => last.to = item.to,
                _ => waiting.items.push(item),
            }
        }
    }

    fn waiting_for(&mut self, target: &Target<P>, nth: usize) -> &mut Waiting<P> {
        // Subjects in turn mostly go to the same consumers in the same order.
        let known = match self.waiting.get(nth) {
            Some(waiting) if waiting.id == target.id => Some(nth),
            _ => self.places.get(&target.id).copied(),
        };
        let at = known.unwrap_or_else(|| {
            let (consumer, id) = (target.consumer.clone(), target.id);
            let items = self.spare.pop().unwrap_or_default();
            self.waiting.push(Waiting { consumer, id, items, bytes: 0 });
            self.places.insert(id, self.waiting.len() - 1);
            self.waiting.len() - 1
        });
        &mut self.waiting[at]
    }

    /// Nobody is to get anything.
    pub(crate) fn forget(&mut self) {
        if !self.is_empty() {
            let forgotten = self.take();
            self.give_back(forgotten);
        }
    }

    /// Takes all of it, to be handed out and given back.
    pub(crate) fn take(&mut self) -> Vec<Waiting<P>> {
        self.places.clear();
        std::mem::take(&mut self.waiting)
    }

    /// Keeps the memory of what was handed out.
    pub(crate) fn give_back(&mut self, mut waiting: Vec<Waiting<P>>) {
        for Waiting { mut items, .. } in waiting.drain(..) {
            if self.spare.len() < SPARE {
                items.clear();
                self.spare.push(items);
            }
        }
        if waiting.capacity() <= SPARE {
            self.waiting = waiting;
        }
    }
}
