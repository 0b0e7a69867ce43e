//! Burst credit: who mostly keeps up may fall behind for a while, who never does may not.

use std::convert::Infallible;
use std::fmt;

use super::{Depth, Limit, Offer, Policy, Verdict};

/// Ends the queue of a consumer that is constantly slow, and lets one that mostly keeps up fall
/// behind by as much as the hard limit.
///
/// There is a soft quota, a hard limit and a credit. An item beyond the soft quota costs one
/// credit and raises the quota to the depth it makes; without a credit it ends the queue, as it
/// does at the hard limit. Taking items down to less than half of the quota lowers it by one each
/// time, and every take below the quota earns credit in proportion to how far below, up to the
/// difference between the hard limit and the quota.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, BurstCredit, Limit, SendError};
/// let policy = BurstCredit::new(1, 8, 1.0)?;
/// let (sender, mut receiver) = overflow::queue(Limits::messages(8)?, policy);
/// sender.try_send(1)?;
/// sender.try_send(2)?; // the credit there was to begin with
/// while receiver.try_recv().is_ok() {}
/// for n in 0..4 {
///     // Keeping up is what earns more.
///     sender.try_send(n)?;
///     receiver.try_recv()?;
/// }
/// (0..5).try_for_each(|n| sender.try_send(n).map(drop))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurstCredit {
    soft: u64,
    hard: u64,
    credit: f64,
}

/// Why there is no such [`BurstCredit`]. The caller's mistake; a retry does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditError {
    /// Nothing would ever be taken.
    NoHardLimit,
    /// The soft quota is larger than the hard limit.
    SoftBeyondHard,
    /// The credit is negative or not a number.
    BadCredit,
}

impl fmt::Display for CreditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHardLimit => "the hard limit of a burst must be 1 at least",
            Self::SoftBeyondHard => "the soft quota must not be larger than the hard limit",
            Self::BadCredit => "the credit for bursts must not be negative",
        })
    }
}

impl std::error::Error for CreditError {}

impl BurstCredit {
    /// With a soft quota (0: as large as the hard limit), a hard limit, and a credit to begin with
    /// (0: as large as the quota). The limits of the queue hold besides.
    ///
    /// # Errors
    ///
    /// [`CreditError`], one for each condition that does not hold.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::overflow::{BurstCredit, CreditError};
    /// assert!(BurstCredit::new(10, 1000, 0.0).is_ok());
    /// assert_eq!(BurstCredit::new(11, 10, 0.0), Err(CreditError::SoftBeyondHard));
    /// ```
    pub fn new(soft: u32, hard: u32, credit: f64) -> Result<Self, CreditError> {
        if hard == 0 {
            return Err(CreditError::NoHardLimit);
        }
        if soft > hard {
            return Err(CreditError::SoftBeyondHard);
        }
        if credit.is_nan() || credit < 0.0 {
            return Err(CreditError::BadCredit);
        }
        let soft = if soft == 0 { hard } else { soft };
        let credit = if credit == 0.0 { f64::from(soft) } else { credit };
        Ok(Self { soft: soft.into(), hard: hard.into(), credit })
    }

    /// The soft quota as it is now.
    pub fn soft_quota(&self) -> u64 {
        self.soft
    }

    /// The credit that is left.
    pub fn credit(&self) -> f64 {
        self.credit
    }
}

impl<T> Policy<T> for BurstCredit {
    type Key = Infallible;
    const TIMED: bool = false;

    fn admit(&mut self, offer: &Offer<'_, T, Infallible>) -> Verdict<Infallible> {
        let queued = offer.depth.messages;
        if let Some(limit) = offer.excess(None) {
            return Verdict::End(limit);
        }
        if queued >= self.soft {
            if queued >= self.hard {
                return Verdict::End(Limit::Messages);
            }
            if self.credit < 1.0 {
                return Verdict::End(Limit::Credit);
            }
            self.credit -= 1.0;
            self.soft = queued + 1;
        }
        Verdict::Accept
    }

    fn taken(&mut self, left: Depth) {
        let left = left.messages;
        if left >= self.soft {
            return;
        }
        if self.soft > 1 && left < self.soft / 2 {
            self.soft -= 1;
        }
        // `left` may be the lowered quota itself only where both are 0, which the quota is never.
        let below = (self.soft - left) as f64 / self.soft as f64;
        self.credit = (self.credit + below).min((self.hard - self.soft) as f64);
    }
}
