//! async-broadcast, of the smol project: one queue with a place for each reader.

use std::marker::PhantomData;

use async_broadcast::{Receiver, Sender, TryRecvError, broadcast};

use super::super::content::Content;
use super::super::fan::{Fan, Opening, Publish, Read};
use super::super::tally::Tally;

pub(in super::super) struct AsyncBroadcast<C>(PhantomData<C>);

pub(in super::super) struct Publisher<C: Content>(Sender<C::Cheap>);

pub(in super::super) struct Reader<C: Content>(Receiver<C::Cheap>);

impl<C: Content> Fan for AsyncBroadcast<C> {
    type Publisher = Publisher<C>;
    type Reader = Reader<C>;

    fn open(opening: Opening) -> Result<(Publisher<C>, Vec<Reader<C>>), String> {
        let (mut sender, receiver) = broadcast(opening.capacity);
        // Whoever reads too little loses the oldest, or else nothing can be sent.
        sender.set_overflow(opening.may_lose);
        let mut readers: Vec<_> =
            (1..opening.readers).map(|_| Reader(receiver.new_receiver())).collect();
        readers.push(Reader(receiver));
        Ok((Publisher(sender), readers))
    }
}

impl<C: Content> Publish for Publisher<C> {
    #[inline]
    fn publish(&mut self, number: u64) -> Result<(), String> {
        self.0.try_broadcast(C::cheap(number)).map(drop).map_err(|error| error.to_string())
    }
}

impl<C: Content> Read for Reader<C> {
    #[inline]
    async fn read(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.recv_direct().await.map_err(|error| error.to_string())?;
        tally.see(C::number_of_cheap(&message));
        Ok(())
    }

    #[inline]
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String> {
        let message = self.0.recv_blocking().map_err(|error| error.to_string())?;
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
