//! What a batch has for one consumer: runs of messages, in the order they came.

use std::ops::Deref;

use crate::budget::Budget;
use crate::keep::{Keeper, KeptPart};
use crate::message::Message;
use crate::payload::Carried;
use crate::route::SubscriptionKey;

/// Messages of one batch for one subscription, in a row. Their subjects may differ.
#[derive(Debug)]
pub struct Run<'r, P: Carried + ?Sized = [u8]> {
    messages: &'r [Message<'r, P>],
    /// Where its batch is kept, if that may be asked for, and which of its messages is the first.
    batch: Option<(Batched<'r, P>, usize)>,
}

/// All messages of a batch, and the one place where they are kept.
#[derive(Debug)]
struct Batched<'r, P: Carried + ?Sized> {
    messages: &'r [Message<'r, P>],
    keeper: &'r Keeper,
}

impl<'r, P: Carried + ?Sized> Run<'r, P> {
    /// Messages that are of no batch: every queue keeps them for itself.
    pub fn new(messages: &'r [Message<'r, P>]) -> Self {
        Self { messages, batch: None }
    }

    /// The first `count`.
    #[must_use]
    pub fn first_of(self, count: usize) -> Self {
        Self { messages: &self.messages[..count], ..self }
    }

    /// All behind the first `count`.
    #[must_use]
    pub fn after(self, count: usize) -> Self {
        let batch = self.batch.map(|(batch, from)| (batch, from + count));
        Self { messages: &self.messages[count..], batch }
    }

    /// Its rows: messages of one subject each.
    pub fn rows(self) -> impl Iterator<Item = Self> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let row = rest.first_row();
            rest = rest.after(row.len());
            (!row.is_empty()).then_some(row)
        })
    }

    fn first_row(self) -> Self {
        let same = match self.messages {
            // The usual case, which needs no look at those between.
            [first, .., last] if first.row == last.row && first.row > 0 => self.messages.len(),
            [first, ..] => self.messages.iter().take_while(|next| next.continues(first)).count(),
            [] => 0,
        };
        self.first_of(same)
    }

    /// Bytes of all of them.
    pub fn size(&self) -> u64 {
        self.messages.iter().map(|message| message.size() as u64).sum()
    }
}

impl Run<'_> {
    /// The messages as part of their batch, which is kept once for all queues. `None` if copying
    /// them is cheaper, or would hold on to less memory.
    pub fn keep(self, budget: &Budget) -> Option<KeptPart> {
        let (batch, from) = self.batch?;
        batch.keeper.keep(batch.messages, from..from + self.messages.len(), budget)
    }
}

impl<P: Carried + ?Sized> Clone for Run<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Carried + ?Sized> Copy for Run<'_, P> {}

impl<P: Carried + ?Sized> Clone for Batched<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Carried + ?Sized> Copy for Batched<'_, P> {}

impl<'r, P: Carried + ?Sized> Deref for Run<'r, P> {
    type Target = [Message<'r, P>];

    fn deref(&self) -> &Self::Target {
        self.messages
    }
}

/// Which messages of a batch are for which subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) key: SubscriptionKey,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What one batch has for one consumer: runs for its subscriptions, in the order they came.
#[derive(Debug)]
pub struct Runs<'r, P: Carried + ?Sized = [u8]> {
    messages: &'r [Message<'r, P>],
    keeper: Option<&'r Keeper>,
    first: Item,
    rest: &'r [Item],
}

impl<'r, P: Carried + ?Sized> Runs<'r, P> {
    /// One run for one subscription, of messages that are of no batch.
    pub fn one(key: SubscriptionKey, messages: &'r [Message<'r, P>]) -> Self {
        let first = Item { key, from: 0, to: messages.len() as u32 };
        Self { messages, keeper: None, first, rest: &[] }
    }

    /// The same, kept by `keeper`, which must have been made for these messages.
    #[must_use]
    pub fn kept_by(self, keeper: &'r Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    pub(crate) fn of_batch(
        messages: &'r [Message<'r, P>],
        keeper: &'r Keeper,
        first: Item,
        rest: &'r [Item],
    ) -> Self {
        Self { messages, keeper: Some(keeper), first, rest }
    }

    /// The first run, and those behind it.
    pub fn split_first(self) -> (SubscriptionKey, Run<'r, P>, Option<Self>) {
        let Self { messages, keeper, first, rest } = self;
        let (from, to) = (first.from as usize, first.to as usize);
        let batch = keeper.map(|keeper| (Batched { messages, keeper }, from));
        let run = Run { messages: &messages[from..to], batch };
        let later = rest.split_first().map(|(first, rest)| Self { first: *first, rest, ..self });
        (first.key, run, later)
    }

    /// All but the first `count` messages of the first run.
    #[must_use]
    pub fn after(self, count: usize) -> Self {
        let first = Item { from: self.first.from + count as u32, ..self.first };
        Self { first, ..self }
    }

    /// Each run, with the subscription it is for.
    pub fn iter(self) -> impl Iterator<Item = (SubscriptionKey, Run<'r, P>)> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (key, run, later) = rest?.split_first();
            rest = later;
            Some((key, run))
        })
    }
}

impl<P: Carried + ?Sized> Clone for Runs<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Carried + ?Sized> Copy for Runs<'_, P> {}
