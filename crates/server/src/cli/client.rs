//! A lean blocking NATS client for the command line, against any NATS server.
//!
//! One socket, one thread, no background work: [`Client::poll`] reads once, hands every whole
//! operation to a closure as borrowed bytes, answers the server's PING, and writes what was queued
//! in [`Client::out`] meanwhile. Nothing is copied or allocated per message, because `bench` runs
//! millions of messages a second through this loop.

pub(crate) mod address;
mod error;
pub(crate) mod failure;
pub(crate) mod interrupt;
pub(crate) mod pace;
pub(crate) mod payload;
pub(crate) mod print;
pub(crate) mod subject;

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use floodway_wire::nats::{
    ConnectOptions, ParseLimits, Progress, ServerInfo, ServerOp, encode_connect, parse_server,
};

use address::{Address, Credentials};
pub(crate) use error::ClientError;
use failure::Failure;

/// Bytes queued before a caller that writes in bulk should flush: large enough that the system
/// call no longer counts, small enough to stay in the cache.
pub(crate) const WRITE_BATCH: usize = 64 * 1024;

/// How long a PONG may take.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How often a loop that waits for messages looks whether it was interrupted.
pub(crate) const TICK: Duration = Duration::from_millis(100);

const READ_BUFFER: usize = 256 * 1024;

/// A server that takes no byte for this long is given up; a paced publisher may well wait seconds.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// What we accept from a server: INFO lists every node of a cluster, and 64 MiB is the largest
/// payload that any NATS server can be configured for.
const LIMITS: ParseLimits = ParseLimits { control_line: 256 * 1024, payload: 64 * 1024 * 1024 };

/// The options of every command that connects.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectArgs {
    /// Server to use, as nats://[user:pass@|token@]host[:port] [default: $FLOODWAY_SERVER, else
    /// $NATS_URL, else nats://127.0.0.1:4222].
    #[arg(short = 's', long, value_name = "URL", help_heading = "Connection")]
    pub(crate) server: Option<String>,

    /// How long connecting may take, e.g. 500ms or 5s.
    #[arg(long, value_name = "TIME", default_value = "2s", help_heading = "Connection",
          value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,
}

impl ConnectArgs {
    /// Connects under these options.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        if self.connect_timeout.is_zero() {
            return Err(Failure::usage("--connect-timeout must be more than 0"));
        }
        let address = Address::choose(self.server.as_deref())?;
        Ok(Client::connect(&address, self.connect_timeout)?)
    }
}

/// What one [`Client::poll`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// Nothing came in time.
    Idle,
    /// Bytes came, and every whole operation among them was handled.
    Worked,
    /// The closure broke off; the rest waits for the next poll.
    Stopped,
}

/// A connection that has been accepted by the server.
pub(crate) struct Client {
    stream: TcpStream,
    address: Address,
    info: ServerInfo,
    /// Encoded operations that the next flush or poll writes.
    pub(crate) out: Vec<u8>,
    inbound: Inbound,
    /// The socket's read timeout, kept to save a system call for each poll.
    read_wait: Option<Duration>,
}

/// Bytes read and not yet parsed: `buffer[start..end]`.
struct Inbound {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whole operations may be waiting, because a closure broke off.
    unfinished: bool,
    /// Input bytes that the operation at the front is known to need.
    needed: usize,
}

impl Client {
    /// Connects, authenticates, and waits until the server has accepted us.
    pub(crate) fn connect(address: &Address, timeout: Duration) -> Result<Client, ClientError> {
        let deadline = Instant::now() + timeout;
        let stream = open(address, timeout)?;
        let setup = |error| ClientError::Connect { address: address.to_string(), error };
        // Batching is ours; Nagle would only add 40 ms to the last message of each.
        stream.set_nodelay(true).map_err(setup)?;
        stream.set_write_timeout(Some(Duration::from_secs(1))).map_err(setup)?;
        let mut client = Client {
            stream,
            address: address.clone(),
            info: ServerInfo::default(),
            out: Vec::with_capacity(WRITE_BATCH),
            inbound: Inbound::new(),
            read_wait: None,
        };
        client.info = client.greeting(deadline)?;
        if client.info.tls_required {
            return Err(ClientError::TlsRequired { address: address.to_string() });
        }
        let options = connect_options(&address.credentials, &client.info);
        encode_connect(&mut client.out, &options);
        client.confirm(deadline.saturating_duration_since(Instant::now())).map_err(|error| {
            match error {
                ClientError::Server(text) => {
                    ClientError::Refused { address: address.clone(), text }
                }
                other => other,
            }
        })?;
        Ok(client)
    }

    /// Where we are connected to, for people.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// What the server said about itself.
    pub(crate) fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Writes everything queued. Waits as long as the server keeps taking bytes.
    ///
    /// # Errors
    ///
    /// When the connection is lost, with the server's last words if it had any.
    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        let mut written = 0;
        let mut last_progress = Instant::now();
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(0) => return Err(self.last_words(ClientError::Closed)),
                Ok(count) => {
                    written += count;
                    last_progress = Instant::now();
                }
                Err(error) if is_wait(&error) => {
                    if last_progress.elapsed() > WRITE_PATIENCE {
                        return Err(ClientError::Stuck);
                    }
                }
                Err(error) => return Err(self.last_words(lost(error))),
            }
        }
        self.out.clear();
        Ok(())
    }

    /// Flushes, reads once (waiting up to `wait`; zero looks without waiting), and hands each whole
    /// operation to `each` together with the output buffer. PING is answered here and not shown.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or what came is not the NATS protocol.
    pub(crate) fn poll<F>(&mut self, wait: Duration, mut each: F) -> Result<Polled, ClientError>
    where
        F: FnMut(&mut Vec<u8>, ServerOp<'_>) -> ControlFlow<()>,
    {
        self.flush()?;
        if !self.inbound.unfinished && !self.fill(wait)? {
            return Ok(Polled::Idle);
        }
        let flow = self.inbound.dispatch(&mut self.out, &mut each)?;
        self.flush()?;
        Ok(if flow.is_break() { Polled::Stopped } else { Polled::Worked })
    }

    /// Sends PING and waits for the PONG: everything sent before has then been handled.
    /// Messages that come meanwhile are dropped, so it is for connections that expect none.
    ///
    /// # Errors
    ///
    /// [`ClientError::Server`] if the server answered anything sent so far with `-ERR`.
    pub(crate) fn confirm(&mut self, wait: Duration) -> Result<(), ClientError> {
        self.out.extend_from_slice(b"PING\r\n");
        let deadline = Instant::now() + wait;
        let (mut refusal, mut ponged) = (None, false);
        while !ponged {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(refusal.map_or(ClientError::NoPong(wait), ClientError::Server));
            }
            let polled = self.poll(left, |_, op| {
                match op {
                    ServerOp::Pong => ponged = true,
                    ServerOp::Err(text) => {
                        refusal.get_or_insert_with(|| printable(text));
                    }
                    _ => {}
                }
                if ponged { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match (polled, &refusal) {
                // The refusal says more than the end of the connection that follows it.
                (Err(_), Some(text)) => return Err(ClientError::Server(text.clone())),
                (Err(error), None) => return Err(error),
                (Ok(_), _) => {}
            }
        }
        refusal.map_or(Ok(()), |text| Err(ClientError::Server(text)))
    }

    /// Answers PING and looks for `-ERR` without waiting; bulk publishers call it now and then.
    ///
    /// # Errors
    ///
    /// [`ClientError::Server`] if there was an `-ERR`; else as [`Client::poll`].
    pub(crate) fn look(&mut self) -> Result<(), ClientError> {
        let mut refusal = None;
        self.poll(Duration::ZERO, |_, op| {
            if let ServerOp::Err(text) = op {
                refusal.get_or_insert_with(|| printable(text));
            }
            ControlFlow::Continue(())
        })?;
        refusal.map_or(Ok(()), |text| Err(ClientError::Server(text)))
    }

    /// Reads the INFO line that every NATS server starts with.
    fn greeting(&mut self, deadline: Instant) -> Result<ServerInfo, ClientError> {
        let stranger = |address: &Address| ClientError::NotNats { address: address.to_string() };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.fill(left)? {
                return Err(stranger(&self.address));
            }
            match parse_server(self.inbound.unparsed(), &LIMITS) {
                Ok(Progress::Op { op: ServerOp::Info(json), used }) => {
                    let info = ServerInfo::from_json(json);
                    self.inbound.start += used;
                    self.inbound.unfinished = true;
                    return info.map_err(|_| stranger(&self.address));
                }
                Ok(Progress::Op { op: ServerOp::Err(text), .. }) => {
                    let (address, text) = (self.address.clone(), printable(text));
                    return Err(ClientError::Refused { address, text });
                }
                Ok(Progress::More { .. }) => {}
                Ok(Progress::Op { .. }) | Err(_) => return Err(stranger(&self.address)),
            }
        }
    }

    /// Reads once into the buffer; false if nothing came in time.
    fn fill(&mut self, wait: Duration) -> Result<bool, ClientError> {
        let room = self.inbound.room();
        let read = if wait.is_zero() {
            self.stream.set_nonblocking(true).map_err(lost)?;
            let read = self.stream.read(room);
            self.stream.set_nonblocking(false).map_err(lost)?;
            read
        } else {
            if self.read_wait != Some(wait) {
                self.stream.set_read_timeout(Some(wait)).map_err(lost)?;
                self.read_wait = Some(wait);
            }
            self.stream.read(room)
        };
        match read {
            Ok(0) => Err(ClientError::Closed),
            Ok(count) => {
                self.inbound.end += count;
                Ok(true)
            }
            Err(error) if is_wait(&error) => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    /// After a failed write: the server may have said why before it hung up.
    fn last_words(&mut self, otherwise: ClientError) -> ClientError {
        let mut words = None;
        while let Ok(true) = self.fill(TICK) {
            let flow = self.inbound.dispatch(&mut Vec::new(), &mut |_, op| {
                if let ServerOp::Err(text) = op {
                    words = Some(printable(text));
                }
                ControlFlow::Continue(())
            });
            if flow.is_err() {
                break;
            }
        }
        words.map_or(otherwise, ClientError::Server)
    }
}

impl Inbound {
    fn new() -> Inbound {
        Inbound { buffer: vec![0; READ_BUFFER], start: 0, end: 0, unfinished: false, needed: 0 }
    }

    fn unparsed(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Free space to read into: the rest is moved to the front, and the buffer grows only for an
    /// operation that is larger than it.
    fn room(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let needed = self.needed.max(self.end + 1);
        if self.buffer.len() < needed {
            self.buffer.resize(needed.next_power_of_two(), 0);
        }
        &mut self.buffer[self.end..]
    }

    fn dispatch<F>(
        &mut self,
        out: &mut Vec<u8>,
        each: &mut F,
    ) -> Result<ControlFlow<()>, ClientError>
    where
        F: FnMut(&mut Vec<u8>, ServerOp<'_>) -> ControlFlow<()>,
    {
        self.unfinished = false;
        while self.start < self.end {
            let input = &self.buffer[self.start..self.end];
            let (flow, used) = match parse_server(input, &LIMITS) {
                Err(_) => return Err(ClientError::Nonsense),
                Ok(Progress::More { needed }) => {
                    self.needed = needed;
                    return Ok(ControlFlow::Continue(()));
                }
                Ok(Progress::Op { op: ServerOp::Ping, used }) => {
                    out.extend_from_slice(b"PONG\r\n");
                    (ControlFlow::Continue(()), used)
                }
                Ok(Progress::Op { op, used }) => (each(out, op), used),
            };
            self.start += used;
            if flow.is_break() {
                self.unfinished = self.start < self.end;
                return Ok(flow);
            }
        }
        self.needed = 0;
        Ok(ControlFlow::Continue(()))
    }
}

fn open(address: &Address, timeout: Duration) -> Result<TcpStream, ClientError> {
    let failed = |error| ClientError::Connect { address: address.to_string(), error };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for place in (address.host.as_str(), address.port).to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&place, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn connect_options(credentials: &Credentials, info: &ServerInfo) -> ConnectOptions {
    let mut options = ConnectOptions {
        verbose: Some(false),
        pedantic: Some(false),
        echo: Some(true),
        tls_required: Some(false),
        name: Some("floodway-cli".to_owned()),
        lang: Some("rust".to_owned()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        protocol: Some(1),
        headers: Some(true),
        // A server without headers refuses the connection if it is asked for this.
        no_responders: Some(info.headers),
        ..ConnectOptions::default()
    };
    match credentials {
        Credentials::None => {}
        Credentials::Token(token) => options.auth_token = Some(token.clone()),
        Credentials::UserPass { user, pass } => {
            options.user = Some(user.clone());
            options.pass = Some(pass.clone());
        }
    }
    options
}

/// A reply subject that nobody else has: 128 random bits from the hasher seeds of the process.
pub(crate) fn new_inbox() -> String {
    let word = || RandomState::new().hash_one(std::process::id());
    format!("_INBOX.{:016x}{:016x}", word(), word())
}

/// Text from the wire as one printable line.
pub(crate) fn printable(text: &[u8]) -> String {
    text.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

fn lost(error: io::Error) -> ClientError {
    match error.kind() {
        // A server that hangs up on unread input shows as a reset; to a person both are one.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ClientError::Closed,
        _ => ClientError::Io(error),
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
