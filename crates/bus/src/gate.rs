//! Where publishers wait for a consumer: the other half of the policies `block` and `throttle`.
//!
//! Such a consumer is asked for room before anything is handed out, and what it grants it keeps
//! until the message comes. So a publish is all or nothing: while one of its consumers is full
//! nobody gets the message, and whoever gives up has it back whole. Nothing is held while waiting
//! for something else, so publishers with several full consumers cannot lock each other out.

use std::time::{Duration, Instant};

use crate::account::LossReason;
use crate::consumer::Taken;
use crate::payload::Carried;
use crate::report::Tally;
use crate::run::Run;
use crate::turns::{Ticket, Turns};

/// The answer to a publisher that asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is kept until the message comes, or is given back. The publisher is to go on after so
    /// long only.
    Granted(Duration),
    /// There is none. It may be worth asking again at this time, whoever takes something or not.
    Full(Option<Instant>),
    /// The subscription has ended: it does not want the message.
    Ended,
    /// It would not fit even if nothing else was queued.
    TooLarge,
    /// Nobody has to ask any more: its policy has changed.
    Open,
}

/// A consumer for which publishers wait.
///
/// Implementations keep these promises: what is granted fits later, whoever else publishes;
/// the first of [`Gate::turns`] is woken when there may be room again.
pub trait Gate<P: Carried + ?Sized>: Send + Sync {
    /// Asks for room for a message of `bytes`. Who waits gets it when it is the first in line, and
    /// who has no ticket when nobody waits.
    fn reserve(&self, bytes: u64, ticket: Option<Ticket>, now: Instant) -> Room;

    /// Whether publishers may go on without anything being taken: the first in line would find
    /// room, or somebody with a message of `bytes` if there is no line; or it asks them no more.
    /// What is promised counts as free, as it is not certain yet that it will be used.
    fn may_go_on(&self, bytes: u64) -> bool;

    /// Gives room back that was granted.
    fn give_back(&self, bytes: u64);

    /// Takes the one message that room was granted for.
    fn deliver_reserved(&self, message: Run<'_, P>, now: Instant, tally: &mut Tally) -> Taken;

    /// Does not get the one message that would have been for it, and is told.
    fn lose(&self, reason: LossReason, tally: &mut Tally) -> Taken;

    /// Those who wait for room.
    fn turns(&self) -> &Turns;

    /// For how long one publisher may have to wait at most; none for as long as it likes.
    fn patience(&self) -> Option<Duration>;

    /// The name of its subscription, for errors.
    fn name(&self) -> String;
}
