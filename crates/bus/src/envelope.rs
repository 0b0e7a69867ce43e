//! What a message is published with besides its payload.

use std::borrow::Cow;

use crate::headers;
use crate::message::{Extras, Kept, Message};
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
    /// The header block; or what was given that cannot be a header.
    headers: Result<Vec<u8>, String>,
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
        if let Ok(block) = &mut self.headers {
            if headers::is_name(name) && !value.contains(['\r', '\n']) {
                headers::push(block, name, value);
            } else {
                self.headers = Err(format!("{name}: {value}"));
            }
        }
        self
    }

    pub(crate) fn headers(&self) -> &[u8] {
        self.headers.as_deref().unwrap_or_default()
    }

    /// What was given that cannot be a header.
    #[inline]
    pub(crate) fn bad_header(&self) -> Option<&str> {
        self.headers.as_ref().err().map(String::as_str)
    }

    /// What it has besides the subject, for whoever keeps the message.
    #[inline]
    pub(crate) fn take_extras(&mut self) -> Option<Box<Extras>> {
        let any = self.reply.is_some() || !self.headers().is_empty();
        if any { Some(self.take_all_extras()) } else { None }
    }

    #[cold]
    fn take_all_extras(&mut self) -> Box<Extras> {
        let headers = self.headers.as_mut().map(std::mem::take).unwrap_or_default();
        let reply = self.reply.take().map(|reply| reply.into_owned().into_boxed_slice());
        Box::new(Extras { reply, headers: headers.into_boxed_slice() })
    }

    /// The message that it makes with a payload, to look at and not to keep.
    pub(crate) fn view<'m, P: Carried + ?Sized>(&'m self, payload: &'m P) -> Message<'m, P> {
        Message {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            headers: self.headers(),
            payload,
            kept: Kept::not_yet(),
            row: 0,
            topic: None,
            stock: None,
        }
    }

    /// Bytes that count against limits.
    pub(crate) fn size(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.len());
        self.subject.len() + reply + self.headers().len()
    }
}

impl<'a> From<Cow<'a, [u8]>> for Envelope<'a> {
    fn from(subject: Cow<'a, [u8]>) -> Self {
        Self { subject, reply: None, headers: Ok(Vec::new()) }
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
