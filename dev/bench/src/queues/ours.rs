//! Ours: the place where the types of `floodway_queue` are put in.
//!
//! One line per type in [`ours`], with the shapes it has; the tables then judge it by the bars.
//! The monitor, with a `VecDeque` in it, stands for what is behind its lock: the inboxes of the
//! bus, and the overflow queues.

mod broadcast;
mod mailbox;
mod monitor;
mod overwriting;
mod ring;

use super::contender::{Contender, Side};
use mailbox::Mailbox;
use monitor::Monitored;
use ring::Ring;

/// All of ours, in the order in which they take turns.
pub(crate) fn ours() -> Vec<Contender> {
    let ours = |name| Contender::new(Side::Ours, name);
    vec![
        ours("mailbox").queue::<Mailbox>().batched::<Mailbox>().fan_out::<Mailbox>(),
        ours("ring").ring::<Ring>().batched::<Ring>(),
        ours("overwriting ring").overwriting::<overwriting::Alone>(),
        ours("overwriting shared ring").overwriting::<overwriting::InTurns>(),
        ours("broadcast ring, spin").broadcast_of_many::<broadcast::Spinning>(),
        ours("broadcast ring, yield").broadcast_of_many::<broadcast::Yielding>(),
        ours("broadcast ring, park").broadcast_of_many::<broadcast::Parking>(),
        Contender::new(Side::StandIn, "monitor")
            .queue::<Monitored>()
            .batched::<Monitored>()
            .shared::<Monitored>()
            .overwriting::<Monitored>()
            .fan_out::<Monitored>(),
    ]
}
