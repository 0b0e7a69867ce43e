//! What an evaluation sees of a message.

use crate::sweep::Patience;
use crate::tags::{Event, Part, Source, Tags};

/// The tags of a message, or of one of its events, and what is known of them.
#[derive(Clone, Copy)]
pub(crate) struct View<'v, 'a> {
    pub(crate) known: &'v Tags<'a>,
    pub(crate) supplied: Option<&'v Tags<'a>>,
    pub(crate) pending: Option<&'a dyn Source>,
    /// The event that is looked at; all of them outside of `SAME EVENT`.
    pub(super) event: Option<Event>,
    /// How much longer it may take, if there is a better way then.
    pub(super) patience: Option<&'v Patience>,
}

impl<'v, 'a> View<'v, 'a> {
    pub(super) fn of(known: &'v Tags<'a>) -> View<'v, 'a> {
        let (supplied, pending) = (known.supplied(), known.pending());
        View { known, supplied, pending, event: None, patience: None }
    }

    /// Whether there is patience left for this work, or no better way.
    #[inline]
    pub(super) fn bears(&self, work: usize) -> bool {
        self.patience.is_none_or(|patience| patience.bears(work))
    }

    #[inline]
    pub(super) fn part<'t, 'b>(&self, tags: &'t Tags<'b>, supplied: bool) -> Part<'t, 'b> {
        match self.event {
            None => tags.whole(),
            Some(event) => tags.part(event.places(supplied)),
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        self.known.events().joined(self.supplied.map(Tags::events))
    }
}
