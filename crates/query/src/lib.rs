//! Content queries: text → checked predicate → match over tags.
//!
//! The room for the query language; it holds nothing yet. See `docs/adr` and the change log.
#![forbid(unsafe_code)]
