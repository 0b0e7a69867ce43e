//! Content queries: text → checked predicate → match over tags.
//!
//! A [`Query`] says which messages somebody wants to see, by their [`Tags`]: attributes that come
//! from headers, and from the payload where an [`Extraction`] says so.
//!
//! ```
//! use floodway_query::{Query, Tags};
//!
//! let query: Query = "tm.event = 'Tx' AND tx.gas > 7".parse()?;
//! let mut tags = Tags::new();
//! tags.push("tm.event", "Tx");
//! tags.push("tx.gas", "8atom");
//! assert!(query.matches(&tags));
//!
//! let error = "tm.event = 'Tx' AN tx.gas > 7".parse::<Query>().unwrap_err();
//! assert_eq!((error.offset(), error.suggestion()), (16, Some("AND")));
//! # Ok::<(), floodway_query::ParseError>(())
//! ```
//!
//! The way of a query: `lexer` → `parser` (a tree that borrows the text) → `compile` (canonical
//! text and a flat program) → `program` (evaluation, without allocation; by a `sweep` where it
//! would take long). An [`Index`] holds many of them and evaluates only those that may match.
//!
//! What the language means is in `docs/guide/queries.md`; [`Dialect`] says which of its two forms.
#![forbid(unsafe_code)]

mod affixes;
mod calendar;
mod compile;
mod digits;
mod error;
mod explain;
mod extract;
mod hash;
mod index;
mod lexer;
mod needles;
mod number;
mod options;
mod parser;
mod pattern;
mod program;
mod query;
mod sweep;
mod tags;

pub use error::{ParseError, Reason};
pub use explain::{Access, Explain, Step};
pub use extract::{DeclareError, Extraction, Payload};
pub use index::Index;
pub use options::{Dialect, Options};
pub use query::Query;
pub use tags::{Source, Tags};
