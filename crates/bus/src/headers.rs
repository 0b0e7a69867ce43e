//! Header blocks: the attributes of a message, in the form they have on the wire.

/// The version line that a block begins with.
const VERSION: &[u8] = b"NATS/1.0\r\n";

/// The attributes in a header block, in its order; a name may come several times.
///
/// # Examples
///
/// ```
/// use floodway::Headers;
/// let headers = Headers::of(b"NATS/1.0\r\nVenue: XETRA\r\nvenue: LSE\r\n\r\n");
/// assert_eq!(headers.get("venue"), Some(&b"XETRA"[..]));
/// assert_eq!(headers.iter().count(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Headers<'h> {
    block: &'h [u8],
}

impl<'h> Headers<'h> {
    /// The attributes of a block as it stands on the wire, or of none.
    pub fn of(block: &'h [u8]) -> Self {
        Self { block }
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        let version = memchr::memchr(b'\n', self.block).map_or(self.block.len(), |at| at + 1);
        let mut rest = &self.block[version..];
        std::iter::from_fn(move || {
            loop {
                let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                let (line, behind) = rest.split_at_checked(end).filter(|_| !rest.is_empty())?;
                rest = behind.get(1..).unwrap_or_default();
                if let Some(colon) = memchr::memchr(b':', line) {
                    return Some((&line[..colon], line[colon + 1..].trim_ascii()));
                }
            }
        })
    }

    /// The first value of a name; case does not matter.
    pub fn get(self, name: &str) -> Option<&'h [u8]> {
        let mut all = self.iter();
        all.find_map(|(key, value)| key.eq_ignore_ascii_case(name.as_bytes()).then_some(value))
    }
}

/// Whether it can be the name of a header: visible characters, and no colon.
pub(crate) fn is_name(name: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    !name.is_empty() && name.bytes().all(printable)
}

/// Adds an attribute to a block, which may be empty.
pub(crate) fn push(block: &mut Vec<u8>, name: &str, value: &str) {
    if block.is_empty() {
        block.extend_from_slice(VERSION);
    } else {
        // The empty line that ended it.
        block.truncate(block.len() - 2);
    }
    for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n\r\n"] {
        block.extend_from_slice(part);
    }
}
