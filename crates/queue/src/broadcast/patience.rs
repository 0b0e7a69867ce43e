//! What a thread does before it sleeps.

/// How a thread waits for others, from the quickest to notice to the least in the way.
///
/// All of them end asleep: a thread that spins beside more threads than there are CPUs keeps from
/// running whom it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitStrategy {
    /// Looks again and again for some 30 microseconds, then as [`Yield`](Self::Yield). For threads
    /// that have a CPU each.
    Spin,
    /// Lets other threads run some times between looks, then as [`Park`](Self::Park).
    #[default]
    Yield,
    /// Lets other threads run once, then sleeps until it is woken, which takes some 50 microseconds
    /// and no CPU.
    Park,
}

/// How much of a strategy is left.
#[derive(Debug)]
pub(super) struct Patience {
    spins: u32,
    yields: u32,
}

/// A pause takes 5 to 50 ns. Looking less often leaves the line to those who write it.
const PAUSES: u32 = 128;
const SPINS: u32 = 16;
const YIELDS: u32 = 8;
/// Whoever goes to sleep at once is woken for the next entry, and so on: with 8 consumers on 2 CPUs
/// batches of 19 at 124 ns a delivery, with one yield batches of 137 at 6.
const PARK_YIELDS: u32 = 1;
/// With one, batches of 10 at 35 ns an entry from thread to thread; with two, of 25 at 23.
const LINGER_YIELDS: u32 = 2;

impl WaitStrategy {
    pub(super) fn begin(self) -> Patience {
        match self {
            // Loom tries all orders anyway.
            _ if cfg!(floodway_loom) => Patience { spins: 0, yields: 0 },
            Self::Spin => Patience { spins: SPINS, yields: YIELDS },
            Self::Yield => Patience { spins: 0, yields: YIELDS },
            Self::Park => Patience { spins: 0, yields: PARK_YIELDS },
        }
    }
}

impl Patience {
    /// Waits a little before the first look, if it is not going to sleep at once. One that is
    /// quicker than its producers would else look after every entry, and each look takes the line
    /// from them for longer than an entry takes: 70 ns an entry, with a pause 24.
    pub(super) fn linger(&self) {
        if self.spins > 0 {
            (0..PAUSES / 4).for_each(|_| std::hint::spin_loop());
        } else if self.yields > 0 {
            (0..LINGER_YIELDS).for_each(|_| std::thread::yield_now());
        }
    }

    /// Waits a little; false if it is time to sleep.
    pub(super) fn wait(&mut self) -> bool {
        if self.spins > 0 {
            self.spins -= 1;
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
        } else if self.yields > 0 {
            self.yields -= 1;
            std::thread::yield_now();
        } else {
            return false;
        }
        true
    }
}
