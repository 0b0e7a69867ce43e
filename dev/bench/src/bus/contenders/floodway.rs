//! Our bus, with a subscription for each reader.

use std::marker::PhantomData;

use floodway::{Bus, Delivery, Filter, Policy, RecvError, SubscribeOptions, Subscription};

use super::super::content::Content;
use super::super::fan::{Ends, Fan, Opening, Publish, Read, Subjects};
use super::super::tally::Tally;

/// What the messages of a fan are about.
const SUBJECT: &str = "quotes.ACME";

/// Readers take one message at a time; who reads too little is disconnected, which is the default.
pub(in super::super) struct OneByOne<C>(PhantomData<C>);

/// The same, and who reads too little loses its oldest.
pub(in super::super) struct OnlyLatest<C>(PhantomData<C>);

/// Readers take all that there are.
pub(in super::super) struct Many<C>(PhantomData<C>);

/// Readers make the publisher wait.
pub(in super::super) struct Blocking<C>(PhantomData<C>);

/// A reader, and how it reads.
pub(in super::super) struct Reader<C: Content, const ALL: bool> {
    subscription: Subscription<C::Carried>,
    batch: Vec<Delivery<C::Carried>>,
    most: usize,
}

/// The bus, and whether publishing on it waits.
pub(in super::super) struct Publisher<C: Content, const WAITS: bool> {
    bus: Bus<C::Carried>,
    subject: String,
}

type Opened<C, const WAITS: bool, const ALL: bool> =
    Result<(Publisher<C, WAITS>, Vec<Reader<C, ALL>>), String>;

fn open<C: Content, const WAITS: bool, const ALL: bool>(
    opening: Opening,
    policy: &Policy,
) -> Opened<C, WAITS, ALL> {
    let bus = C::bus();
    let subscribe = |_| subscribe(&bus, SUBJECT, opening, policy);
    let readers = (0..opening.readers).map(subscribe).collect::<Result<_, String>>()?;
    Ok((Publisher { bus, subject: SUBJECT.to_owned() }, readers))
}

fn subscribe<C: Content, const ALL: bool>(
    bus: &Bus<C::Carried>,
    subject: &str,
    opening: Opening,
    policy: &Policy,
) -> Result<Reader<C, ALL>, String> {
    let mut options = SubscribeOptions::default().policy(policy.clone());
    // What others may leave unread by default is more than anybody does.
    if opening.may_lose || policy.makes_wait() {
        options = options.max_messages(opening.capacity as u64);
    }
    let filter = Filter::new(subject).map_err(|error| error.to_string())?;
    let subscription = bus.subscribe(&filter, options).map_err(|error| error.to_string())?;
    Ok(Reader { subscription, batch: Vec::new(), most: opening.capacity })
}

impl<C: Content> Fan for OneByOne<C> {
    type Publisher = Publisher<C, false>;
    type Reader = Reader<C, false>;

    fn open(opening: Opening) -> Opened<C, false, false> {
        open(opening, &Policy::Disconnect)
    }
}

impl<C: Content> Fan for OnlyLatest<C> {
    type Publisher = Publisher<C, false>;
    type Reader = Reader<C, false>;

    fn open(opening: Opening) -> Opened<C, false, false> {
        open(opening, &Policy::DropOldest)
    }
}

impl<C: Content> Fan for Many<C> {
    type Publisher = Publisher<C, false>;
    type Reader = Reader<C, true>;

    fn open(opening: Opening) -> Opened<C, false, true> {
        open(opening, &Policy::Disconnect)
    }
}

impl<C: Content> Fan for Blocking<C> {
    type Publisher = Publisher<C, true>;
    type Reader = Reader<C, false>;

    fn open(opening: Opening) -> Opened<C, true, false> {
        open(opening, &Policy::Block { patience: None })
    }
}

impl<C: Content> Subjects for OnlyLatest<C> {
    type Publisher = Publisher<C, false>;
    type Reader = Reader<C, false>;

    fn open(opening: Opening) -> Ends<Publisher<C, false>, Reader<C, false>> {
        let bus = C::bus();
        let open = |number| {
            let subject = format!("quotes.{number}");
            let reader = subscribe(&bus, &subject, opening, &Policy::DropOldest)?;
            Ok((Publisher { bus: bus.clone(), subject }, reader))
        };
        (0..opening.readers).map(open).collect()
    }
}

impl<C: Content, const WAITS: bool> Publish for Publisher<C, WAITS> {
    #[inline]
    fn publish(&mut self, number: u64) -> Result<(), String> {
        let message = C::given(number);
        let published = if WAITS {
            self.bus.publish_wait(&self.subject, message, None)
        } else {
            self.bus.publish(&self.subject, message)
        };
        published.map(drop).map_err(|error| error.to_string())
    }
}

impl<C: Content, const ALL: bool> Read for Reader<C, ALL> {
    #[inline]
    async fn read(&mut self, tally: &mut Tally) -> Result<(), String> {
        let Self { subscription, batch, most } = self;
        if ALL {
            let read = subscription.recv_many_async(*most, batch).await;
            return see_all::<C>(read, batch, tally);
        }
        see::<C>(subscription.recv_async().await, tally)
    }

    #[inline]
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String> {
        let Self { subscription, batch, most } = self;
        if ALL {
            let read = subscription.recv_many(*most, batch);
            return see_all::<C>(read, batch, tally);
        }
        see::<C>(subscription.recv(), tally)
    }

    fn drain(&mut self, tally: &mut Tally) -> Result<(), String> {
        loop {
            match self.subscription.try_recv() {
                Err(RecvError::Empty) => return Ok(()),
                received => see::<C>(received, tally)?,
            }
        }
    }
}

type Carried<C> = <C as Content>::Carried;

#[inline]
fn see<C: Content>(
    received: Result<Delivery<Carried<C>>, RecvError>,
    tally: &mut Tally,
) -> Result<(), String> {
    let delivery = received.map_err(|error| error.to_string())?;
    tally.see(C::number(&delivery));
    Ok(())
}

#[inline]
fn see_all<C: Content>(
    received: Result<usize, RecvError>,
    batch: &mut Vec<Delivery<Carried<C>>>,
    tally: &mut Tally,
) -> Result<(), String> {
    received.map_err(|error| error.to_string())?;
    batch.drain(..).for_each(|delivery| tally.see(C::number(&delivery)));
    Ok(())
}
