//! Feeding a parser as a socket would, and words to feed it with.

use floodway_wire::nats::{Progress, Violation};
use proptest::prelude::*;

/// A parser with its operations made independent of the input.
pub(crate) type Parser<'p, O> = &'p dyn Fn(&[u8]) -> Result<Progress<O>, Violation>;

/// All operations in `chunks`, and what ended them if they did not end well.
///
/// Keeps what was not consumed and tries again with each chunk, as a connection does.
pub(crate) fn feed<'c, O>(
    parse: Parser<'_, O>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> (Vec<O>, Option<Violation>) {
    let (mut ops, mut pending) = (Vec::new(), Vec::new());
    for chunk in chunks {
        pending.extend_from_slice(chunk);
        loop {
            match parse(&pending) {
                Ok(Progress::Op { op, used }) => {
                    assert!(used > 0 && used <= pending.len(), "took {used}");
                    ops.push(op);
                    pending.drain(..used);
                }
                Ok(Progress::More { needed }) => {
                    assert!(needed > pending.len(), "needs {needed}, has {}", pending.len());
                    break;
                }
                Err(violation) => return (ops, Some(violation)),
            }
        }
    }
    (ops, None)
}

/// A subject, a queue, a sid: any bytes that do not separate.
pub(crate) fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[a-z0-9.*>$_]{1,24}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..12).prop_map(|mut bytes| {
            for byte in &mut bytes {
                if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                    *byte = b'-';
                }
            }
            bytes
        }),
    ]
}

pub(crate) fn maybe_word() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(word())
}

/// A payload or a header block: any bytes at all, often such as mean something in a line.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ \r\nPINGUB0-9]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}
