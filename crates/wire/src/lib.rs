//! Wire protocols as pure codecs: bytes become operations, operations become bytes.
//!
//! Nothing here opens a socket, reads a clock or keeps state between calls. A parser looks at the
//! bytes it is handed and answers with one operation and how many bytes it took, with "I need
//! more", or with the rule that was broken. Whoever owns the socket keeps the unconsumed bytes. So
//! the same code runs under a server, a command line client, a fuzzer and a simulator.
//!
//! - [`nats`]: the NATS client protocol, both directions.
//!
//! # Examples
//!
//! ```
//! use floodway_wire::nats::{ClientOp, ParseLimits, Progress, Violation, parse_client};
//!
//! let limits = ParseLimits::default();
//! let input = b"PUB orders.eu 5\r\nhello\r\nPING\r\n";
//!
//! let Progress::Op { op: ClientOp::Publish(publish), used } = parse_client(input, &limits)? else {
//!     panic!("one whole PUB stands at the front");
//! };
//! assert_eq!((publish.subject, publish.payload), (&b"orders.eu"[..], &b"hello"[..]));
//!
//! // Half an operation is not an error ...
//! assert_eq!(parse_client(b"PUB orders.eu 5\r\nhe", &limits), Ok(Progress::More { needed: 24 }));
//! // ... but what can never become one is.
//! assert_eq!(parse_client(b"GET / HTTP/1.1", &limits), Err(Violation::UnknownOperation));
//! let next = parse_client(&input[used..], &limits)?;
//! assert_eq!(next, Progress::Op { op: ClientOp::Ping, used: 6 });
//! # Ok::<(), Violation>(())
//! ```
#![forbid(unsafe_code)]

pub mod nats;
