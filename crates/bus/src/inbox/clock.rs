//! Time as an inbox sees it.

use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// Nanoseconds since the inbox was made: one number for all that depends on the time.
pub(super) type Age = u64;

/// The age as a backlog counts it.
#[inline]
pub(super) fn millis(age: Age) -> u32 {
    // Wraps round after 49 days, as the clock of a backlog does.
    (age / 1_000_000) as u32
}

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct Clock {
    born: Instant,
    /// What [`Clock::about_now`] counts from.
    #[cfg(target_os = "linux")]
    born_coarse: u64,
}

impl Clock {
    pub(super) fn starting_at(born: Instant) -> Self {
        Self {
            born,
            #[cfg(target_os = "linux")]
            born_coarse: coarse_now().saturating_sub(coarse_tick()),
        }
    }

    #[inline]
    pub(super) fn age(&self, now: Instant) -> Age {
        let age = now.saturating_duration_since(self.born);
        age.as_secs() * 1_000_000_000 + u64::from(age.subsec_nanos())
    }

    pub(super) fn time(&self, age: Age) -> Instant {
        self.born + Duration::from_nanos(age)
    }

    /// The age now.
    pub(super) fn now(&self) -> Age {
        self.age(Instant::now())
    }

    /// The age now or a few milliseconds from now, never before: as of the next tick of the system,
    /// for a fifth of what it costs to read the clock itself.
    #[inline]
    pub(super) fn about_now(&self) -> Age {
        #[cfg(target_os = "linux")]
        return coarse_now().saturating_sub(self.born_coarse);
        #[cfg(not(target_os = "linux"))]
        return self.now();
    }
}

#[cfg(target_os = "linux")]
fn coarse_now() -> u64 {
    nanos(clock_gettime(ClockId::MonotonicCoarse))
}

/// What the coarse clock is behind, at most.
#[cfg(target_os = "linux")]
fn coarse_tick() -> u64 {
    nanos(clock_getres(ClockId::MonotonicCoarse))
}

#[cfg(target_os = "linux")]
fn nanos(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
