//! The side of a client that any thread may use: taking messages for it, and writing to its socket.

use std::io::{self, IoSlice, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Instant;

use floodway::{Consumer, EndReason, Filter, Runs, SubscriptionKey, Taken, Tally};
use floodway_broker::{Session, WriteEnd};
use floodway_queue::{BlockPool, ByteQueue};
use mio::net::TcpStream;

use super::framing::NatsFraming;
use crate::shard::{Command, PeerRef, ShardHandle};

/// Slices per vectored write; at full blocks 4 MiB, more than a socket takes at once.
const SLICES: usize = 64;

/// See the [module header](self).
#[derive(Debug)]
pub(crate) struct Connection {
    session: Arc<Session>,
    /// Gone once the connection is closed: routes that are cached somewhere may keep the rest of it
    /// in memory a little longer, and must not keep the descriptor open.
    socket: Mutex<Option<Arc<TcpStream>>>,
    shard: Arc<ShardHandle>,
    place: PeerRef,
    pool: Arc<BlockPool>,
    headers: AtomicBool,
    /// The socket's own buffer was made small.
    shrunk: AtomicBool,
}

impl Connection {
    pub(crate) fn new(
        session: Arc<Session>,
        socket: Arc<TcpStream>,
        shard: Arc<ShardHandle>,
        place: PeerRef,
        pool: Arc<BlockPool>,
    ) -> Self {
        let headers = AtomicBool::new(false);
        let (socket, shrunk) = (Mutex::new(Some(socket)), AtomicBool::new(false));
        Self { session, socket, shard, place, pool, headers, shrunk }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn place(&self) -> PeerRef {
        self.place
    }

    pub(crate) fn shard(&self) -> &Arc<ShardHandle> {
        &self.shard
    }

    /// Whether the client understands headers, as its CONNECT said.
    pub(crate) fn set_headers(&self, headers: bool) {
        self.headers.store(headers, Ordering::Relaxed);
    }

    /// How messages stand on the wire for this client.
    pub(crate) fn framing(&self) -> NatsFraming {
        NatsFraming { headers: self.headers.load(Ordering::Relaxed) }
    }

    /// Makes the socket's own buffer small, once: what is in it can no longer be dropped or
    /// replaced.
    pub(crate) fn shrink_send_buffer(&self, bytes: usize) {
        if !self.shrunk.swap(true, Ordering::Relaxed)
            && let Some(socket) = self.socket()
            && let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(&*socket, bytes)
        {
            tracing::debug!(cid = self.session.id(), %error, "Cannot set the send buffer");
        }
    }

    fn socket(&self) -> Option<Arc<TcpStream>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of the socket; nothing is written any more.
    pub(crate) fn close_socket(&self) {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Writes what is queued, unless the socket takes no more or another thread is at it.
    pub(crate) fn flush(&self, now: Instant) {
        let Some(socket) = self.socket() else { return };
        let framing = self.framing();
        let begin = || {
            self.session.with_outbox(|outbox| {
                outbox.woken();
                outbox.begin_write(&framing, now)
            })
        };
        while let Some(mut taken) = begin() {
            let (written, end) = write_out(&socket, &mut taken, &self.pool);
            self.session.count_out(written as u64);
            let more =
                self.session.with_outbox(|outbox| outbox.end_write(taken, written, end, now));
            if end == WriteEnd::Broken {
                self.shard.send(Command::Broken(self.place));
            }
            if !more {
                return;
            }
        }
    }

    /// The socket takes more again.
    pub(crate) fn on_writable(&self, now: Instant) {
        let blocked = self.session.with_outbox(|outbox| {
            let blocked = outbox.is_blocked();
            outbox.on_writable();
            blocked
        });
        if blocked {
            self.flush(now);
        }
    }
}

fn write_out(socket: &TcpStream, queue: &mut ByteQueue, pool: &BlockPool) -> (usize, WriteEnd) {
    let mut written = 0;
    while !queue.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = queue.slices(&mut slices);
        let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        let mut writer = socket;
        match writer.write_vectored(&slices[..used]) {
            Ok(0) => return (written, WriteEnd::Broken),
            Ok(count) => {
                queue.advance(count, pool);
                written += count;
                // A short write has filled the socket; asking again would only tell so.
                if count < offered {
                    return (written, WriteEnd::Blocked);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return (written, WriteEnd::Blocked);
            }
            Err(_) => return (written, WriteEnd::Broken),
        }
    }
    (written, WriteEnd::Drained)
}

impl Consumer for Connection {
    fn deliver(&self, runs: Runs<'_>, now: Instant, tally: &mut Tally) -> Taken {
        let write = || self.flush(now);
        let delivered = self.session.deliver(runs, &self.framing(), now, write, tally);
        if delivered.ended || delivered.ended_alone {
            self.shard.send(Command::Ended(self.place));
        }
        if delivered.write_now {
            self.flush(now);
        }
        delivered.taken
    }

    fn wake(&self, now: Instant) {
        self.flush(now);
    }

    fn is_behind(&self) -> bool {
        self.session.is_behind()
    }

    fn sets_pace(&self, key: SubscriptionKey) -> bool {
        self.session.sets_pace(key)
    }

    fn has_ended(&self) -> bool {
        self.session.end_reason().is_some()
    }

    fn is_over_mark(&self, resume: bool) -> bool {
        self.session.is_over_mark(resume)
    }

    fn on_below_mark(&self, waker: Waker) {
        self.session.on_below_mark(waker);
    }

    fn held_bytes(&self) -> u64 {
        self.session.with_outbox(|outbox| outbox.held_bytes() as u64)
    }

    fn evict(&self, reason: EndReason) {
        if self.session.evict(reason) {
            self.shard.send(Command::Ended(self.place));
        }
    }

    fn sweep(&self, _now: Instant) -> bool {
        // The shard that owns the socket looks after it.
        false
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        self.session.reap()
    }

    fn label(&self) -> String {
        let (id, peer) = (self.session.id(), self.session.peer());
        match self.session.identity().name {
            Some(name) => format!("cid {id} ({name}, {peer})"),
            None => format!("cid {id} ({peer})"),
        }
    }
}
