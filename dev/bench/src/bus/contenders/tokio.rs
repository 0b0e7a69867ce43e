//! tokio's broadcast channel: one ring, which overwrites what is unread.

use std::marker::PhantomData;

use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::super::content::Content;
use super::super::fan::{Fan, Opening, Publish, Read};
use super::super::tally::Tally;
use super::map::PublishShared;

pub(in super::super) struct TokioBroadcast<C>(PhantomData<C>);

pub(in super::super) struct Publisher<C: Content>(Sender<C::Cheap>);

pub(in super::super) struct Reader<C: Content>(Receiver<C::Cheap>);

impl<C: Content> Fan for TokioBroadcast<C> {
    type Publisher = Publisher<C>;
    type Reader = Reader<C>;

    fn open(opening: Opening) -> Result<(Publisher<C>, Vec<Reader<C>>), String> {
        let (sender, _) = channel(opening.capacity);
        let readers = (0..opening.readers).map(|_| Reader(sender.subscribe())).collect();
        Ok((Publisher(sender), readers))
    }
}

impl<C: Content> PublishShared for Publisher<C> {
    #[inline]
    fn publish_shared(&self, number: u64) -> Result<(), String> {
        self.0.send(C::cheap(number)).map(drop).map_err(|error| error.to_string())
    }
}

impl<C: Content> Publish for Publisher<C> {
    #[inline]
    fn publish(&mut self, number: u64) -> Result<(), String> {
        self.publish_shared(number)
    }
}

impl<C: Content> Read for Reader<C> {
    #[inline]
    async fn read(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.recv().await.map_err(|error| error.to_string())?;
        tally.see(C::number_of_cheap(&message));
        Ok(())
    }

    #[inline]
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.blocking_recv().map_err(|error| error.to_string())?;
        tally.see(C::number_of_cheap(&message));
        Ok(())
    }

    fn drain(&mut self, tally: &mut Tally) -> Result<(), String> {
        loop {
            match self.0.try_recv() {
                Ok(message) => tally.see(C::number_of_cheap(&message)),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
