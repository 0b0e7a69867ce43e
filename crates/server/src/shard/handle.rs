//! How other threads speak to a shard.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::Instant;

use floodway_queue::{LimitError, Limits, Receiver, Sender as CommandSender, mailbox};
use mio::Waker;
use mio::net::TcpStream;

use crate::nats::Peer;

/// Which peer of a shard is meant: its place, and whose place that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerRef {
    pub(crate) at: usize,
    pub(crate) session: u64,
}

impl PeerRef {
    /// Whether `peer` is the one that is meant, and not a later one in the same place.
    pub(crate) fn is(&self, peer: &Peer) -> bool {
        peer.connection().session().id() == self.session
    }
}

/// What a shard can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this connection.
    Adopt(TcpStream, SocketAddr),
    /// The session has ended: take it off the bus.
    Ended(PeerRef),
    /// The socket is gone.
    Broken(PeerRef),
    /// The consumers of a paused publisher may be below their marks.
    Resume(PeerRef),
    /// Close the port.
    StopAccepting,
    /// Close the port and read no client any more; answer when that is so.
    StopReading(Sender<()>),
    /// Tell clients to go elsewhere.
    LameDuck,
    /// Close so many connections, once what is queued for them is written.
    DrainSome(usize),
    /// Close all connections, once what is queued for them is written or at that time; then end.
    DrainAll(Instant),
}

/// The way to a shard. Commands are carried out in order, after the sockets that were ready.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    commands: CommandSender<Command>,
    waker: Waker,
}

/// Commands that may wait. Nearly all are about a connection and said once to it, so there are only
/// so many; none of them may be lost.
const COMMANDS: Limits = match Limits::messages(u32::MAX) {
    Ok(limits) => limits,
    Err(LimitError::Zero) => panic!("it is not zero"),
};

impl ShardHandle {
    /// The way to a shard, and the shard's end of it.
    pub(crate) fn new(waker: Waker) -> (Arc<Self>, Receiver<Command>) {
        let (commands, receiver) = mailbox(COMMANDS);
        (Arc::new(Self { commands, waker }), receiver)
    }

    pub(crate) fn send(&self, command: Command) {
        // Refused only by a shard that has ended, which has nothing left to do.
        if self.commands.try_send(command).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "Cannot wake a shard");
        }
    }
}

/// Wakes a paused publisher, from whichever thread drained its consumers.
#[derive(Debug)]
pub(crate) struct ResumePublisher {
    // Weak: a waker may lie in an outbox for as long as its connection lives.
    shard: Weak<ShardHandle>,
    place: PeerRef,
}

impl ResumePublisher {
    pub(crate) fn new(shard: &Arc<ShardHandle>, place: PeerRef) -> Arc<Self> {
        Arc::new(Self { shard: Arc::downgrade(shard), place })
    }
}

impl Wake for ResumePublisher {
    fn wake(self: Arc<Self>) {
        if let Some(shard) = self.shard.upgrade() {
            shard.send(Command::Resume(self.place));
        }
    }
}
