//! One event loop and the connections that live on it.
//!
//! Run to completion: the thread that read a socket routes what came, and writes to the consumers
//! when it has looked at every socket that was ready. No message is handed to another thread, which
//! would cost more than everything else together (docs/adr/0002). Connections on other shards are
//! written by whoever has something for them; only a socket that was full is left to its own shard,
//! which hears when it takes more.

mod handle;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use floodway::{Message, Origin, Pushback, PushbackMode, ReadBuffer, Router, Wakeups};
use floodway_broker::Broker;
use floodway_queue::Receiver;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::nats::{Close, Connection, Peer, Progress, Settings};
pub(crate) use handle::{Command, PeerRef, ResumePublisher, ShardHandle};

pub(crate) const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
/// Events taken from the system at once.
const EVENTS: usize = 1024;
/// One read. Large enough that a system call per read is cheap, small enough to stay in the cache.
const READ_BUFFER: usize = 64 * 1024;
/// The longest time between two looks at the clock while there are connections.
const TICK_MAX: Duration = Duration::from_millis(250);
const TICK_MIN: Duration = Duration::from_millis(10);
/// How much has to have been freed to be worth giving back.
const BURST: u64 = 8 << 20;

/// What a shard shares among its peers.
#[derive(Debug)]
pub(crate) struct ShardContext {
    pub(crate) router: Router,
    pub(crate) wakeups: Wakeups,
    /// Lent out while a peer reads.
    pub(crate) buffer: Option<ReadBuffer>,
    /// Connections that may have answers to write.
    pub(crate) answered: Vec<Arc<Connection>>,
}

impl ShardContext {
    /// The size of the read buffer, also while it is lent out.
    pub(crate) fn buffer_bytes(&self) -> usize {
        READ_BUFFER
    }

    /// Publishes a message of the server itself.
    pub(crate) fn publish(&mut self, subject: &[u8], payload: &[u8], now: Instant) {
        let mut nobody = Pushback::new(PushbackMode::None);
        let origin = Origin { consumer: None, echo: true };
        let mut batch = self.router.batch(origin, &mut nobody, &mut self.wakeups, now);
        batch.push(Message::new(subject, payload));
        batch.commit();
    }
}

/// See the [module header](self).
pub(crate) struct Shard {
    poll: Poll,
    handle: Arc<ShardHandle>,
    commands: Receiver<Command>,
    /// Those being carried out; empty between turns.
    taken: Vec<Command>,
    /// All shards, to spread new connections over.
    all: Vec<Arc<ShardHandle>>,
    next_shard: usize,
    listener: Option<TcpListener>,
    /// The system had no descriptor left; accepting is tried again at the next tick.
    accept_again: bool,
    broker: Arc<Broker>,
    settings: Arc<Settings>,
    peers: Slab<Peer>,
    cx: ShardContext,
    /// Peers with more to read than one turn allows.
    unread: Vec<usize>,
    /// Peers that were read in this turn, to look at their pace.
    read: Vec<usize>,
    next_tick: Instant,
    tick: Duration,
    stopping: bool,
    /// The most that was queued anywhere since memory was given back last.
    peak_bytes: u64,
}

impl Shard {
    pub(crate) fn new(
        poll: Poll,
        (handle, commands): (Arc<ShardHandle>, Receiver<Command>),
        all: Vec<Arc<ShardHandle>>,
        broker: Arc<Broker>,
        settings: Arc<Settings>,
    ) -> Self {
        let shortest = settings.ping_interval.min(settings.auth_timeout);
        let cx = ShardContext {
            router: Router::new(broker.bus().clone()),
            wakeups: Wakeups::new(),
            buffer: Some(ReadBuffer::new(READ_BUFFER)),
            answered: Vec::new(),
        };
        Self {
            poll,
            handle,
            commands,
            taken: Vec::new(),
            all,
            next_shard: 0,
            listener: None,
            accept_again: false,
            broker,
            tick: (shortest / 4).clamp(TICK_MIN, TICK_MAX),
            settings,
            peers: Slab::new(),
            cx,
            unread: Vec::new(),
            read: Vec::new(),
            next_tick: Instant::now(),
            stopping: false,
            peak_bytes: 0,
        }
    }

    /// Accepts connections from `listener`, for all shards.
    pub(crate) fn listen(&mut self, mut listener: TcpListener) -> io::Result<()> {
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Serves until it has been told to stop and the last connection is gone.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !(self.stopping && self.peers.is_empty()) {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "Cannot wait for events; this shard ends");
                    return;
                }
                _ => {}
            }
            self.turn(&events);
        }
    }

    /// Nothing is polled: without connections and work a shard sleeps until something happens.
    fn timeout(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.peers.is_empty() && !self.accept_again && self.peak_bytes < BURST {
            return None;
        }
        Some(self.next_tick.saturating_duration_since(Instant::now()))
    }

    fn turn(&mut self, events: &Events) {
        let now = Instant::now();
        let unread = std::mem::take(&mut self.unread);
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accept(now),
                Token(at) => self.on_event(at, event, now),
            }
        }
        for at in unread {
            if let Some(peer) = self.peers.get_mut(at) {
                peer.dequeue();
                self.read(at, now);
            }
        }
        self.carry_out_all(now);
        self.write(now);
        if !self.read.is_empty() {
            self.broker.meters().publish.record(now.elapsed());
        }
        self.pace(now);
        self.peak_bytes = self.peak_bytes.max(self.broker.bus().budget().used());
        if now >= self.next_tick {
            self.next_tick = now + self.tick;
            self.on_tick(now);
            self.write(now);
        }
    }

    fn carry_out_all(&mut self, now: Instant) {
        let mut taken = std::mem::take(&mut self.taken);
        // Those that they bring about are for the next turn.
        self.commands.drain_into(&mut taken, usize::MAX);
        taken.drain(..).for_each(|command| self.carry_out(command, now));
        self.taken = taken;
    }

    fn on_event(&mut self, at: usize, event: &Event, now: Instant) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if event.is_writable() {
            peer.connection().on_writable(now);
            if !peer.is_open() {
                let progress = peer.drained(now);
                self.progress(at, progress, now);
            }
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let Some(peer) = self.peers.get_mut(at) else { return };
            peer.set_readable(event.is_read_closed() || event.is_error());
            self.read(at, now);
        }
    }

    fn read(&mut self, at: usize, now: Instant) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let progress = peer.read(&mut self.cx, now);
        self.read.push(at);
        self.progress(at, progress, now);
    }

    fn progress(&mut self, at: usize, progress: Progress, now: Instant) {
        match progress {
            Progress::Wait => {}
            Progress::ReadMore => {
                if self.peers.get_mut(at).is_some_and(Peer::enqueue) {
                    self.unread.push(at);
                }
            }
            Progress::Gone => {
                if let Some(peer) = self.peers.try_remove(at) {
                    peer.forget(now);
                }
            }
        }
    }

    /// Wakes every consumer that this turn touched, once; for a connection that is a write.
    fn write(&mut self, now: Instant) {
        self.cx.wakeups.wake_all(now);
        for connection in std::mem::take(&mut self.cx.answered) {
            connection.flush(now);
        }
    }

    /// Pauses those publishers whose consumers are still over their marks after the writing.
    fn pace(&mut self, now: Instant) {
        for at in std::mem::take(&mut self.read) {
            if let Some(peer) = self.peers.get_mut(at) {
                peer.pace(now);
            }
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.give_memory_back();
        if std::mem::take(&mut self.accept_again) {
            self.accept(now);
        }
        let all: Vec<usize> = self.peers.iter().map(|(at, _)| at).collect();
        for at in all {
            let Some(peer) = self.peers.get_mut(at) else { continue };
            let progress = peer.tick(&mut self.cx, now);
            let resumed = peer.is_paused() && peer.try_resume();
            self.progress(at, if resumed { Progress::ReadMore } else { progress }, now);
        }
    }

    /// After a burst has passed, what it took is given back to the system: once most of what was
    /// queued at its peak is gone. Every shard looks; whichever does it first leaves little to do.
    fn give_memory_back(&mut self) {
        let used = self.broker.bus().budget().used();
        if used < self.peak_bytes / 2 && self.peak_bytes - used >= BURST {
            self.peak_bytes = used;
            floodway_queue::give_memory_back();
        }
    }

    // ----- connections come and go

    fn accept(&mut self, now: Instant) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((socket, peer)) => {
                    let shard = self.next_shard % self.all.len();
                    self.next_shard = shard + 1;
                    if Arc::ptr_eq(&self.all[shard], &self.handle) {
                        self.adopt(socket, peer, now);
                    } else {
                        self.all[shard].send(Command::Adopt(socket, peer));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Mostly out of descriptors: that passes when clients leave.
                    tracing::warn!(%error, "Cannot accept connections");
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn adopt(&mut self, mut socket: TcpStream, client: SocketAddr, now: Instant) {
        let entry = self.peers.vacant_entry();
        let at = entry.key();
        // Small messages are written at once anyway; waiting for more would only delay them.
        let _ = socket.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(at), interest) {
            tracing::warn!(%error, %client, "Cannot watch a new connection");
            return;
        }
        let full = self.broker.registry().open_count() >= self.settings.max_connections;
        let session = if full {
            self.broker.open_unlisted(client, now)
        } else {
            self.broker.open(client, now)
        };
        let socket = Arc::new(socket);
        let place = PeerRef { at, session: session.id() };
        let pool = self.broker.pool().clone();
        let connection =
            Connection::new(session.clone(), socket.clone(), self.handle.clone(), place, pool);
        let connection = Arc::new(connection);
        if !full {
            self.broker.attach(&session, connection.clone());
        }
        let (broker, settings) = (self.broker.clone(), self.settings.clone());
        let mut peer = Peer::open(broker, settings, socket, connection.clone(), now);
        if full {
            peer.close(Close::told("maximum connections exceeded"), &mut self.cx, now);
        }
        entry.insert(peer);
        connection.flush(now);
        // Its first bytes may have come before it was watched.
        self.progress(at, Progress::ReadMore, now);
        if self.peers.len() == 1 {
            self.next_tick = now + self.tick;
        }
    }

    fn carry_out(&mut self, command: Command, now: Instant) {
        match command {
            Command::Adopt(socket, client) => self.adopt(socket, client, now),
            Command::Ended(place) => {
                if let Some(peer) = self.peers.get_mut(place.at).filter(|peer| place.is(peer)) {
                    let progress = peer.ended(&mut self.cx, now);
                    self.progress(place.at, progress, now);
                }
            }
            Command::Broken(place) => {
                if self.peers.get(place.at).is_some_and(|peer| place.is(peer)) {
                    self.progress(place.at, Progress::Gone, now);
                }
            }
            Command::Resume(place) => {
                let peer = self.peers.get_mut(place.at).filter(|peer| place.is(peer));
                if peer.is_some_and(Peer::try_resume) {
                    self.read(place.at, now);
                }
            }
            Command::StopAccepting => self.stop_accepting(),
            Command::StopReading(done) => self.stop_reading(&done),
            Command::LameDuck => self.peers.iter().for_each(|(_, peer)| peer.lame_duck(now)),
            Command::DrainSome(count) => {
                let open = self.peers.iter().filter(|(_, peer)| peer.is_open());
                let some = open.take(count).map(|(at, _)| at).collect();
                self.drain(some, now + self.settings.linger, now);
            }
            Command::DrainAll(until) => {
                self.stopping = true;
                self.drain(self.peers.iter().map(|(at, _)| at).collect(), until, now);
            }
        }
    }

    fn stop_accepting(&mut self) {
        // Dropping it closes the port: clients that try are refused and go elsewhere.
        self.listener = None;
    }

    /// What has been read is accepted and will be delivered; nothing more is.
    fn stop_reading(&mut self, done: &Sender<()>) {
        self.stop_accepting();
        self.peers.iter_mut().for_each(|(_, peer)| peer.stop_reading());
        // The receiver is gone if the deadline passed; then nobody waits for this any more.
        let _ = done.send(());
    }

    fn drain(&mut self, peers: Vec<usize>, until: Instant, now: Instant) {
        for at in peers {
            let Some(peer) = self.peers.get_mut(at) else { continue };
            peer.stop(until, &mut self.cx, now);
            let progress = peer.drained(now);
            self.progress(at, progress, now);
        }
    }
}
