//! The index against looking at every query.

use floodway_query::{Access, Index, Options, Query, Tags};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::random::{Expr, Later, events, expr, strict_expr, tags};

fn queries() -> impl Strategy<Value = Vec<(Expr, bool)>> {
    let one = prop_oneof![
        expr().prop_map(|expr| (expr, false)),
        strict_expr().prop_map(|expr| (expr, false)),
        strict_expr().prop_map(|expr| (expr, true)),
    ];
    vec(one, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    // checklist: B10
    #[test]
    fn finds_what_looking_at_every_query_finds(
        exprs in queries(),
        gone in vec(any::<bool>(), 24),
        messages in vec((events(), events()), 1..4),
    ) {
        let mut index = Index::new();
        let mut all = Vec::new();
        for (key, (expr, strict)) in exprs.iter().enumerate() {
            let (options, text) = match strict {
                true => (Options::strict(), expr.strict_text()),
                false => (Options::extended(), expr.text()),
            };
            let query = options.length_max(4096).parse(&text).unwrap();
            prop_assert_eq!(index.insert(key, query.clone()), None);
            all.push((key, query));
        }
        for round in 0..2 {
            for (known, later) in &messages {
                let mut expected = Vec::new();
                for (key, query) in &all {
                    let source = Later::new(later.clone());
                    let mut tags = tags(known);
                    tags.set_source(&source);
                    if query.matches(&tags) {
                        expected.push(*key);
                    }
                }
                let source = Later::new(later.clone());
                let mut tags = tags(known);
                tags.set_source(&source);
                let mut found = Vec::new();
                let evaluated = index.matching(&tags, |key| found.push(*key));
                found.sort_unstable();
                prop_assert_eq!(&found, &expected, "round {}", round);
                prop_assert!(evaluated <= index.distinct());
            }
            // The second round is without some of them.
            for (key, query) in all.iter().filter(|(key, _)| gone[*key]) {
                let removed = index.remove(key);
                prop_assert_eq!(removed.as_ref(), Some(query));
                prop_assert_eq!(index.remove(key), None);
            }
            all.retain(|(key, _)| !gone[*key]);
            prop_assert_eq!(index.len(), all.len());
        }
    }
}

/// How many queries a message with these tags makes an index evaluate, and which it meets.
fn ask(index: &Index<usize>, pairs: &[(&str, &str)]) -> (usize, Vec<usize>) {
    let mut tags = Tags::new();
    pairs.iter().for_each(|(key, value)| tags.push(*key, *value));
    let mut found = Vec::new();
    let evaluated = index.matching(&tags, |key| found.push(*key));
    found.sort_unstable();
    (evaluated, found)
}

fn index(query: impl Fn(usize) -> String) -> Index<usize> {
    let mut index = Index::new();
    for number in 0..10_000 {
        index.insert(number, query(number).parse().unwrap());
    }
    index
}

// checklist: B10
#[test]
fn unrelated_queries_are_not_evaluated() {
    let one_key = index(|number| format!("k = 'v{number}'"));
    assert_eq!(ask(&one_key, &[("k", "v77")]), (1, vec![77]));
    assert_eq!(ask(&one_key, &[("k", "none"), ("j", "v77")]), (0, vec![]));

    // Each value of one key is that of a hundred queries.
    let pairs =
        index(|number| format!("account = 'v{}' AND kind = 'w{}'", number / 100, number % 100));
    assert_eq!(ask(&pairs, &[("account", "v3"), ("kind", "w5")]), (1, vec![305]));
    assert_eq!(ask(&pairs, &[("account", "v3")]), (0, vec![]));

    let ranges = index(|number| format!("x >= {number} AND x < {}", number + 1));
    assert_eq!(ask(&ranges, &[("x", "777.5")]), (1, vec![777]));

    let both = index(|number| format!("kind = 'Tx' AND tx.height = {number}"));
    assert_eq!(ask(&both, &[("kind", "Tx"), ("tx.height", "42")]), (1, vec![42]));

    let lists = index(|number| format!("k IN ('v{number}', 'w{number}')"));
    assert_eq!(ask(&lists, &[("k", "w9"), ("k", "v9")]), (1, vec![9]));

    let keys = index(|number| format!("k{number} CONTAINS 'x' OR j{number} EXISTS"));
    assert_eq!(ask(&keys, &[("k5", "x"), ("j5", "x"), ("j6", "")]), (2, vec![5, 6]));

    // A common key beside one that no other query has.
    let shapes = index(|number| format!("common = 'x' AND k{number} = 'y'"));
    assert_eq!(ask(&shapes, &[("common", "x"), ("k5", "y")]), (1, vec![5]));
}

// checklist: B10
#[test]
fn equal_queries_are_one() {
    let mut index = Index::new();
    for key in 0..100 {
        index.insert(key, "a='x'AND(b=1)".parse().unwrap());
        index.insert(100 + key, "a = 'x' AND b = 1".parse().unwrap());
    }
    assert_eq!((index.len(), index.distinct()), (200, 1));
    let (evaluated, found) = ask(&index, &[("a", "x"), ("b", "1")]);
    assert_eq!((evaluated, found.len()), (1, 200));
    for key in 0..199 {
        assert!(index.remove(&key).is_some());
    }
    assert_eq!(ask(&index, &[("a", "x"), ("b", "1")]), (1, vec![199]));
    index.remove(&199);
    assert_eq!((index.len(), index.distinct()), (0, 0));
}

#[test]
fn what_queries_ask_for_is_known_as_long_as_they_are_there() {
    let mut index = Index::new();
    let asked = |index: &Index<u32>| {
        let keys = ["a", "b", "t.x", "t.x.y", "x", "t", "c"];
        keys.map(|key| u8::from(index.asks_for(key.as_bytes())))
    };
    assert_eq!(asked(&index), [0; 7]);
    index.insert(1, "a = 'x' AND NOT b CONTAINS 'y'".parse().unwrap());
    index.insert(2, "a='x'AND NOT b CONTAINS 'y'".parse().unwrap());
    index.insert(3, "t EXISTS OR b = 5".parse().unwrap());
    // `t` is also the type of `t.x`; the type of `t.x.y` is another.
    assert_eq!(asked(&index), [1, 1, 1, 0, 0, 1, 0]);
    index.remove(&1);
    assert_eq!(asked(&index), [1, 1, 1, 0, 0, 1, 0], "an equal one is still there");
    index.remove(&2);
    assert_eq!(asked(&index), [0, 1, 1, 0, 0, 1, 0]);
    index.remove(&3);
    assert_eq!(asked(&index), [0; 7]);
}

#[test]
fn a_key_has_one_query() {
    let mut index = Index::new();
    assert_eq!(index.insert(1, "a = 1".parse().unwrap()), None);
    let replaced = index.insert(1, "a = 2".parse().unwrap());
    assert_eq!(replaced.unwrap().as_str(), "a = 1");
    assert_eq!(index.get(&1).map(Query::as_str), Some("a = 2"));
    assert_eq!(ask(&index, &[("a", "1")]), (0, vec![]));
}

#[test]
fn access_is_explained() {
    let access = |text: &str| text.parse::<Query>().unwrap().explain().access().to_vec();
    let hashed = |keys: &[&str], ordered: Option<&str>| Access::Hashed {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ordered: ordered.map(str::to_owned),
    };
    assert_eq!(access("b = 'x' AND a = 'y' AND c > 5"), [hashed(&["a", "b"], Some("c"))]);
    assert_eq!(access("a = 'x' OR b = 'y'"), [hashed(&["a"], None), hashed(&["b"], None)]);
    assert_eq!(access("a < 5 AND b EXISTS"), [Access::Ordered { key: "a".to_owned() }]);
    assert_eq!(access("a CONTAINS 'x'"), [Access::Present { key: "a".to_owned() }]);
    assert_eq!(access("NOT a = 'x'"), [Access::Always]);
    assert_eq!(access("NOT a = 'x' AND b = 'y'"), [hashed(&["b"], None)]);
    let strict = Options::strict().parse("a = 5").unwrap();
    assert_eq!(strict.explain().access(), [], "a key without a dot is not seen");
    let text = "a = 'x' AND b MATCHES 'y'".parse::<Query>().unwrap().explain().to_string();
    assert!(text.contains("values of a (hashed)") && text.contains("KiB of b"), "{text}");
}
