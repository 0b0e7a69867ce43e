//! A connection of the demo that reads no more than it is told to.
//!
//! The client of the other commands reads as fast as it can into a large buffer, and so does the
//! kernel for it; a slow reader has to be slow in both.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use floodway_broker::API_SUBSCRIBE;
use floodway_wire::nats::{
    ConnectOptions, PING_LINE, PONG_LINE, ParseLimits, Progress, ServerInfo, ServerOp,
    encode_connect, encode_pub, encode_sub, encode_unsub, parse_server,
};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use serde_json::Value;

use crate::cli::client::failure::Failure;
use crate::cli::client::{ANSWER_WAIT, ClientError, new_inbox, printable};

/// How long one read waits: a loop that reads looks that often what else there is to do.
const READ_WAIT: Duration = Duration::from_millis(20);
/// A server that takes no byte for this long is given up.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// The name of the subscription whose messages are counted.
const SID: &[u8] = b"1";
/// The name of the one that the control request is answered on.
const CONTROL: &[u8] = b"control";

/// A connection that the server has accepted.
pub(super) struct Link {
    stream: TcpStream,
    /// The server's number for it.
    id: u64,
    /// Read and not yet parsed.
    inbound: Vec<u8>,
    /// Encoded operations that the next flush writes.
    pub(super) out: Vec<u8>,
}

impl Link {
    /// Connects as `name`. With `receive_buffer` the kernel keeps little more than that many bytes
    /// unread, so that a slow reader is slow for the server, too.
    pub(super) fn open(
        addr: SocketAddr,
        name: &str,
        receive_buffer: Option<usize>,
    ) -> Result<Link, ClientError> {
        let failed = |error| ClientError::Connect { address: addr.to_string(), error };
        let stream = open_stream(addr, receive_buffer).map_err(failed)?;
        let mut link = Link { stream, id: 0, inbound: Vec::new(), out: Vec::new() };
        link.greet(addr)?;
        let options = ConnectOptions {
            verbose: Some(false),
            pedantic: Some(false),
            echo: Some(true),
            name: Some(name.to_owned()),
            lang: Some("rust".to_owned()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            protocol: Some(1),
            headers: Some(true),
            no_responders: Some(true),
            ..ConnectOptions::default()
        };
        encode_connect(&mut link.out, &options);
        link.confirm()?;
        Ok(link)
    }

    /// The server's number for it, as on its status pages.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Subscribes to `filter`; on return the server has done it.
    pub(super) fn subscribe(&mut self, filter: &str) -> Result<(), ClientError> {
        encode_sub(&mut self.out, filter.as_bytes(), None, SID);
        self.confirm()
    }

    /// Subscribes as `request` says, the JSON of a control request without its deliver subject.
    pub(super) fn subscribe_as(&mut self, mut request: Value) -> Result<(), Failure> {
        let deliver = new_inbox();
        request["deliver"] = Value::from(deliver.as_str());
        let (reply, question) = (new_inbox(), request.to_string());
        encode_sub(&mut self.out, reply.as_bytes(), None, CONTROL);
        let subject = API_SUBSCRIBE.as_bytes();
        encode_pub(&mut self.out, subject, Some(reply.as_bytes()), question.as_bytes());
        self.flush()?;
        let answer = self.wait_for(|op| match op {
            ServerOp::Message(message) if message.sid == CONTROL => Some(message.payload.to_vec()),
            _ => None,
        })?;
        let answer: Value = serde_json::from_slice(&answer).map_err(Failure::failed)?;
        if answer["ok"] != true {
            let error = &answer["error"];
            return Err(Failure::Failed(format!("the subscription was refused: {error}")));
        }
        encode_unsub(&mut self.out, CONTROL, None);
        Ok(self.subscribe(&deliver)?)
    }

    /// Waits until the server has carried out everything sent before.
    pub(super) fn confirm(&mut self) -> Result<(), ClientError> {
        self.out.extend_from_slice(PING_LINE);
        self.flush()?;
        self.wait_for(|op| matches!(op, ServerOp::Pong).then_some(()))
    }

    /// Writes what was encoded.
    pub(super) fn flush(&mut self) -> Result<(), ClientError> {
        let written = self.stream.write_all(&self.out);
        self.out.clear();
        written.map_err(|error| if is_wait(&error) { ClientError::Stuck } else { lost(error) })
    }

    /// Reads once, at most `most` bytes, and hands every whole operation to `each`. False if
    /// nothing came for a moment. PING is answered and not shown.
    pub(super) fn read(
        &mut self,
        most: usize,
        mut each: impl FnMut(&ServerOp<'_>),
    ) -> Result<bool, ClientError> {
        let known = self.inbound.len();
        self.inbound.resize(known + most, 0);
        let read = self.stream.read(&mut self.inbound[known..]);
        self.inbound.truncate(known + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Err(ClientError::Closed),
            Ok(_) => {}
            Err(error) if is_wait(&error) => return Ok(false),
            Err(error) => return Err(lost(error)),
        }
        let mut used_up = 0;
        loop {
            match parse_server(&self.inbound[used_up..], &ParseLimits::default()) {
                Ok(Progress::Op { op, used }) => {
                    used_up += used;
                    match op {
                        ServerOp::Ping => self.out.extend_from_slice(PONG_LINE),
                        op => each(&op),
                    }
                }
                Ok(Progress::More { .. }) => break,
                Err(_) => return Err(ClientError::Nonsense),
            }
        }
        self.inbound.drain(..used_up);
        self.flush()?;
        Ok(true)
    }

    fn greet(&mut self, addr: SocketAddr) -> Result<(), ClientError> {
        let json = self.wait_for(|op| match op {
            ServerOp::Info(json) => Some(json.to_vec()),
            _ => None,
        })?;
        let stranger = || ClientError::NotNats { address: addr.to_string() };
        let info = ServerInfo::from_json(&json).map_err(|_| stranger())?;
        self.id = info.client_id.ok_or_else(stranger)?;
        Ok(())
    }

    /// Reads until `wanted` finds what it looks for; everything else is passed over.
    fn wait_for<T>(
        &mut self,
        mut wanted: impl FnMut(&ServerOp<'_>) -> Option<T>,
    ) -> Result<T, ClientError> {
        let started = Instant::now();
        let (mut found, mut refusal) = (None, None);
        while started.elapsed() < ANSWER_WAIT {
            self.read(4096, |op| match op {
                ServerOp::Err(text) => refusal = Some(printable(text)),
                op => found = found.take().or_else(|| wanted(op)),
            })?;
            if let Some(text) = refusal {
                return Err(ClientError::Server(text));
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(ClientError::NoPong(ANSWER_WAIT))
    }
}

fn open_stream(addr: SocketAddr, receive_buffer: Option<usize>) -> io::Result<TcpStream> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family, SocketType::STREAM, None)?;
    if let Some(bytes) = receive_buffer {
        // Only before connecting does it bound the window that is offered to the server.
        sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
    }
    connect(&fd, &addr)?;
    let stream = TcpStream::from(fd);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_WAIT))?;
    stream.set_write_timeout(Some(WRITE_WAIT))?;
    Ok(stream)
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn lost(error: io::Error) -> ClientError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ClientError::Closed,
        _ => ClientError::Io(error),
    }
}
