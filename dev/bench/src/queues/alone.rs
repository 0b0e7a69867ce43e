//! One thread at both ends of a queue.

use std::hint::black_box;
use std::time::Instant;

use super::payload::Payload;
use super::shape::{CAPACITY, Consumer, Producer, Queue};
use super::tally::{Tally, identity};
use super::work::{Outcome, Work, nanos_each};

/// Enqueue, dequeue, and so on: what a queue costs when nothing else is in the way. Through the
/// operations that never wait, because nothing ever has to.
pub(crate) fn pairs<Q: Queue<T>, T: Payload>(work: &Work) -> Outcome {
    let mut ends = Ends::<Q, T>::open(work, CAPACITY);
    let start = Instant::now();
    ends.cycle(work.messages)?;
    let time = start.elapsed();
    ends.tally.complete(work.messages)?;
    Ok(nanos_each(time, work.messages))
}

/// The same with `depth` messages in it all the time.
pub(crate) fn at_depth<Q: Queue<T>, T: Payload>(work: &Work) -> Outcome {
    let mut ends = Ends::<Q, T>::open(work, work.depth as usize + 1);
    for _ in 0..work.depth {
        ends.enqueue()?;
    }
    // Once round, so that what is measured is the depth and not memory seen for the first time.
    ends.cycle(work.depth)?;
    let start = Instant::now();
    ends.cycle(work.messages)?;
    let time = start.elapsed();
    for _ in 0..work.depth {
        ends.dequeue()?;
    }
    ends.tally.complete(2 * work.depth + work.messages)?;
    Ok(nanos_each(time, work.messages))
}

struct Ends<Q: Queue<T>, T: Payload> {
    producer: Q::Producer,
    consumer: Q::Consumer,
    mint: T::Mint,
    sent: u64,
    tally: Tally,
}

impl<Q: Queue<T>, T: Payload> Ends<Q, T> {
    fn open(work: &Work, limit: usize) -> Self {
        let (producer, consumer) = Q::open(limit);
        let mint = T::mint(work.payload);
        Ends { producer, consumer, mint, sent: 0, tally: Tally::new(1) }
    }

    #[inline]
    fn enqueue(&mut self) -> Result<(), String> {
        let item = T::make(self.mint, identity(0, self.sent));
        if !self.producer.try_send(item) {
            return Err(format!("message {} was refused though there is room", self.sent));
        }
        self.sent += 1;
        Ok(())
    }

    #[inline]
    fn dequeue(&mut self) -> Result<(), String> {
        match self.consumer.try_receive() {
            Some(item) => self.tally.see(black_box(&item).identity(self.mint)),
            None => return Err(format!("empty after {} of {}", self.tally.count(), self.sent)),
        }
        Ok(())
    }

    fn cycle(&mut self, times: u64) -> Result<(), String> {
        for _ in 0..times {
            self.enqueue()?;
            self.dequeue()?;
        }
        Ok(())
    }
}
