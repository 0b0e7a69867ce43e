//! What one receiver saw, and whether it is exactly what was sent.
//!
//! A message's identity is its producer and its number among that producer's messages. Reading
//! them in turn, one counter per producer tells loss (a gap), repetition and reordering (a number
//! that is not above the last one) apart; the count and the sum over all are kept beside it, so
//! that a defect of this bookkeeping would not go unnoticed either.

/// Bits of an identity that number one producer's messages.
const NUMBER_BITS: u32 = 22;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// The most producers there may be.
const PRODUCERS: u64 = 16;

/// Identities are below this.
pub(crate) const IDENTITIES: u64 = PRODUCERS << NUMBER_BITS;

/// Not an identity.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// The identity of a producer's message of this number.
pub(crate) fn identity(producer: u64, number: u64) -> u64 {
    debug_assert!(producer < PRODUCERS && number <= NUMBER_MASK);
    (producer << NUMBER_BITS) | number
}

/// What one receiver saw.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// The number expected next, by producer.
    next: Vec<u64>,
    count: u64,
    sum: u64,
    /// How many numbers were skipped.
    skipped: u64,
    /// The first thing that no queue may do.
    fault: Option<String>,
}

impl Tally {
    pub(crate) fn new(producers: usize) -> Self {
        Tally { next: vec![0; producers], count: 0, sum: 0, skipped: 0, fault: None }
    }

    /// The next message this receiver got.
    #[inline]
    pub(crate) fn see(&mut self, identity: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(identity);
        let (producer, number) = ((identity >> NUMBER_BITS) as usize, identity & NUMBER_MASK);
        match self.next.get_mut(producer) {
            Some(next) if *next == number => *next += 1,
            _ => self.see_other(producer, number),
        }
    }

    /// Not the one that was due.
    #[cold]
    fn see_other(&mut self, producer: usize, number: u64) {
        match self.next.get_mut(producer) {
            None => self.blame(|| "a message that nobody sent arrived".to_owned()),
            Some(next) if *next < number => {
                self.skipped += number - *next;
                *next = number + 1;
            }
            Some(next) => {
                let after = *next - 1;
                self.blame(|| format!("number {number} of producer {producer} after {after}"));
            }
        }
    }

    fn blame(&mut self, what: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(what);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether it saw all of `each` messages of every producer, in order, once.
    pub(crate) fn complete(&self, each: u64) -> Result<(), String> {
        Tally::shared(std::slice::from_ref(self), each)?;
        match self.skipped {
            0 => Ok(()),
            skipped => Err(format!("{skipped} messages came late or not at all")),
        }
    }

    /// Whether several receivers saw all of `each` messages of every producer between them, each
    /// message once, and each receiver in order.
    pub(crate) fn shared(tallies: &[Tally], each: u64) -> Result<(), String> {
        if let Some(fault) = tallies.iter().find_map(|tally| tally.fault.as_ref()) {
            return Err(fault.clone());
        }
        let producers = tallies.first().map_or(0, |tally| tally.next.len()) as u64;
        let (count, sent) = (tallies.iter().map(|it| it.count).sum::<u64>(), producers * each);
        if count != sent {
            return Err(format!("{count} of {sent} messages arrived"));
        }
        let sum = tallies.iter().fold(0_u64, |sum, tally| sum.wrapping_add(tally.sum));
        if sum != expected_sum(producers, each) {
            return Err("as many messages as were sent, but not the same ones".to_owned());
        }
        Ok(())
    }

    /// Whether what is missing of `sent` messages is what was reported lost, and was missing
    /// before something newer: what overwrites the oldest never loses the newest.
    pub(crate) fn overwritten(&self, sent: u64, lost: u64) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (count, skipped) = (self.count, self.skipped);
        if count + lost != sent {
            return Err(format!("{count} arrived and {lost} reported lost, of {sent}"));
        }
        if skipped != lost {
            return Err(format!("{skipped} were skipped and {lost} reported lost"));
        }
        Ok(())
    }
}

/// The sum of all identities of a run.
fn expected_sum(producers: u64, each: u64) -> u64 {
    let numbers = each * each.saturating_sub(1) / 2;
    let one = |producer| identity(producer, 0) * each + numbers;
    (0..producers).map(one).fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests;
