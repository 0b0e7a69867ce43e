//! A thread that waits as a task does.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::sync::Parker;

struct Unparker(Parker);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the thread until `poll` is ready; `None` once `deadline` has passed.
///
/// The deadline holds however often the thread is woken in vain. `poll` is called at least once,
/// and for the last time after the deadline, so what came in time is not missed.
///
/// # Blocking
///
/// Blocks until the waker that `poll` was given is woken and `poll` is ready, or the deadline.
pub fn block_until<R>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Option<R> {
    let unparker = Arc::new(Unparker(Parker::new()));
    let waker = Waker::from(unparker.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Poll::Ready(result) = poll(&mut cx) {
            return Some(result);
        }
        if late {
            return None;
        }
        unparker.0.park(deadline);
    }
}
