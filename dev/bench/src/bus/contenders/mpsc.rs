//! A channel of tokio for each reader, and a publisher that sends to all of them: what programs
//! make by hand.

use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::super::content::Content;
use super::super::fan::{Fan, Opening, Publish, Read};
use super::super::tally::Tally;
use super::map::PublishShared;

/// Readers take one message at a time.
pub(in super::super) struct Mpsc<C>(PhantomData<C>);

/// Readers take all that there are.
pub(in super::super) struct MpscMany<C>(PhantomData<C>);

pub(in super::super) struct Publisher<C: Content> {
    senders: Vec<Sender<Arc<C::Value>>>,
    may_lose: bool,
}

pub(in super::super) struct One<C: Content>(Receiver<Arc<C::Value>>);

pub(in super::super) struct Many<C: Content> {
    receiver: Receiver<Arc<C::Value>>,
    batch: Vec<Arc<C::Value>>,
    most: usize,
}

impl<C: Content> Publisher<C> {
    fn open(opening: Opening) -> (Self, Vec<Receiver<Arc<C::Value>>>) {
        let (senders, receivers) = (0..opening.readers).map(|_| channel(opening.capacity)).unzip();
        (Self { senders, may_lose: opening.may_lose }, receivers)
    }
}

impl<C: Content> Fan for Mpsc<C> {
    type Publisher = Publisher<C>;
    type Reader = One<C>;

    fn open(opening: Opening) -> Result<(Publisher<C>, Vec<One<C>>), String> {
        let (publisher, receivers) = Publisher::open(opening);
        Ok((publisher, receivers.into_iter().map(One).collect()))
    }
}

impl<C: Content> Fan for MpscMany<C> {
    type Publisher = Publisher<C>;
    type Reader = Many<C>;

    fn open(opening: Opening) -> Result<(Publisher<C>, Vec<Many<C>>), String> {
        let (publisher, receivers) = Publisher::open(opening);
        let most = opening.capacity;
        let many = |receiver| Many { receiver, batch: Vec::new(), most };
        Ok((publisher, receivers.into_iter().map(many).collect()))
    }
}

impl<C: Content> PublishShared for Publisher<C> {
    #[inline]
    fn publish_shared(&self, number: u64) -> Result<(), String> {
        let message = Arc::new(C::value(number));
        for sender in &self.senders {
            match sender.try_send(message.clone()) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) if self.may_lose => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

impl<C: Content> Publish for Publisher<C> {
    #[inline]
    fn publish(&mut self, number: u64) -> Result<(), String> {
        self.publish_shared(number)
    }
}

const CLOSED: &str = "the channel was closed";

impl<C: Content> Read for One<C> {
    #[inline]
    async fn read(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.recv().await.ok_or(CLOSED)?;
        tally.see(C::number_of_value(&message));
        Ok(())
    }

    #[inline]
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.blocking_recv().ok_or(CLOSED)?;
        tally.see(C::number_of_value(&message));
        Ok(())
    }

    fn drain(&mut self, tally: &mut Tally) -> Result<(), String> {
        loop {
            match self.0.try_recv() {
                Ok(message) => tally.see(C::number_of_value(&message)),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl<C: Content> Many<C> {
    #[inline]
    fn see(&mut self, tally: &mut Tally) -> Result<(), String> {
        if self.batch.is_empty() {
            return Err(CLOSED.to_owned());
        }
        self.batch.drain(..).for_each(|message| tally.see(C::number_of_value(&message)));
        Ok(())
    }
}

impl<C: Content> Read for Many<C> {
    #[inline]
    async fn read(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.receiver.recv_many(&mut self.batch, self.most).await;
        self.see(tally)
    }

    #[inline]
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.receiver.blocking_recv_many(&mut self.batch, self.most);
        self.see(tally)
    }

    fn drain(&mut self, tally: &mut Tally) -> Result<(), String> {
        while let Ok(message) = self.receiver.try_recv() {
            tally.see(C::number_of_value(&message));
        }
        Ok(())
    }
}
