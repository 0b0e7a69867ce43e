//! A NATS client that knows nothing but bytes: what the tests see is what the server wrote.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for something that must happen before it calls it a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One thing the server wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Info(String),
    Message(Message),
    Ping,
    Pong,
    Ok,
    Error(String),
    Closed,
}

/// A `MSG` or `HMSG`, split up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) sid: String,
    pub(crate) reply: Option<String>,
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// One connection; reads go through a buffer so that large streams stay cheap in debug builds.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    is_cut_allowed: bool,
    /// The INFO line's JSON.
    pub(crate) info: serde_json::Value,
}

impl Client {
    /// Connects and reads INFO.
    pub(crate) fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("the server accepts");
        Client::over(stream)
    }

    /// Goes on with a stream that the caller connected (to set socket options first).
    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let info = serde_json::Value::Null;
        let mut client =
            Client { stream, buffer: Vec::new(), start: 0, is_cut_allowed: false, info };
        let line = client.read_line().expect("INFO comes first");
        let json = line.strip_prefix("INFO ").expect("INFO comes first");
        // The space before CRLF is part of the wire format; some clients split on it.
        assert!(json.ends_with(' '), "INFO without the space before CRLF: {line:?}");
        client.info = serde_json::from_str(json).expect("INFO carries JSON");
        client
    }

    /// Connects and introduces itself; on return the server has processed the CONNECT.
    pub(crate) fn hello(addr: SocketAddr, connect_json: &str) -> Client {
        let mut client = Client::connect(addr);
        client.send(format!("CONNECT {connect_json}\r\nPING\r\n").as_bytes());
        client.expect(b"PONG\r\n");
        client
    }

    /// The usual quiet client with headers and no-responders.
    pub(crate) fn ready(addr: SocketAddr) -> Client {
        Client::hello(
            addr,
            concat!(
                "{\"verbose\":false,\"pedantic\":false,\"protocol\":1,",
                "\"headers\":true,\"no_responders\":true}"
            ),
        )
    }

    /// The stream may end inside a line: of a client that is cut off while it does not read.
    pub(crate) fn allow_cut(&mut self) {
        self.is_cut_allowed = true;
    }

    pub(crate) fn cid(&self) -> u64 {
        self.info["client_id"].as_u64().expect("INFO has client_id")
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Sends what it can: the server may rightly have closed already.
    pub(crate) fn send_if_open(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&self) {
        // The server may have closed first, which is an error here and fine for the caller.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads once into the buffer; false at the end of the stream.
    fn fill(&mut self) -> bool {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 1 << 20 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let mut chunk = [0_u8; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            // A server that closes with our bytes unread resets the connection; what it had
            // written before is delivered all the same, so for a reader this is the end.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
            Err(error) => panic!(
                "nothing came for {PATIENCE:?} ({error}); unread so far: {:?}",
                String::from_utf8_lossy(&self.buffer[self.start..])
            ),
        }
    }

    /// Exactly these bytes come next. A server PING between lines is let pass: when it comes is
    /// the server's business.
    pub(crate) fn expect(&mut self, wanted: &[u8]) {
        let mut matched = 0;
        while matched < wanted.len() {
            let unread = &self.buffer[self.start..];
            let is_at_line = matched == 0 || wanted[..matched].ends_with(b"\r\n");
            let next = &wanted[matched..];
            if is_at_line && unread.starts_with(b"PING\r\n") && !next.starts_with(b"PING\r\n") {
                self.start += 6;
                continue;
            }
            // Line by line, so that a PING can be told from a wrong byte.
            let line =
                next.windows(2).position(|two| two == b"\r\n").map_or(next.len(), |at| at + 2);
            let wrong = || {
                format!(
                    "expected {:?}, then {:?}; got {:?}",
                    String::from_utf8_lossy(&wanted[..matched]),
                    String::from_utf8_lossy(next),
                    String::from_utf8_lossy(unread)
                )
            };
            if unread.len() >= line {
                assert!(unread[..line] == next[..line], "{}", wrong());
                self.start += line;
                matched += line;
            } else {
                let is_prefix = next.starts_with(unread) || b"PING\r\n".starts_with(unread);
                assert!(is_prefix, "{}", wrong());
                let report = wrong();
                assert!(self.fill(), "the server closed; {report}");
            }
        }
    }

    /// Nothing but the end of the stream comes.
    pub(crate) fn expect_closed(&mut self) {
        while self.fill() {}
        let rest = String::from_utf8_lossy(&self.buffer[self.start..]).into_owned();
        let rest = rest.replace("PING\r\n", "");
        assert!(rest.is_empty(), "expected the end, got {rest:?}");
    }

    /// A round trip: all that was sent before has been processed, and nothing else came back.
    pub(crate) fn ping(&mut self) {
        self.send(b"PING\r\n");
        self.expect(b"PONG\r\n");
    }

    /// One line without its CRLF, or None at the end.
    pub(crate) fn read_line(&mut self) -> Option<String> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(at) = unread[searched..].iter().position(|&byte| byte == b'\n') {
                let line = &unread[..searched + at];
                let text = line.strip_suffix(b"\r").expect("the server ends lines with CRLF");
                let text = String::from_utf8_lossy(text).into_owned();
                self.start += searched + at + 1;
                return Some(text);
            }
            searched = unread.len();
            if !self.fill() {
                let rest = self.buffer.len() - self.start;
                assert!(
                    rest == 0 || self.is_cut_allowed,
                    "the stream ends inside a line ({rest} bytes)"
                );
                return None;
            }
            // `fill` may have moved the unread part to the front; its length only grew.
        }
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() - self.start < count {
            if !self.fill() {
                return None;
            }
        }
        let taken = self.buffer[self.start..self.start + count].to_vec();
        self.start += count;
        Some(taken)
    }

    /// The next thing the server says. A stream that ends inside a message counts as closed:
    /// the server may be killed at any byte.
    pub(crate) fn event(&mut self) -> Event {
        let Some(line) = self.read_line() else { return Event::Closed };
        if let Some(rest) = line.strip_prefix("MSG ") {
            return self.message(rest, false).map_or(Event::Closed, Event::Message);
        }
        if let Some(rest) = line.strip_prefix("HMSG ") {
            return self.message(rest, true).map_or(Event::Closed, Event::Message);
        }
        if let Some(json) = line.strip_prefix("INFO ") {
            return Event::Info(json.trim_end().to_owned());
        }
        if let Some(text) = line.strip_prefix("-ERR '") {
            return Event::Error(text.strip_suffix('\'').expect("a closing quote").to_owned());
        }
        match line.as_str() {
            "PING" => Event::Ping,
            "PONG" => Event::Pong,
            "+OK" => Event::Ok,
            other => panic!("the server wrote a line that is none: {other:?}"),
        }
    }

    fn message(&mut self, arguments: &str, has_headers: bool) -> Option<Message> {
        let words: Vec<&str> = arguments.split(' ').collect();
        let sizes = if has_headers { 2 } else { 1 };
        let reply = match words.len() - sizes {
            2 => None,
            3 => Some(words[2].to_owned()),
            _ => panic!("wrong number of words: {arguments:?}"),
        };
        let size = |back: usize| words[words.len() - back].parse::<usize>().expect("a size");
        let total = size(1);
        let header_len = if has_headers { size(2) } else { 0 };
        let mut headers = self.take(total + 2)?;
        assert!(headers.ends_with(b"\r\n"), "the payload of {arguments:?} lacks its CRLF");
        headers.truncate(total);
        let payload = headers.split_off(header_len);
        let (subject, sid) = (words[0].to_owned(), words[1].to_owned());
        Some(Message { subject, sid, reply, headers, payload })
    }

    /// The next message; server PINGs on the way are answered, other lines fail the test.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        loop {
            match self.event() {
                Event::Message(message) => return Some(message),
                Event::Ping => _ = self.send_if_open(b"PONG\r\n"),
                Event::Closed => return None,
                Event::Info(_) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// Subscribes and waits until the server has it.
    pub(crate) fn subscribe(&mut self, subject: &str, sid: &str) {
        self.send(format!("SUB {subject} {sid}\r\n").as_bytes());
        self.ping();
    }

    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.send(&publish_bytes(subject, payload));
    }
}

/// `PUB` as bytes.
pub(crate) fn publish_bytes(subject: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("PUB {subject} {}\r\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Connects with a receive buffer of about `bytes`, so that what is not read waits in the server.
pub(crate) fn connect_with_receive_buffer(addr: SocketAddr, bytes: usize) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    // Only before connecting does it bound the window that is offered to the server.
    sockopt::set_socket_recv_buffer_size(&fd, bytes).expect("a buffer size");
    connect(&fd, &addr).expect("the server accepts");
    TcpStream::from(fd)
}
