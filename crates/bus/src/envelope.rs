//! What a message is published with besides its payload.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::headers;
use crate::message::Message;
use crate::payload::Carried;

/// The subject of a message, and, if it has them, the subject for answers and its attributes.
///
/// Wherever a message is published, the subject alone will do.
///
/// # Examples
///
/// ```
/// use floodway::{Bus, Envelope, Filter, SubscribeOptions};
/// let bus = Bus::default();
/// let trades = bus.subscribe(&Filter::new("trades.>")?, SubscribeOptions::default())?;
/// bus.publish(Envelope::to("trades.ACME").header("venue", "XETRA"), "100@17.05")?;
/// bus.publish("trades.INIT", "5@99.10")?;
/// assert_eq!(trades.recv()?.tags().get("venue"), Some(&b"XETRA"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub(crate) subject: Cow<'a, [u8]>,
    pub(crate) reply: Option<Cow<'a, [u8]>>,
    pub(crate) headers: Vec<u8>,
    /// The first name or value that no header can have.
    pub(crate) bad_header: Option<String>,
}

impl<'a> Envelope<'a> {
    /// A message about `subject`.
    pub fn to(subject: impl Into<Envelope<'a>>) -> Self {
        subject.into()
    }

    /// Answers are expected there.
    #[must_use]
    pub fn reply_to(self, subject: impl Into<Envelope<'a>>) -> Self {
        Self { reply: Some(subject.into().subject), ..self }
    }

    /// With a further attribute. A name that is empty or has blanks, colons or control characters,
    /// and a value with line breaks, are refused when it is published.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if headers::is_name(name) && !value.contains(['\r', '\n']) {
            headers::push(&mut self.headers, name, value);
        } else {
            self.bad_header.get_or_insert_with(|| format!("{name}: {value}"));
        }
        self
    }

    /// The message that it makes with a payload, to look at and not to keep.
    pub(crate) fn view<'m, P: Carried + ?Sized>(&'m self, payload: &'m P) -> Message<'m, P> {
        Message {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            headers: &self.headers,
            payload,
            kept: OnceCell::new(),
            row: 0,
            shared_subject: None,
        }
    }

    /// Bytes that count against limits.
    pub(crate) fn size(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.len());
        self.subject.len() + reply + self.headers.len()
    }
}

impl<'a> From<Cow<'a, [u8]>> for Envelope<'a> {
    fn from(subject: Cow<'a, [u8]>) -> Self {
        Self { subject, reply: None, headers: Vec::new(), bad_header: None }
    }
}

impl<'a> From<&'a [u8]> for Envelope<'a> {
    fn from(subject: &'a [u8]) -> Self {
        Cow::Borrowed(subject).into()
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Envelope<'a> {
    fn from(subject: &'a [u8; N]) -> Self {
        subject[..].into()
    }
}

impl<'a> From<&'a str> for Envelope<'a> {
    fn from(subject: &'a str) -> Self {
        subject.as_bytes().into()
    }
}

impl<'a> From<&'a String> for Envelope<'a> {
    fn from(subject: &'a String) -> Self {
        subject.as_bytes().into()
    }
}

impl From<String> for Envelope<'_> {
    fn from(subject: String) -> Self {
        Cow::<[u8]>::Owned(subject.into_bytes()).into()
    }
}
