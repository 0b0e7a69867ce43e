//! The policies at a limit that need no more than the depth: end, refuse, drop, wait.

use std::convert::Infallible;
use std::time::Duration;

use super::{Offer, Policy, Verdict};

/// Ends the queue at the first item that does not fit; what is queued stays readable.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Disconnect, Limit, RecvError, SendError};
/// let (sender, mut receiver) = overflow::queue(Limits::messages(1)?, Disconnect);
/// sender.try_send('a')?;
/// assert_eq!(sender.try_send('b'), Err(SendError::Ended('b', Limit::Messages)));
/// assert_eq!(receiver.try_recv()?.item, 'a');
/// assert_eq!(receiver.try_recv(), Err(RecvError::Ended(Limit::Messages)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Disconnect;

impl<T> Policy<T> for Disconnect {
    type Key = Infallible;
    const TIMED: bool = false;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, Infallible>) -> Verdict<Infallible> {
        offer.excess(None).map_or(Verdict::Accept, Verdict::End)
    }
}

/// Refuses what does not fit.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, DropNewest, SendError};
/// let (sender, mut receiver) = overflow::queue(Limits::messages(1)?, DropNewest);
/// sender.try_send('a')?;
/// assert_eq!(sender.try_send('b'), Err(SendError::Refused('b')));
/// assert_eq!(receiver.try_recv()?.item, 'a');
/// sender.try_send('c')?;
/// let entry = receiver.try_recv()?;
/// assert_eq!((entry.item, entry.missed.map(|missed| missed.refused())), ('c', Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DropNewest;

impl<T> Policy<T> for DropNewest {
    type Key = Infallible;
    const TIMED: bool = false;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, Infallible>) -> Verdict<Infallible> {
        if offer.fits(None) { Verdict::Accept } else { Verdict::Refuse }
    }
}

/// Drops those that wait longest until an item fits. One that would not fit even alone is refused,
/// and nothing is dropped for it.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, DropOldest};
/// let (sender, mut receiver) = overflow::queue(Limits::messages(1)?, DropOldest);
/// sender.try_send('a')?;
/// assert_eq!(sender.try_send('b')?.dropped, 1);
/// let entry = receiver.try_recv()?;
/// assert_eq!((entry.item, entry.missed.map(|missed| missed.dropped())), ('b', Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DropOldest;

impl<T> Policy<T> for DropOldest {
    type Key = Infallible;
    const TIMED: bool = false;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, Infallible>) -> Verdict<Infallible> {
        if offer.fits(None) { Verdict::Accept } else { Verdict::DropOldest }
    }
}

/// Lets senders wait for room, each for so long at most, and then refuses. What would not fit even
/// alone is refused at once.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Block, SendError};
/// let policy = Block { at_most: Duration::from_millis(1) };
/// let (sender, _receiver) = overflow::queue(Limits::messages(1)?, policy);
/// sender.try_send('a')?;
/// assert!(matches!(sender.try_send('b'), Err(SendError::Delayed('b', _))));
/// assert_eq!(sender.send_blocking('b', None), Err(SendError::Refused('b')));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// How long a sender waits at most.
    pub at_most: Duration,
}

impl<T> Policy<T> for Block {
    type Key = Infallible;
    // How long a sender has waited is measured for whoever waits.
    const TIMED: bool = false;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, Infallible>) -> Verdict<Infallible> {
        if offer.fits(None) {
            return Verdict::Accept;
        }
        match self.at_most.checked_sub(offer.waited) {
            Some(left) if !left.is_zero() && offer.fits_alone() => Verdict::Delay(left),
            _ => Verdict::Refuse,
        }
    }
}
