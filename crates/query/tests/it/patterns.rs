//! Regular expressions against another engine, and what they may cost.

use floodway_query::{Options, Query, Reason, Tags};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::bytes::Regex;

/// Pieces of patterns, and what they mean to an engine to which `\d` is any digit of Unicode.
const PIECES: [(&str, &str); 29] = [
    ("a", "a"),
    ("ab", "ab"),
    ("é", "é"),
    ("K", "K"),
    (".", "."),
    (".*", ".*"),
    (r"\d", "[0-9]"),
    (r"\D", "[^0-9]"),
    (r"\w", "[0-9A-Za-z_]"),
    (r"\W+", "[^0-9A-Za-z_]+"),
    (r"\s", r"[\t\n\v\f\r ]"),
    (r"[\d\-z]", r"[0-9z\-]"),
    (r"[^\w\s]", r"[^0-9A-Za-z_\t\n\v\f\r ]"),
    (r"[\w--b]", "[0-9A-Zac-z_]"),
    (r"[[^\D]a]", "[0-9a]"),
    ("[^a]", "[^a]"),
    ("[^é]{2}", "[^é]{2}"),
    ("[à-ö]", "[à-ö]"),
    (r"\p{Greek}", r"\p{Greek}"),
    ("(?i:k)", "(?i:k)"),
    ("(?i:ß|É)", "(?i:ß|É)"),
    ("^", "^"),
    ("$", "$"),
    ("(?m:^)", "(?m:^)"),
    ("(?m:$)", "(?m:$)"),
    ("(?Rm:$)", "(?Rm:$)"),
    (r"\b", r"(?-u:\b)"),
    (r"\B", r"(?-u:\B)"),
    ("(?s:.)", "(?s:.)"),
];

const TEXTS: [&str; 14] =
    ["a", "b", "ab", "é", "É", "K", "k", "\u{212a}", "7", "٣", " ", "\n", "\r\n", "λ_-z"];

/// A pattern in both spellings.
fn pattern() -> impl Strategy<Value = (String, String)> {
    let piece = select(&PIECES[..]).prop_map(|(ours, other)| (ours.to_owned(), other.to_owned()));
    piece.prop_recursive(3, 12, 4, |inner| {
        let both = |make: fn(String) -> String| {
            move |(ours, other): (String, String)| (make(ours), make(other))
        };
        prop_oneof![
            3 => vec(inner.clone(), 1..5).prop_map(|all| all.into_iter().unzip()),
            2 => vec(inner.clone(), 2..4).prop_map(|all| {
                let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (format!("(?:{})", ours.join("|")), format!("(?:{})", others.join("|")))
            }),
            1 => inner.clone().prop_map(both(|it| format!("(?:{it})*"))),
            1 => inner.clone().prop_map(both(|it| format!("({it})?"))),
            1 => inner.prop_map(both(|it| format!("(?:{it}){{1,3}}"))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C3, C5
    #[test]
    fn a_pattern_matches_what_another_engine_says(
        (ours, other) in pattern(),
        texts in vec(vec(select(&TEXTS[..]), 0..8), 8),
    ) {
        let oracle = Regex::new(&other).unwrap();
        let options = Options::extended().length_max(4096);
        let query = match options.parse(&format!("a MATCHES '{ours}'")) {
            Ok(query) => query,
            Err(error) => {
                let reason = error.reason();
                let is_refused = matches!(
                    reason,
                    Reason::PatternTooCostly { .. } | Reason::PatternTooLarge { .. }
                );
                prop_assert!(is_refused, "{}", error);
                return Ok(());
            }
        };
        for text in texts {
            let text = text.concat();
            let mut tags = Tags::new();
            tags.push("a", &text);
            let expected = oracle.is_match(text.as_bytes());
            prop_assert_eq!(query.matches(&tags), expected, "{} in {:?}", ours, text);
        }
    }
}

fn refusal(query: &str) -> Reason {
    match query.parse::<Query>() {
        Ok(_) => panic!("accepted: {query}"),
        Err(error) => {
            assert_eq!(error.offset(), 11, "{error}");
            error.reason().clone()
        }
    }
}

// checklist: C3
#[test]
fn what_would_take_long_to_compile_is_refused() {
    for pattern in [
        r"[ab]{0,60}a[ab]{8}",
        r"\w{0,40}x\w{0,40}y",
        r"[\w-]{0,120}a",
        r"([ -~]{0,9}[!-~]?){15}",
        r"error.{0,20}timeout",
        r"\pL+",
    ] {
        let reason = refusal(&format!("a MATCHES '{pattern}'"));
        assert!(matches!(reason, Reason::PatternTooCostly { .. }), "{pattern}: {reason:?}");
    }
    for pattern in [
        "a{99}".repeat(95),
        r"(.*\w){90}".to_owned(),
        r"\pL".repeat(150),
        format!("(?i){}", "[ -\u{10FFFF}]".repeat(60)),
    ] {
        let reason = refusal(&format!("a MATCHES '{pattern}'"));
        assert!(matches!(reason, Reason::PatternTooLarge { .. }), "{pattern}: {reason:?}");
    }
}

// checklist: C3
#[test]
fn the_patterns_of_a_query_share_what_compiling_them_may_take() {
    let some = |n: usize| format!("a MATCHES 'a.{{7}}{n}'");
    assert!(some(0).parse::<Query>().is_ok());
    let four = (0..4).map(some).collect::<Vec<_>>().join(" OR ");
    assert!(matches!(refusal(&four), Reason::PatternTooCostly { .. }));
    let among_others = format!("{} OR b = 1 OR c = 2 OR d = 3", some(0));
    assert!(among_others.parse::<Query>().is_ok());
}

const USUAL: [&str; 16] = [
    r"^GET /\w+",
    r"\b(error|warn(ing)?|fatal)\b.*timed? ?out",
    r"error.*timeout",
    r"error.{0,10}timeout",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\d{4}-\d{2}-\d{2}",
    r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$",
    r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"^(EUR|USD|GBP)/(EUR|USD|GBP)$",
    r#""status":\s*"(failed|cancelled)""#,
    r"^user-[^@]{1,64}@.*\.example\.(com|org)$",
    r"^/api/v[12]/(users|orders)/\d+$",
    r"(?i)warn|error|fatal",
    r"\p{Greek}+",
    "(?i)the quick brown fox jumps over the lazy dog, and back over the grass",
];

#[test]
fn usual_patterns_are_cheap_enough() {
    for pattern in USUAL {
        let query = format!("a MATCHES '{pattern}'").parse::<Query>();
        assert!(query.is_ok(), "{}", query.unwrap_err());
    }
}
