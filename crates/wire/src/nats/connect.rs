//! The JSON that a client introduces itself with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json::from_object;

/// What a client said about itself in CONNECT, raw: nothing is checked but the JSON.
///
/// Unknown fields are ignored, absent ones are `None`. What an absent one means is the session's
/// business: a server takes `verbose`, `pedantic` and `echo` for true then.
///
/// `Debug` does not show secrets, so it may go to a log.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::ConnectOptions;
///
/// let options = ConnectOptions::from_json(br#"{"verbose":false,"pass":"s3cret","x":1}"#)?;
/// assert_eq!((options.verbose, options.echo), (Some(false), None));
/// assert!(!format!("{options:?}").contains("s3cret"));
/// assert!(ConnectOptions::from_json(br#"{"verbose":"no"}"#).is_err());
/// # Ok::<(), floodway_wire::nats::ConnectError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectOptions {
    /// Answer each operation with `+OK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbose: Option<bool>,
    /// Check publish subjects strictly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pedantic: Option<bool>,
    /// Deliver the client's own messages back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// The client insists on TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_required: Option<bool>,
    /// A token, instead of a user and a password. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// A signed statement of who the user is. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// The public key that `sig` is checked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<String>,
    /// The signature over the server's nonce. Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
    /// What the application calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of the client library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The version of the client library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// 0, or 1 for a client that takes INFO at any time. Other values are kept for the session to
    /// refuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<i64>,
    /// The client speaks headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<bool>,
    /// The client wants to hear when nobody is there to answer a request. Needs `headers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_responders: Option<bool>,
    /// The account to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Make that account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_account: Option<bool>,
}

impl ConnectOptions {
    /// Reads the JSON text of a CONNECT.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if it is no JSON object, or a known field is not of its kind. The client is
    /// at fault; a server then closes the connection without `-ERR`.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::ConnectOptions;
    ///
    /// assert_eq!(ConnectOptions::from_json(br#"{"lang":"go"}"#)?.lang.as_deref(), Some("go"));
    /// assert!(ConnectOptions::from_json(b"").is_err());
    /// # Ok::<(), floodway_wire::nats::ConnectError>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self, ConnectError> {
        from_object(json).map_err(ConnectError)
    }

    /// Writes the JSON text for a CONNECT, without the fields that are `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::ConnectOptions;
    ///
    /// let options = ConnectOptions { echo: Some(false), ..ConnectOptions::default() };
    /// assert_eq!(options.to_json(), r#"{"echo":false}"#);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a flat struct of strings, numbers and booleans")
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.clone();
        for secret in [&mut shown.auth_token, &mut shown.pass, &mut shown.jwt, &mut shown.sig] {
            if secret.is_some() {
                *secret = Some("hidden".to_owned());
            }
        }
        write!(out, "ConnectOptions {}", shown.to_json())
    }
}

/// Why a CONNECT could not be read.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::ConnectOptions;
///
/// let error = ConnectOptions::from_json(b"{").unwrap_err();
/// assert!(error.to_string().starts_with("CONNECT is not what it should be: "));
/// ```
#[derive(Debug)]
pub struct ConnectError(serde_json::Error);

impl fmt::Display for ConnectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CONNECT is not what it should be: {}", self.0)
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests;
