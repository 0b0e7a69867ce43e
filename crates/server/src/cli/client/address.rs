//! Where the server is and who we are there: `nats://[user:pass@|token@]host[:port]`.

use std::fmt;

const DEFAULT_PORT: u16 = 4222;
const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

/// How the client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    None,
    Token(String),
    UserPass { user: String, pass: String },
}

/// A parsed server address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Credentials,
}

/// Why a text is no server address. The texts never repeat what may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddressError {
    Tls,
    Scheme(String),
    Several,
    NoHost,
    Port(String),
    Path,
    Escape,
    Ipv6,
}

impl Address {
    /// Takes the address from the flag, else `FLOODWAY_SERVER`, else `NATS_URL`, else the default.
    pub(crate) fn choose(flag: Option<&str>) -> Result<Address, AddressError> {
        let from_env = || {
            ["FLOODWAY_SERVER", "NATS_URL"]
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
        };
        match flag {
            Some(text) => Address::parse(text),
            None => Address::parse(&from_env().unwrap_or_else(|| DEFAULT_SERVER.to_owned())),
        }
    }

    /// Parses one address; the scheme, the port and the credentials may be left out.
    pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            None => text,
            Some(("nats" | "tcp", rest)) => rest,
            Some(("tls" | "wss", _)) => return Err(AddressError::Tls),
            Some((scheme, _)) => return Err(AddressError::Scheme(scheme.to_owned())),
        };
        // Split at the last '@': passwords with a raw '@' are common, hosts with one impossible.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (Credentials::parse(who)?, place),
            None => (Credentials::None, rest),
        };
        if rest.contains(',') && (place.contains(',') || rest.matches('@').count() > 1) {
            return Err(AddressError::Several);
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(AddressError::Path);
        }
        let (host, port) = split_port(place)?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(AddressError::NoHost);
        }
        Ok(Address { host: host.to_owned(), port, credentials })
    }
}

/// `host:port` only, so that it can be printed: credentials stay out of terminals and logs.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl Credentials {
    fn parse(who: &str) -> Result<Credentials, AddressError> {
        Ok(match who.split_once(':') {
            _ if who.is_empty() => Credentials::None,
            Some((user, pass)) => {
                Credentials::UserPass { user: unescape(user)?, pass: unescape(pass)? }
            }
            None => Credentials::Token(unescape(who)?),
        })
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(place: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Ipv6)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(AddressError::Ipv6),
        }
    } else {
        match place.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(AddressError::Ipv6),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    match port {
        None => Ok((host, DEFAULT_PORT)),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => Err(AddressError::Port(text.to_owned())),
            Ok(port) => Ok((host, port)),
        },
    }
}

/// Resolves `%40` and the like, which URLs need for `@`, `:` and `/` in passwords.
fn unescape(text: &str) -> Result<String, AddressError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(AddressError::Escape);
        };
        // Two hexadecimal digits are at most 255.
        out.push(u8::try_from(high * 16 + low).map_err(|_| AddressError::Escape)?);
    }
    String::from_utf8(out).map_err(|_| AddressError::Escape)
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Tls => {
                write!(f, "TLS is not supported by this client yet; use nats://host:port")
            }
            AddressError::Scheme(scheme) => {
                write!(f, "unknown scheme {scheme:?}: a server is nats://[user:pass@]host[:port]")
            }
            AddressError::Several => write!(f, "several servers are given; name one of them"),
            AddressError::NoHost => {
                write!(f, "the server address has no host: it is nats://[user:pass@]host[:port]")
            }
            AddressError::Port(text) => {
                write!(f, "{text:?} is no port in a server address: use 1 to 65535")
            }
            AddressError::Path => {
                write!(f, "a server address ends with the port (a '/' in a password is %2F)")
            }
            AddressError::Escape => {
                write!(f, "bad %-escape in the credentials of the server address (% itself is %25)")
            }
            AddressError::Ipv6 => {
                write!(f, "an IPv6 server address is written nats://[::1]:{DEFAULT_PORT}")
            }
        }
    }
}
