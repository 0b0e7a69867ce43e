//! The JSON that a server introduces itself with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json::from_object;

/// What a server tells a client about itself, first of all and whenever it changes.
///
/// Fields that are `None`, `false` or empty are left out, except those that clients look for on
/// every server. Unknown fields are ignored, absent ones get their default.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::ServerInfo;
///
/// let info = ServerInfo { headers: true, port: 4222, ..ServerInfo::default() };
/// let line = info.to_line();
/// assert!(line.starts_with(b"INFO {") && line.ends_with(b"} \r\n"));
/// assert!(ServerInfo::from_json(b"[]").is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// Unique for each start of a server.
    pub server_id: String,
    /// The name an operator gave it.
    pub server_name: String,
    /// Must look like a semantic version: clients decide by it what they may use.
    pub version: String,
    /// 1: the server sends INFO at any time, to clients that said they take it.
    pub proto: i32,
    /// The version of the language it is written in; part of the protocol for historical reasons.
    pub go: String,
    /// The address it listens on.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// It speaks headers.
    pub headers: bool,
    /// Largest payload it takes, in bytes, headers included.
    pub max_payload: usize,
    /// What it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// A client must say who it is.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// The client must start TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// The client must show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// The client may start TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// It keeps streams.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// The address the client should know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The number of this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<u64>,
    /// The address it sees the client at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// What a client with a key must sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The name of its cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its JetStream domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Other addresses a client may reconnect to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// The same for WebSocket clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// It is about to stop ("lame duck mode"); clients should move on.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// This INFO tells about the connection, after its first PONG.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account the connection is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_account: Option<String>,
    /// That account is the system's.
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// The level of its JetStream API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_lvl: Option<i64>,
    /// The public key for encrypted authentication calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xkey: Option<String>,
}

impl ServerInfo {
    /// The whole line: `INFO {json} \r\n`.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::{ParseLimits, Progress, ServerInfo, ServerOp, parse_server};
    ///
    /// let info = ServerInfo { server_name: "left".to_owned(), ..ServerInfo::default() };
    /// let line = info.to_line();
    /// let found = parse_server(&line, &ParseLimits::default()).unwrap();
    /// let Progress::Op { op: ServerOp::Info(json), .. } = found else { panic!() };
    /// assert_eq!(ServerInfo::from_json(json).unwrap(), info);
    /// ```
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = b"INFO ".to_vec();
        let json = serde_json::to_string(self).expect("a flat struct; writing to memory");
        line.extend_from_slice(json.as_bytes());
        // The space is nats-server's, and some clients split the line at it.
        line.extend_from_slice(b" \r\n");
        line
    }

    /// Reads the JSON text of an INFO.
    ///
    /// # Errors
    ///
    /// [`InfoError`] if it is no JSON object, or a known field is not of its kind. The server is at
    /// fault.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::ServerInfo;
    ///
    /// assert_eq!(ServerInfo::from_json(br#"{"port":4222}"#)?.port, 4222);
    /// assert!(ServerInfo::from_json(br#"{"port":"4222"}"#).is_err());
    /// # Ok::<(), floodway_wire::nats::InfoError>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self, InfoError> {
        from_object(json).map_err(InfoError)
    }
}

/// Why an INFO could not be read.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::ServerInfo;
///
/// let error = ServerInfo::from_json(b"").unwrap_err();
/// assert!(error.to_string().starts_with("INFO is not what it should be: "));
/// ```
#[derive(Debug)]
pub struct InfoError(serde_json::Error);

impl fmt::Display for InfoError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "INFO is not what it should be: {}", self.0)
    }
}

impl std::error::Error for InfoError {}

fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
