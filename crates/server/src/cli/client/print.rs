//! Messages as people and programs want to read them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use floodway_wire::nats::Delivered;
use floodway_wire::nats::header::HeaderView;
use serde::Serialize;

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `#1 [subject] payload`, for people; control characters are escaped.
    Human { headers: bool },
    /// The payload's bytes and a line end, nothing else.
    Raw,
    /// One object a line.
    Json,
}

/// How many others a message replaced on its way to us.
const CONFLATED: &str = "Floodway-Conflated";

/// A message as one line of JSON. Every field is always there, so that scripts need not test, but
/// the one that only subscriptions with a policy have.
#[derive(Serialize)]
struct JsonMessage<'a> {
    seq: u64,
    subject: &'a str,
    reply: Option<&'a str>,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflated: Option<u64>,
    #[serde(flatten)]
    payload: JsonPayload<'a>,
}

/// Text as it is; anything else in base64, under another name so that nobody mixes them up.
#[derive(Serialize)]
enum JsonPayload<'a> {
    #[serde(rename = "payload")]
    Text(&'a str),
    #[serde(rename = "payload_base64")]
    Binary(String),
}

/// A status message as one line of JSON.
#[derive(Serialize)]
struct JsonStatus<'a> {
    status: u16,
    text: &'a str,
    subject: &'a str,
    headers: BTreeMap<String, Vec<String>>,
}

/// Prints one message; `seq` counts from 1.
pub(crate) fn message(
    out: &mut impl Write,
    format: Format,
    seq: u64,
    message: &Delivered<'_>,
) -> io::Result<()> {
    match format {
        Format::Raw => {
            out.write_all(message.payload)?;
            out.write_all(b"\n")
        }
        Format::Human { headers } => {
            write!(out, "#{seq} [{}] {}", shown(message.subject), shown(message.payload))?;
            if let Some(reply) = message.reply {
                write!(out, " (reply to {})", shown(reply))?;
            }
            if let Some(replaced) = conflated(message.headers) {
                write!(out, " (+{replaced} conflated)")?;
            }
            writeln!(out)?;
            if headers { header_lines(out, message.headers) } else { Ok(()) }
        }
        Format::Json => {
            let subject = String::from_utf8_lossy(message.subject);
            let reply = message.reply.map(String::from_utf8_lossy);
            let line = JsonMessage {
                seq,
                subject: &subject,
                reply: reply.as_deref(),
                headers: header_map(message.headers),
                conflated: conflated(message.headers),
                payload: match std::str::from_utf8(message.payload) {
                    Ok(text) => JsonPayload::Text(text),
                    Err(_) => JsonPayload::Binary(base64(message.payload)),
                },
            };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        }
    }
}

/// A status message as one line of JSON.
pub(crate) fn json_status(
    out: &mut impl Write,
    (status, text): (u16, &str),
    message: &Delivered<'_>,
) -> io::Result<()> {
    let subject = String::from_utf8_lossy(message.subject);
    let headers = header_map(message.headers);
    serde_json::to_writer(&mut *out, &JsonStatus { status, text, subject: &subject, headers })?;
    out.write_all(b"\n")
}

/// A status message for people: `409 Consumer Too Slow (Floodway-Missed: 12, ...)`.
pub(crate) fn human_status((status, text): (u16, &str), message: &Delivered<'_>) -> String {
    let headers: Vec<String> =
        pairs(message.headers).map(|(key, value)| format!("{key}: {value}")).collect();
    let mut line = format!("status {status}");
    for part in [text, &shown(message.payload)] {
        if !part.is_empty() {
            line.push(' ');
            line.push_str(part);
        }
    }
    if !headers.is_empty() {
        line.push_str(&format!(" ({})", headers.join(", ")));
    }
    line
}

/// Each header on an indented line of its own.
pub(crate) fn header_lines(out: &mut impl Write, headers: &[u8]) -> io::Result<()> {
    pairs(headers).try_for_each(|(key, value)| writeln!(out, "    {key}: {value}"))
}

/// How many messages this one replaced, if it says so.
pub(crate) fn conflated(headers: &[u8]) -> Option<u64> {
    header_value(headers, CONFLATED)?.parse().ok()
}

/// The value of the first header of this name, whatever its case.
pub(crate) fn header_value(headers: &[u8], name: &str) -> Option<String> {
    let mut fields = HeaderView::new(headers);
    let (_, value) = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(shown(value.as_bytes()))
}

/// Text for a terminal: what could steer it (escape sequences, bells) is escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.escape_ascii().to_string();
    };
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\n' && letter != '\t' {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

fn header_map(headers: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in HeaderView::new(headers) {
        map.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    map
}

/// Header fields, safe to print.
fn pairs(headers: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    HeaderView::new(headers).map(|(key, value)| (shown(key.as_bytes()), shown(value.as_bytes())))
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            // Three bytes fill four letters, two fill three, one fills two; '=' is the rest.
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}
