//! Where a payload and its headers come from on the command line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use floodway_wire::nats::header::HeaderBlock;

use super::failure::Failure;

/// More than any server takes (64 MiB), so that `pub </dev/zero` ends.
const PAYLOAD_MAX: u64 = 64 * 1024 * 1024;

/// One `-H key:value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Parses `key:value` for clap; spaces around both are dropped, as servers and clients do.
pub(crate) fn parse_header(text: &str) -> Result<Header, String> {
    let (key, value) =
        text.split_once(':').ok_or_else(|| "a header is written key:value".to_owned())?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.contains(|letter: char| !letter.is_ascii_graphic()) {
        return Err("the key of a header is one word of printable ASCII".to_owned());
    }
    // A line break would let a value smuggle in further headers.
    if value.contains(['\r', '\n', '\0']) {
        return Err("the value of a header must be one line".to_owned());
    }
    Ok(Header { key: key.to_owned(), value: value.to_owned() })
}

/// The encoded header block; empty if there are none, which publishes without headers.
pub(crate) fn header_block(headers: &[Header]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let block = headers
        .iter()
        .fold(HeaderBlock::new(), |block, header| block.append(&header.key, &header.value));
    block.encode()
}

/// Opens a file, or standard input when there is none.
pub(crate) fn open(file: Option<&Path>) -> Result<Box<dyn BufRead + Send>, Failure> {
    let Some(path) = file else {
        return Ok(Box::new(BufReader::with_capacity(64 * 1024, io::stdin())));
    };
    let file = File::open(path)
        .map_err(|error| Failure::failed(format!("cannot open {}: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(64 * 1024, file)))
}

/// Reads everything as one payload.
pub(crate) fn read_all(source: &mut dyn BufRead) -> Result<Vec<u8>, Failure> {
    let mut payload = Vec::new();
    source.take(PAYLOAD_MAX + 1).read_to_end(&mut payload).map_err(read_failure)?;
    if payload.len() as u64 > PAYLOAD_MAX {
        return Err(Failure::failed("the payload is more than 64 MiB, which no server takes"));
    }
    Ok(payload)
}

/// Reads the next line without its line end; false at the end of the input.
pub(crate) fn read_line(source: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    source.take(PAYLOAD_MAX + 1).read_until(b'\n', line).map_err(read_failure)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() as u64 > PAYLOAD_MAX {
        return Err(Failure::failed("a line is more than 64 MiB, which no server takes"));
    }
    Ok(true)
}

/// Refuses what the server would close the connection for.
pub(crate) fn check_size(size: usize, max_payload: usize) -> Result<(), Failure> {
    if max_payload > 0 && size > max_payload {
        return Err(Failure::failed(format!(
            "a message of {size} bytes is more than the {max_payload} that this server takes"
        )));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn read_failure(error: io::Error) -> Failure {
    Failure::failed(format!("cannot read the payload: {error}"))
}
