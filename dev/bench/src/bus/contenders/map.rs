//! Channels of tokio in a map by subject, behind a lock for readers and writers: what programs make
//! by hand.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use super::super::fan::{Ends, Fan, Opening, Publish, Subjects};

/// A map of what `F` opens. To publish by a map is to lock it, to find the subject, and to publish.
pub(in super::super) struct Map<F>(PhantomData<F>);

type Publishers<P> = Arc<RwLock<HashMap<String, P>>>;

pub(in super::super) struct Publisher<P> {
    map: Publishers<P>,
    subject: String,
}

/// A publishing end that can be shared.
pub(in super::super) trait PublishShared: Send + Sync + 'static {
    fn publish_shared(&self, number: u64) -> Result<(), String>;
}

impl<F: Fan> Subjects for Map<F>
where
    F::Publisher: PublishShared,
{
    type Publisher = Publisher<F::Publisher>;
    type Reader = F::Reader;

    fn open(opening: Opening) -> Ends<Self::Publisher, Self::Reader> {
        let map = Publishers::default();
        let open = |number| {
            let subject = format!("quotes.{number}");
            let (publisher, mut readers) = F::open(Opening { readers: 1, ..opening })?;
            let mut locked = map.write().unwrap_or_else(PoisonError::into_inner);
            locked.insert(subject.clone(), publisher);
            let reader = readers.pop().ok_or("one reader was asked for")?;
            Ok((Publisher { map: map.clone(), subject }, reader))
        };
        (0..opening.readers).map(open).collect()
    }
}

impl<P: PublishShared> Publish for Publisher<P> {
    #[inline]
    fn publish(&mut self, number: u64) -> Result<(), String> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&self.subject).ok_or("nobody reads it")?.publish_shared(number)
    }
}
