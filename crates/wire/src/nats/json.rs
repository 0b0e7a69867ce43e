//! Reading a JSON object the way the reference implementation does.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads an object into a struct.
///
/// By way of a map: read directly, a struct would accept an array of its fields in order as well,
/// and refuse a key that comes twice, where nats-server refuses the one and takes the last of the
/// other. Read once per connection, so the detour costs nothing that matters.
pub(super) fn from_object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let map: Map<String, Value> = serde_json::from_slice(json)?;
    serde_json::from_value(Value::Object(map))
}
