//! One client connection: blocking where it may wait, and reading without waiting where not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::wire::{Item, PING, PONG, Protocol, Step};

/// A server that does nothing for so long is broken; nats-server stalls publishers for ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Bytes asked for in one read; small enough to stay in the CPU's cache.
const READ_SIZE: usize = 256 * 1024;

/// Which server to talk to, and which process to watch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The server's process; `None` in tests, where the server is a thread.
    pub(crate) pid: Option<u32>,
}

/// A buffer to read into, shared by all connections of a thread: what a connection keeps between
/// reads is only the beginning of an item, so a thousand of them do not evict the cache.
#[derive(Debug)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    /// Room for one read.
    room: usize,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch::with_room(READ_SIZE)
    }

    fn with_room(room: usize) -> Self {
        Scratch { bytes: vec![0; room], room }
    }
}

/// The beginning of an item that did not fit in what was read so far.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    carry: Vec<u8>,
}

/// What one read brought: how much of the scratch buffer is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    end: usize,
    /// Whether the read took all there was: it left room.
    pub(crate) drained: bool,
}

impl Intake {
    /// Reads once, behind what is kept; `None` if the peer closed. Must be followed by
    /// [`Intake::take`] before another connection uses `scratch`.
    pub(crate) fn fill(
        &self,
        scratch: &mut Scratch,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Option<Filled>> {
        let buffer = &mut scratch.bytes;
        let kept = self.carry.len();
        if buffer.len() < kept + scratch.room / 2 {
            buffer.resize(kept + scratch.room, 0);
        }
        let read = read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(None);
        }
        buffer[..kept].copy_from_slice(&self.carry);
        let end = kept + read;
        Ok(Some(Filled { end, drained: end < buffer.len() }))
    }

    /// Hands on every item that is now whole, and keeps the rest.
    pub(crate) fn take(
        &mut self,
        protocol: Protocol,
        scratch: &Scratch,
        filled: Filled,
        mut on: impl FnMut(Item<'_>),
    ) -> io::Result<()> {
        let bytes = &scratch.bytes[..filled.end];
        let mut at = 0;
        loop {
            match protocol.scan(&bytes[at..]) {
                Step::Item(item, used) => {
                    on(item);
                    at += used;
                }
                Step::More => break,
                Step::Broken => {
                    let text = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 60)]);
                    let text = format!("the server sent what is not its protocol: {text:?}");
                    return Err(io::Error::new(ErrorKind::InvalidData, text));
                }
            }
        }
        self.carry.clear();
        self.carry.extend_from_slice(&bytes[at..]);
        Ok(())
    }
}

/// A connection that said hello and was answered.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    protocol: Protocol,
    intake: Intake,
    scratch: Scratch,
    /// Bytes read so far.
    read: u64,
}

impl Link {
    /// Connects, greets, and waits for the answer.
    pub(crate) fn open(target: Target) -> io::Result<Link> {
        Link::open_with(target, TcpStream::connect(target.addr)?, Scratch::new())
    }

    /// As [`Link::open`], for one of thousands that hear next to nothing.
    pub(crate) fn open_small(target: Target) -> io::Result<Link> {
        Link::open_with(target, TcpStream::connect(target.addr)?, Scratch::with_room(2048))
    }

    /// As [`Link::open`], for one that is going to be slow: its socket holds `buffer` bytes, so
    /// that the system does not hide the slowness for long.
    pub(crate) fn open_narrow(target: Target, buffer: usize) -> io::Result<Link> {
        let family = match target.addr {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(family, kind, flags, None)?;
        // Before it connects, or the server is promised more.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, buffer)?;
        rustix::net::connect(&socket, &target.addr)?;
        Link::open_with(target, TcpStream::from(socket), Scratch::with_room(buffer))
    }

    fn open_with(target: Target, stream: TcpStream, scratch: Scratch) -> io::Result<Link> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let protocol = target.protocol;
        let mut link = Link { stream, protocol, intake: Intake::default(), scratch, read: 0 };
        link.send(protocol.greeting().as_bytes())?;
        link.sync()?;
        Ok(link)
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port on our side: how the server's pages name the connection.
    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.stream.local_addr()?.port())
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Subscribes to all of `subjects` and waits until the server has them.
    pub(crate) fn subscribe(&mut self, subjects: &[String]) -> io::Result<()> {
        let mut commands = Vec::new();
        for (id, subject) in (1..).zip(subjects) {
            self.protocol.subscribe(&mut commands, subject, id);
            if commands.len() >= 64 * 1024 {
                self.send(&commands)?;
                commands.clear();
                // Redis confirms each one; unread, the confirmations would fill both sockets.
                self.drain()?;
            }
        }
        self.send(&commands)?;
        self.sync()
    }

    /// Waits for bytes and hands on the items they complete; the peer's end is an error.
    pub(crate) fn wait(&mut self, on: impl FnMut(Item<'_>)) -> io::Result<()> {
        let mut stream = &self.stream;
        let filled = self
            .intake
            .fill(&mut self.scratch, |buffer| stream.read(buffer))
            .map_err(|error| if is_timeout(&error) { silent() } else { error })?;
        self.take(filled.ok_or_else(ended)?, on)
    }

    /// Takes what has already arrived, without waiting; an error the server told is an error.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let mut told = None;
        self.read_at_most(usize::MAX, |item| {
            if let Item::Error(text) = item {
                told = Some(refused(text));
            }
        })?;
        told.map_or(Ok(()), Err)
    }

    /// Takes not more than `most` bytes of what has already arrived, without waiting, and hands
    /// on the items they complete; how many bytes that were.
    pub(crate) fn read_at_most(
        &mut self,
        most: usize,
        on: impl FnMut(Item<'_>),
    ) -> io::Result<usize> {
        let stream = &self.stream;
        let mut count = 0;
        let read = |buffer: &mut [u8]| {
            let room = most.min(buffer.len());
            let (_, read) = rustix::net::recv(stream, &mut buffer[..room], RecvFlags::DONTWAIT)?;
            count = read;
            Ok(read)
        };
        let filled = match self.intake.fill(&mut self.scratch, read) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            other => other?.ok_or_else(ended)?,
        };
        self.take(filled, on)?;
        Ok(count)
    }

    fn take(&mut self, filled: Filled, mut on: impl FnMut(Item<'_>)) -> io::Result<()> {
        let mut asked = false;
        self.read += (filled.end - self.intake.carry.len()) as u64;
        self.intake.take(self.protocol, &self.scratch, filled, |item| {
            asked |= item == Item::Ping;
            on(item);
        })?;
        if asked { self.send(PONG) } else { Ok(()) }
    }

    /// Waits until the server has dealt with everything sent so far.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.sync_with(|_| {})
    }

    /// As [`Link::sync`], handing on the payloads that came before the answer.
    pub(crate) fn sync_with(&mut self, mut on: impl FnMut(&[u8])) -> io::Result<()> {
        self.send(PING)?;
        let (mut answered, mut told) = (false, None);
        while !answered {
            self.wait(|item| match item {
                Item::Pong => answered = true,
                Item::Error(text) => told = Some(refused(text)),
                Item::Message { payload, .. } => on(payload),
                Item::Ping | Item::Other => {}
            })?;
            if let Some(error) = told.take() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The socket and what is half read, for a thread that waits for many.
    pub(crate) fn into_parts(self) -> (TcpStream, Intake) {
        (self.stream, self.intake)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    // Which of the two a timed-out read gives depends on the system.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn silent() -> io::Error {
    let text = format!("the server did not answer for {} s", PATIENCE.as_secs());
    io::Error::new(ErrorKind::TimedOut, text)
}

fn ended() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// An error line of the server, as an error of ours.
pub(crate) fn refused(text: &[u8]) -> io::Error {
    io::Error::other(format!("the server said {}", String::from_utf8_lossy(text)))
}
