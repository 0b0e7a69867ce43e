//! Seats of threads: a number that no other thread has, as long as the thread lives.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many threads have one at a time; the others do without.
pub(super) const SEATS: usize = 31;

/// A bit for each seat that is taken.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// The seat of a thread, given back when that ends.
struct Seat(Option<usize>);

impl Seat {
    fn take() -> Self {
        let free = |taken: u32| taken.trailing_ones() as usize;
        // Acquire: pairs with the Release of who had it before, whose writes are then seen.
        let before = TAKEN.fetch_update(Ordering::Acquire, Ordering::Relaxed, |taken| {
            (free(taken) < SEATS).then(|| taken | 1 << free(taken))
        });
        Self(before.ok().map(free))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seat) = self.0 {
            TAKEN.fetch_and(!(1 << seat), Ordering::Release);
        }
    }
}

/// The seat of this thread, if it has one.
#[inline]
pub(super) fn own_seat() -> Option<usize> {
    thread_local! {
        static SEAT: Seat = Seat::take();
    }
    // A thread that ends has none any more, whatever it still drops.
    SEAT.try_with(|seat| seat.0).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn no_two_threads_have_the_same_seat_at_a_time_and_it_goes_to_another_one_after_them() {
        const THREADS: usize = 2 * SEATS;
        for _ in 0..10 {
            let all_sit = Barrier::new(THREADS);
            let seats: Vec<_> = thread::scope(|scope| {
                let sit = || {
                    let seat = own_seat();
                    all_sit.wait();
                    seat
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(sit)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let taken: Vec<_> = seats.into_iter().flatten().collect();
            let distinct: HashSet<_> = taken.iter().collect();
            assert_eq!(distinct.len(), taken.len());
            // All of them, but for threads of other tests.
            assert!(taken.len() > SEATS / 2, "{}", taken.len());
        }
    }
}
