//! Who gets each of many messages: remembers what was selected before.
//!
//! Queries ask for a few tags, which mostly have the same few values in one message after the
//! other, while other headers, such as an id, differ in each. So what is remembered is what the
//! *wanted* tags have selected, those that some query of the route asks for:
//!
//! - The headers of the message before, as a [`Template`], with gaps for what nobody asks for. As
//!   long as messages fit, they are not even taken apart.
//! - In a table, by the wanted headers; and where these do not decide by themselves, by the wanted
//!   values of the payload as well, which is then parsed for each message.
//!
//! What is found nowhere is evaluated.

mod template;

use std::hash::BuildHasher;
use std::sync::Arc;

use floodway_query::{Payload, Tags};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::{Chosen, QueryMeter, choose, derive, is_same, payload_of};
use crate::headers::Headers;
use crate::message::Message;
use crate::payload::Carried;
use crate::route::Route;
use template::Template;

/// Selections remembered by one selector.
const REMEMBERED: usize = 1024;
/// Messages until selections are remembered again after so many that each came once.
const PAUSE: usize = 64 * REMEMBERED;
/// Some conditions see only so much of all values of a message. As long as it has not more,
/// nothing depends on headers that nobody asks for.
const TEXT_MAX: usize = 2048;
/// Routes of which it is known what their queries ask for.
const READERS: usize = 1024;
/// Names of headers known of one route. A message with more than that is evaluated.
const NAMES: usize = 32;

/// See the [module header](self).
pub(crate) struct Selector<P: Carried + ?Sized> {
    /// What was selected last.
    current: Arc<Route<P>>,
    template: Option<Template<P>>,
    /// By the addresses of their routes.
    readers: HashMap<usize, Reader<P>, RandomState>,
    memory: Memory<P>,
    /// The wanted tags of a message.
    key: Vec<u8>,
    chosen: Vec<Chosen<P>>,
    derived: Option<Derived<P>>,
    nobody: Arc<Route<P>>,
}

/// The last route made.
struct Derived<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    chosen: Vec<Chosen<P>>,
    route: Arc<Route<P>>,
}

impl<P: Carried + ?Sized> Default for Selector<P> {
    fn default() -> Self {
        Self {
            current: Arc::default(),
            template: None,
            readers: HashMap::default(),
            memory: Memory::default(),
            key: Vec::new(),
            chosen: Vec::new(),
            derived: None,
            nobody: Arc::default(),
        }
    }
}

impl<P: Carried + ?Sized> Selector<P> {
    /// Where a message of a subject goes that `base` is the route of.
    #[inline]
    pub(crate) fn select(
        &mut self,
        base: &Arc<Route<P>>,
        message: &Message<'_, P>,
        meter: &QueryMeter,
    ) -> &Arc<Route<P>> {
        let template = self.template.as_ref().filter(|template| template.decides);
        if template.is_some_and(|template| template.fits(base, message.headers)) {
            self.memory.hits += 1;
            return &self.current;
        }
        let payload = payload_of(base, message);
        let route = self.recall(base, message, payload.as_ref(), meter);
        meter.note(payload.as_ref());
        if !Arc::ptr_eq(&route, &self.current) {
            self.current = route;
            self.template = self.template.take().filter(|template| !template.decides);
        }
        &self.current
    }

    /// Looks in the table, and evaluates what is not there.
    fn recall(
        &mut self,
        base: &Arc<Route<P>>,
        message: &Message<'_, P>,
        payload: Option<&Payload<'_>>,
        meter: &QueryMeter,
    ) -> Arc<Route<P>> {
        if P::HAS_TAGS || message.headers.len() > TEXT_MAX || self.memory.pauses() {
            return self.evaluate(base, message, payload, meter);
        }
        let template = self.template.as_ref().filter(|it| it.fits(base, message.headers));
        let known = if let Some(template) = template {
            // It does not decide: those that do were asked before.
            self.key.clone_from(&template.wanted);
            Some(Choice::Payload)
        } else {
            let reader = reader_of(&mut self.readers, base);
            if !reader.read_headers(message.headers, &mut self.key) {
                return self.evaluate(base, message, payload, meter);
            }
            self.memory.find(base, &self.key)
        };
        match (known, payload) {
            (Some(Choice::Route(route)), _) => {
                // It came twice in a row, and may go on like that.
                if Arc::ptr_eq(&route, &self.current) {
                    self.take_template(base, message.headers, true);
                }
                route
            }
            (Some(Choice::Payload), Some(payload)) => {
                if template.is_none() {
                    self.take_template(base, message.headers, false);
                }
                let reader = reader_of(&mut self.readers, base);
                if !reader.read_payload(payload, &mut self.key, message.headers) {
                    return self.evaluate(base, message, Some(payload), meter);
                }
                if let Some(Choice::Route(route)) = self.memory.find(base, &self.key) {
                    return route;
                }
                let route = self.evaluate(base, message, Some(payload), meter);
                self.memory.insert(base, &self.key, Choice::Route(route.clone()));
                route
            }
            (_, payload) => {
                let route = self.evaluate(base, message, payload, meter);
                let by_headers = !payload.is_some_and(Payload::is_parsed);
                let choice =
                    if by_headers { Choice::Route(route.clone()) } else { Choice::Payload };
                self.memory.insert(base, &self.key, choice);
                route
            }
        }
    }

    /// Messages like this one are selected in the same way; `decides` says whether by the headers
    /// alone, and then it is the current route.
    fn take_template(&mut self, base: &Arc<Route<P>>, headers: &[u8], decides: bool) {
        let reader = reader_of(&mut self.readers, base);
        let template = self.template.take().unwrap_or_else(|| Template::new(base.clone()));
        let is_wanted = |name: &[u8]| reader.asks_for(name).unwrap_or(true);
        self.template = template.of(base, headers, is_wanted, &self.key, decides);
    }

    fn evaluate(
        &mut self,
        base: &Arc<Route<P>>,
        message: &Message<'_, P>,
        payload: Option<&Payload<'_>>,
        meter: &QueryMeter,
    ) -> Arc<Route<P>> {
        choose(base, message, payload, &mut self.chosen, meter);
        if self.chosen.is_empty() && base.plain.is_empty() && base.groups.is_empty() {
            return if base.observers.is_empty() { self.nobody.clone() } else { derive(base, &[]) };
        }
        if let Some(last) = &self.derived
            && Arc::ptr_eq(&last.base, base)
            && is_same(&last.chosen, &self.chosen)
        {
            let route = last.route.clone();
            self.chosen.clear();
            return route;
        }
        let route = derive(base, &self.chosen);
        let chosen = std::mem::take(&mut self.chosen);
        self.derived = Some(Derived { base: base.clone(), chosen, route: route.clone() });
        route
    }

    /// Keeps nobody in memory.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What the queries of a route ask for.
struct Reader<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    /// Names of headers, and whether they are wanted; in the order in which they came.
    names: Vec<(Box<[u8]>, bool)>,
    /// Where the next name is, if headers come in the order they came before.
    next: usize,
    /// Which keys of the payload are wanted.
    keys: Box<[bool]>,
}

fn reader_of<'r, P: Carried + ?Sized>(
    readers: &'r mut HashMap<usize, Reader<P>, RandomState>,
    base: &Arc<Route<P>>,
) -> &'r mut Reader<P> {
    // A reader has its route, so that the address is of no other.
    let address = Arc::as_ptr(base).addr();
    if readers.len() == READERS && !readers.contains_key(&address) {
        readers.clear();
    }
    readers.entry(address).or_insert_with(|| {
        let keys = base.extract.as_ref().map_or(&[][..], |extract| extract.extraction.keys());
        let asks_for = |key: &str| base.queried.iter().any(|set| set.asks_for(key.as_bytes()));
        let keys = keys.iter().map(|key| asks_for(key)).collect();
        Reader { base: base.clone(), names: Vec::new(), next: 0, keys }
    })
}

impl<P: Carried + ?Sized> Reader<P> {
    /// Whether a header is wanted; `None` if there are too many names to know it.
    fn asks_for(&mut self, name: &[u8]) -> Option<bool> {
        let (behind, before) = self.names.split_at(self.next.min(self.names.len()));
        let mut names = (self.next..).zip(before).chain((0..).zip(behind));
        if let Some((at, (_, wanted))) = names.find(|(_, (known, _))| **known == *name) {
            self.next = at + 1;
            return Some(*wanted);
        }
        if self.names.len() == NAMES {
            return None;
        }
        let wanted = self.base.queried.iter().any(|set| set.asks_for(name));
        self.names.push((name.into(), wanted));
        self.next = self.names.len();
        Some(wanted)
    }

    /// Makes `key` of the wanted headers, a line each; false if that cannot be told.
    fn read_headers(&mut self, headers: &[u8], key: &mut Vec<u8>) -> bool {
        key.clear();
        self.next = 0;
        // A message without headers has no event of its own, which a `NOT` may be true of.
        let has_any = Headers::of(headers).iter().next().is_some();
        key.push(u8::from(has_any));
        for (at, (name, value)) in Headers::of(headers).iter().enumerate() {
            if at == Tags::MOST {
                // What is seen depends on how many others there are.
                return false;
            }
            match self.asks_for(name) {
                Some(false) => {}
                Some(true) => {
                    for part in [name, b":", value, b"\n"] {
                        key.extend_from_slice(part);
                    }
                }
                None => return false,
            }
        }
        true
    }

    /// Adds the wanted values of the payload to `key`; false if there is too much text in the
    /// message, or more tags than are looked at.
    fn read_payload(&self, payload: &Payload<'_>, key: &mut Vec<u8>, headers: &[u8]) -> bool {
        // No header is an empty line.
        key.push(b'\n');
        let Some(values) = payload.values() else { return true };
        let (mut events, mut text, mut tags) = (0, headers.len(), 0);
        for (number, event, value) in values {
            text += value.len();
            tags += 1;
            events = event;
            if self.keys[number] {
                for part in [number, event, value.len()] {
                    key.extend_from_slice(&(part as u32).to_ne_bytes());
                }
                key.extend_from_slice(value);
            }
        }
        // Also those with nothing in them that is wanted.
        key.extend_from_slice(&(events as u32).to_ne_bytes());
        // Only who has many of them needs to count the headers.
        let is_seen = |of_headers: usize| tags + of_headers <= Tags::MOST;
        text <= TEXT_MAX && (is_seen(headers.len()) || is_seen(Headers::of(headers).iter().count()))
    }
}

/// What was selected by whom.
enum Choice<P: Carried + ?Sized> {
    Route(Arc<Route<P>>),
    /// That depends on the payload.
    Payload,
}

impl<P: Carried + ?Sized> Clone for Choice<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Route(route) => Self::Route(route.clone()),
            Self::Payload => Self::Payload,
        }
    }
}

/// What wanted tags have selected on a route.
struct Memory<P: Carried + ?Sized> {
    table: HashTable<Remembered<P>>,
    hasher: RandomState,
    /// How many messages were selected by what is remembered, since the last was forgotten.
    hits: usize,
    /// Messages for which nothing is to be remembered.
    pause: usize,
}

struct Remembered<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    key: Box<[u8]>,
    choice: Choice<P>,
}

impl<P: Carried + ?Sized> Default for Memory<P> {
    fn default() -> Self {
        Self { table: HashTable::new(), hasher: RandomState::default(), hits: 0, pause: 0 }
    }
}

impl<P: Carried + ?Sized> Memory<P> {
    /// Whether nothing is remembered for this message.
    fn pauses(&mut self) -> bool {
        let pauses = self.pause > 0;
        self.pause = self.pause.saturating_sub(1);
        pauses
    }

    fn find(&mut self, base: &Arc<Route<P>>, key: &[u8]) -> Option<Choice<P>> {
        let hash = self.hasher.hash_one((Arc::as_ptr(base).addr(), key));
        let is_it = |known: &Remembered<P>| Arc::ptr_eq(&known.base, base) && *known.key == *key;
        let known = self.table.find(hash, is_it)?;
        self.hits += usize::from(matches!(known.choice, Choice::Route(_)));
        Some(known.choice.clone())
    }

    /// Remembers what was not there.
    fn insert(&mut self, base: &Arc<Route<P>>, key: &[u8], choice: Choice<P>) {
        if self.table.len() == REMEMBERED {
            self.pause = if self.hits < REMEMBERED { PAUSE } else { 0 };
            self.table.clear();
            self.hits = 0;
        }
        let hash = self.hasher.hash_one((Arc::as_ptr(base).addr(), key));
        let known = Remembered { base: base.clone(), key: key.into(), choice };
        let hasher = &self.hasher;
        self.table.insert_unique(hash, known, |known| {
            hasher.hash_one((Arc::as_ptr(&known.base).addr(), &*known.key))
        });
    }
}
