//! What a mailbox costs while it is empty, and after a burst.
#![cfg(not(miri))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::limited;

thread_local! {
    /// Bytes that this thread has allocated and not freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// How often it has allocated.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: passes everything on to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size() as isize);
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

type Payload = [u64; 4];

/// checklist: A4
#[test]
fn an_empty_mailbox_costs_two_cache_lines_whatever_its_limit() {
    let before = LIVE.get();
    let mailbox = limited::<Payload>(1_000_000);
    assert_eq!(LIVE.get() - before, 128);
    drop(mailbox);
    assert_eq!(LIVE.get(), before);
}

/// checklist: A4
#[test]
fn idle_mailboxes_that_have_been_used_cost_less_than_a_kibibyte_each() {
    let before = LIVE.get();
    let mut mailboxes: Vec<_> = (0..10_000).map(|_| limited::<Payload>(1_000_000)).collect();
    for (sender, receiver) in &mut mailboxes {
        sender.try_send([1; 4]).unwrap();
        assert_eq!(receiver.try_recv(), Ok([1; 4]));
        assert!(receiver.try_recv().is_err());
    }
    let each = (LIVE.get() - before) / 10_000;
    assert!(each < 1024, "{each} bytes each");
}

/// checklist: A4
#[test]
fn a_burst_leaves_nothing_behind_once_the_receiver_waits() {
    let before = LIVE.get();
    let (sender, mut receiver) = limited::<Payload>(1_000_000);
    let idle = LIVE.get();
    let late = Some(std::time::Instant::now());
    assert!(receiver.wait(late).is_err());
    // What it keeps is the list of waiters, and only since somebody has waited.
    let baseline = LIVE.get() - before;
    assert!(baseline <= (idle - before) + 256, "{baseline} bytes");
    let is_back = || {
        let live = LIVE.get() - before;
        assert!(live * 10 <= baseline * 11, "{live} bytes, and {baseline} before the burst");
    };
    for _ in 0..3 {
        (0..10_000).for_each(|n| sender.try_send([n; 4]).unwrap());
        assert!(LIVE.get() - idle >= 10_000 * 32, "the burst is in memory");
        assert_eq!(receiver.drain(usize::MAX, drop), 10_000);
        assert!(receiver.wait(late).is_err());
        is_back();
        // Whoever only asks gets there too, by the 64th question.
        (0..10_000).for_each(|n| sender.try_send([n; 4]).unwrap());
        assert_eq!(receiver.drain(usize::MAX, drop), 10_000);
        (0..64).for_each(|_| assert!(receiver.try_recv().is_err()));
        is_back();
    }
}

/// What is queued takes memory in proportion, while it is taken as while it is sent.
#[test]
fn memory_follows_what_is_queued() {
    let (sender, mut receiver) = limited::<Payload>(1_000_000);
    let idle = LIVE.get();
    (0..10_000).for_each(|n| sender.try_send([n; 4]).unwrap());
    for left in (0..10_000).rev() {
        receiver.try_recv().unwrap();
        // Two segments of 4 KiB at the ends, one spare, and the headers.
        let most = left * 33 + 3 * 4200;
        assert!(LIVE.get() - idle <= most, "{} bytes for {left}", LIVE.get() - idle);
    }
}

#[test]
fn a_steady_flow_does_not_allocate() {
    for depth in [1, 100, 10_000] {
        let (sender, mut receiver) = limited::<Payload>(1_000_000);
        (0..depth).for_each(|n| sender.try_send([n; 4]).unwrap());
        let mut flow = |times| {
            for n in 0..times {
                sender.try_send([n; 4]).unwrap();
                receiver.try_recv().unwrap();
            }
        };
        flow(20_000);
        let warm = ALLOCATIONS.get();
        flow(100_000);
        // While segments of different sizes are about, one too many may be freed now and then.
        let allocations = ALLOCATIONS.get() - warm;
        assert!(allocations <= 10, "{allocations} allocations at depth {depth}");
    }
}
