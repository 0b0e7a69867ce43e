//! Beside a tree of all values.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn found(paths: &Paths, text: &[u8]) -> Option<Vec<(usize, usize, Vec<u8>)>> {
    let mut values = Vec::new();
    paths.run(text, &mut values).ok()?;
    let plain = |value: Value<'_>| (value.key, value.event, value.text.into_owned());
    Some(values.into_iter().map(plain).collect())
}

fn is_json(text: &[u8]) -> bool {
    // Passed over, so that numbers have any size.
    str::from_utf8(text).is_ok() && serde_json::from_slice::<&RawValue>(text).is_ok()
}

fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        (-1e9..1e9_f64).prop_map(Json::from),
        "[ -~äß𝄞\"\\\\\n]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[abc0]|\"", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// What a pointer is to find, the slow way.
fn expected(json: &Json, pointer: &str) -> Vec<String> {
    let scalar = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        other => Some(other.to_string()),
    };
    match json.pointer(pointer) {
        Some(Json::Array(elements)) => elements.iter().filter_map(scalar).collect(),
        Some(value) => scalar(value).into_iter().collect(),
        None => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_a_tree_of_values_has(json in values(), pretty: bool) {
        let text = if pretty { format!("{json:#}") } else { json.to_string() };
        for pointer in ["", "/a", "/0", "/1/a", "/a/b", "/b/0/c", "/\"", "/c/c/c"] {
            let paths = Paths::new(None, &[pointer]).unwrap();
            let values = found(&paths, text.as_bytes()).unwrap();
            let texts: Vec<_> =
                values.into_iter().map(|(.., text)| String::from_utf8(text).unwrap()).collect();
            prop_assert_eq!(texts, expected(&json, pointer), "{} in {}", pointer, text);
        }
    }

    #[test]
    fn a_mistake_anywhere_is_found_wherever_the_value_is(
        json in values(),
        hurt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..3),
    ) {
        let mut text = json!({ "a": json, "b": 1 }).to_string().into_bytes();
        for (at, byte, how) in hurt {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, b"{}[]\",:\\-.e0 \n"[usize::from(byte) % 14]),
                _ if text.len() > 1 => drop(text.remove(at)),
                _ => {}
            }
        }
        for pointers in [&["/none"][..], &["/a"], &["/a/0/b", "/b"], &["", "/a"]] {
            let paths = Paths::new(None, pointers).unwrap();
            let shown = String::from_utf8_lossy(&text);
            prop_assert_eq!(found(&paths, &text).is_some(), is_json(&text), "{}", shown);
        }
    }

    #[test]
    fn events_are_the_elements_of_an_array(json in prop::collection::vec(values(), 0..5)) {
        let text = json!({ "events": json }).to_string();
        let paths = Paths::new(Some("/events"), &["/a", "/b/0"]).unwrap();
        let mut right = Vec::new();
        for (event, element) in (1..).zip(&json) {
            for (key, pointer) in ["/a", "/b/0"].iter().enumerate() {
                let texts = expected(element, pointer).into_iter();
                right.extend(texts.map(|text| (key, event, text.into_bytes())));
            }
        }
        let mut values = found(&paths, text.as_bytes()).unwrap();
        values.sort();
        right.sort();
        prop_assert_eq!(values, right);
    }
}
