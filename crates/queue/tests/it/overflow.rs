//! The queue with a policy as its users see it: scripts, vectors, an oracle, drops, waiting.

mod credit;
mod drops;
mod ends;
mod hook;
mod model;
mod script;
mod time;
mod waiting;

use floodway_queue::Limits;
use floodway_queue::overflow::{self, Policy, Receiver, Sender};

/// A queue of so many messages.
fn limited<T, P: Policy<T>>(messages: u32, policy: P) -> (Sender<T, P>, Receiver<T, P>) {
    overflow::queue(Limits::messages(messages).unwrap(), policy)
}

fn items<T, P: Policy<T>>(receiver: &mut Receiver<T, P>) -> Vec<T> {
    let mut items = Vec::new();
    receiver.drain(usize::MAX, |entry| items.push(entry.item));
    items
}
