//! Gets a page from the status pages of a server: one request, one connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::cli::client::failure::Failure;

const DEFAULT_PORT: u16 = 8222;
/// For the connection, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer: ten thousand rows of a kilobyte in each list, with room to spare.
const ANSWER_MAX: u64 = 64 << 20;

/// Where the status pages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    host: String,
    port: u16,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum FetchError {
    Connect {
        site: Site,
        error: io::Error,
    },
    Lost {
        site: Site,
        error: io::Error,
    },
    /// What answers is no status page of ours.
    NotFloodway {
        site: Site,
        why: String,
    },
    /// The server understood and refused.
    Refused {
        site: Site,
        why: String,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { site, error } => {
                write!(f, "cannot connect to {site}: {error}")?;
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    write!(f, "; is the server running with its status pages on? Start it with")?;
                    write!(f, " floodway serve --http {}", site.place())?;
                }
                Ok(())
            }
            Self::Lost { site, error } => write!(f, "no answer from {site}: {error}"),
            Self::NotFloodway { site, why } => {
                write!(f, "{site} has no status pages of a floodway server ({why})")
            }
            Self::Refused { site, why } => write!(f, "{site} refused the request: {why}"),
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        Failure::failed(error)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.place())
    }
}

impl Site {
    /// Checks an address as typed: `http://host[:port]`, the scheme may be left out.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::usage(format!("--http {text:?}: {why}"));
        let rest = match text.trim().split_once("://") {
            None => text.trim(),
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong("only http:// is possible")),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains(['/', '?', '#', '@']) || place.contains(char::is_whitespace) {
            return Err(wrong("write http://host:port, without a path"));
        }
        let after_host = place.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match place[after_host..].rfind(':') {
            Some(at) => (&place[..after_host + at], Some(&place[after_host + at + 1..])),
            None => (place, None),
        };
        let port = match port.map(str::parse) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(wrong("the port is a number from 1 to 65535")),
        };
        let host = host.strip_prefix('[').map_or(host, |host| host.trim_end_matches(']'));
        match host.is_empty() {
            true => Err(wrong("there is no host in it")),
            false => Ok(Self { host: host.to_owned(), port }),
        }
    }

    fn place(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The body of the page at `target`.
    pub(super) fn get(&self, target: &str) -> Result<String, FetchError> {
        let stream =
            self.connect().map_err(|error| FetchError::Connect { site: self.clone(), error })?;
        let answer = self
            .exchange(stream, target)
            .map_err(|error| FetchError::Lost { site: self.clone(), error })?;
        let (status, body) =
            split(&answer).ok_or_else(|| self.foreign("it does not speak HTTP"))?;
        match status {
            200 => Ok(body.to_owned()),
            400 => Err(FetchError::Refused { site: self.clone(), why: wrong_parameter(body) }),
            status => Err(self.foreign(&format!("its answer to {target} is {status}"))),
        }
    }

    pub(super) fn foreign(&self, why: &str) -> FetchError {
        FetchError::NotFloodway { site: self.clone(), why: why.to_owned() }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for addr in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&addr, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn exchange(&self, mut stream: TcpStream, target: &str) -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        let place = self.place();
        let request =
            format!("GET {target} HTTP/1.0\r\nHost: {place}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        if stream.take(ANSWER_MAX).read_to_end(&mut answer)? as u64 == ANSWER_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer has no end"));
        }
        Ok(answer)
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<(u16, &str)> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some((status, body))
}

/// What the server says of a parameter, in one line.
fn wrong_parameter(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let part = |name: &str| answer["error"][name].as_str().unwrap_or("?").to_owned();
    format!("{}: {}; expected {}", part("parameter"), part("problem"), part("expected"))
}
