//! Which tags belong to which event.

use std::ops::Range;

/// The events of a message, by the places of their tags. Those without tags take no memory: a
/// payload may have a hundred thousand of them.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The number of the event to which tags are added.
    current: usize,
    /// Those that have tags.
    ends: Vec<End>,
}

/// Where the tags of an event end.
#[derive(Debug, Clone, Copy)]
struct End {
    event: usize,
    tags: u32,
}

/// An event that has tags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    known: (u32, u32),
    supplied: (u32, u32),
}

impl Event {
    /// Where its tags are, among those that were known or those that were supplied.
    #[inline]
    pub(crate) fn places(self, supplied: bool) -> Range<usize> {
        let (start, end) = if supplied { self.supplied } else { self.known };
        start as usize..end as usize
    }
}

impl Events {
    /// What is added from here on belongs to another event.
    pub(super) fn next(&mut self) {
        self.current += 1;
    }

    /// A tag was added, and there are so many now.
    #[inline]
    pub(super) fn grow(&mut self, tags: u32) {
        match self.ends.last_mut() {
            Some(last) if last.event == self.current => last.tags = tags,
            _ => self.ends.push(End { event: self.current, tags }),
        }
    }

    /// No events, in the memory of these.
    pub(super) fn cleared(mut self) -> Events {
        self.ends.clear();
        Events { current: 0, ends: self.ends }
    }

    /// The events of what was known and what was supplied: those of one number are one.
    pub(crate) fn joined(&self, supplied: Option<&Events>) -> impl Iterator<Item = Event> {
        let mut known = Cursor { rest: &self.ends, start: 0 };
        let mut supplied = Cursor { rest: supplied.map_or(&[], |it| &it.ends), start: 0 };
        std::iter::from_fn(move || {
            let event = known.next_event().min(supplied.next_event());
            (event < usize::MAX)
                .then(|| Event { known: known.places(event), supplied: supplied.places(event) })
        })
    }
}

/// Where one is among events.
struct Cursor<'e> {
    rest: &'e [End],
    /// The first of the tags of the next event.
    start: u32,
}

impl Cursor<'_> {
    #[inline]
    fn next_event(&self) -> usize {
        self.rest.first().map_or(usize::MAX, |end| end.event)
    }

    /// The places of the tags of this event.
    #[inline]
    fn places(&mut self, event: usize) -> (u32, u32) {
        let start = self.start;
        if let Some((end, rest)) = self.rest.split_first()
            && end.event == event
        {
            (self.rest, self.start) = (rest, end.tags);
        }
        (start, self.start)
    }
}
