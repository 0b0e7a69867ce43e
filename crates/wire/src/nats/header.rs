//! Header blocks: `NATS/1.0[ code[ description]]\r\n(Key: Value\r\n)*\r\n`.
//!
//! The broker passes blocks on as they came, without looking inside; these two are for whoever
//! wants to know what a block says or has something to say in one.

use std::str;

const VERSION: &[u8] = b"NATS/1.0";

/// Builds a header block.
///
/// Whatever goes in, a well-formed block comes out: a byte that would break the framing is
/// replaced, so a value taken from elsewhere cannot smuggle in a header of its own.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::header::HeaderBlock;
///
/// let block = HeaderBlock::new().with_status(503, "").append("Nats-Subject", "orders").encode();
/// assert_eq!(block, b"NATS/1.0 503\r\nNats-Subject: orders\r\n\r\n");
/// let split = HeaderBlock::new().append("A", "1\r\nB: 2").encode();
/// assert_eq!(split, b"NATS/1.0\r\nA: 1  B: 2\r\n\r\n");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderBlock {
    status: Vec<u8>,
    lines: Vec<u8>,
}

impl HeaderBlock {
    /// A block without status or headers.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderBlock;
    ///
    /// assert_eq!(HeaderBlock::new().encode(), b"NATS/1.0\r\n\r\n");
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status, in place of an earlier one. An empty description is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderBlock;
    ///
    /// let block = HeaderBlock::new().with_status(408, "Request Timeout").encode();
    /// assert_eq!(block, b"NATS/1.0 408 Request Timeout\r\n\r\n");
    /// ```
    #[must_use]
    pub fn with_status(mut self, code: u16, description: &str) -> Self {
        self.status.clear();
        // Clients take exactly three characters for the code.
        self.status.extend_from_slice(format!(" {code:03}").as_bytes());
        if !description.is_empty() {
            self.status.push(b' ');
            self.status.extend(description.bytes().map(|byte| framed(byte, b' ')));
        }
        self
    }

    /// Adds a header behind those that are there. A key may come more than once.
    ///
    /// A line break in the key or the value becomes a space, and a colon or a blank in the key a
    /// `-`. A header with an empty key is left out, because nobody could read it.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderBlock;
    ///
    /// let block = HeaderBlock::new().append("Tag", "a").append("Tag", "b").append("", "c");
    /// assert_eq!(block.encode(), b"NATS/1.0\r\nTag: a\r\nTag: b\r\n\r\n");
    /// ```
    #[must_use]
    pub fn append(mut self, key: &str, value: &str) -> Self {
        if key.is_empty() {
            return self;
        }
        self.lines.extend(key.bytes().map(|byte| match byte {
            b':' | b' ' | b'\t' => b'-',
            other => framed(other, b'-'),
        }));
        self.lines.extend_from_slice(b": ");
        self.lines.extend(value.bytes().map(|byte| framed(byte, b' ')));
        self.lines.extend_from_slice(b"\r\n");
        self
    }

    /// The bytes of the block, its closing empty line included.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderBlock;
    ///
    /// // What a requester gets when nobody is there to answer: 16 bytes.
    /// assert_eq!(HeaderBlock::new().with_status(503, "").encode().len(), 16);
    /// ```
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [VERSION, &self.status, b"\r\n", &self.lines, b"\r\n"].concat()
    }
}

/// Reads a raw header block: an iterator over its `(key, value)` pairs, in their order.
///
/// Never fails: a line without a colon, with an empty key or that is not UTF-8 is skipped, and a
/// block that does not begin with `NATS/1.0` has no headers at all. Keys keep their case; blanks
/// around a value are stripped.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::header::HeaderView;
///
/// let raw = b"NATS/1.0\r\nTag: a\r\nnonsense\r\nTag:b\r\n\r\n";
/// assert_eq!(HeaderView::new(raw).collect::<Vec<_>>(), [("Tag", "a"), ("Tag", "b")]);
/// assert_eq!(HeaderView::new(b"nonsense").count(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct HeaderView<'a> {
    /// What follows `NATS/1.0` on the first line; `None` if the block does not begin so.
    status: Option<&'a [u8]>,
    /// Lines not yet visited.
    rest: &'a [u8],
}

impl<'a> HeaderView<'a> {
    /// Looks at a raw block, such as [`Publish::headers`](crate::nats::Publish::headers).
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderView;
    ///
    /// assert_eq!(HeaderView::new(b"NATS/1.0\r\nA: 1\r\n\r\n").next(), Some(("A", "1")));
    /// assert_eq!(HeaderView::new(b"").next(), None);
    /// ```
    #[must_use]
    pub fn new(block: &'a [u8]) -> Self {
        let (first, rest) = next_line(block);
        let status = first.strip_prefix(VERSION);
        Self { status, rest: if status.is_some() { rest } else { &[] } }
    }

    /// The inline status: its code and its description, which may be empty.
    ///
    /// `None` if there is none, or if the code is not three digits.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderView;
    ///
    /// let raw = b"NATS/1.0 100 Idle Heartbeat\r\n\r\n";
    /// assert_eq!(HeaderView::new(raw).status(), Some((100, "Idle Heartbeat")));
    /// assert_eq!(HeaderView::new(b"NATS/1.0\r\n\r\n").status(), None);
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<(u16, &'a str)> {
        let text = str::from_utf8(self.status?).ok()?.trim();
        let (code, description) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some((code.parse().ok()?, description.trim_start()))
    }

    /// The first value of `key` among the headers not visited yet. Case matters.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::header::HeaderView;
    ///
    /// let view = HeaderView::new(b"NATS/1.0\r\nTag: a\r\nTag: b\r\n\r\n");
    /// assert_eq!(view.get("Tag"), Some("a"));
    /// assert_eq!(view.get("tag"), None);
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.clone().find(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

impl<'a> Iterator for HeaderView<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, rest) = next_line(self.rest);
            // An empty line closes the block, so does its end; what follows is not a header.
            self.rest = if line.is_empty() { &[] } else { rest };
            if line.is_empty() {
                return None;
            }
            let text = str::from_utf8(line).ok().and_then(|line| line.split_once(':'));
            if let Some((key, value)) = text
                && !key.is_empty()
            {
                return Some((key, value.trim_matches([' ', '\t'])));
            }
        }
    }
}

/// Splits off the first line, without its line end.
fn next_line(block: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', block) {
        Some(at) => (&block[..at], &block[at + 1..]),
        None => (block, &block[block.len()..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Replaces a byte that would end the line.
fn framed(byte: u8, instead: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { instead } else { byte }
}

#[cfg(test)]
mod tests;
