//! Random and mutated input for whatever reads what others wrote: queries, values and payloads.
//!
//! Every case comes from the seed and its number, so a failure names both and can be repeated:
//!
//! ```sh
//! FLOODWAY_FUZZ_SEED=5 FLOODWAY_FUZZ_CASES=10000000 \
//!     cargo test --release -p floodway-query --test it fuzz -- --nocapture
//! ```
//!
//! Without these a run has [`CASES`] cases of a fixed seed, which takes a few seconds.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use floodway_query::{Extraction, Options, Payload, Query, Reason, Source, Tags};

const CASES: u64 = 40_000;
const SEED: u64 = 0x5EED;
/// Far more than a case takes: this is about what never ends, on a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// What is mutated: queries of every operator, and texts that are nearly some.
const QUERIES: [&str; 14] = [
    "tm.event = 'Tx' AND tx.height > 5 AND tx.gas <= 7.50 AND tx.fee >= 8 AND tx.hash EXISTS",
    "a.date = DATE 2013-05-03 AND a.time < TIME 2013-05-03T14:45:00+01:00",
    "a CONTAINS 'needle' AND a CONTAINS 'need' AND a CONTAINS 'x' AND NOT a CONTAINS ''",
    "a CONTAINS 'aab' OR SAME EVENT (a CONTAINS 'ab' AND (b.c != -5 OR NOT a CONTAINS 'b'))",
    "a MATCHES '(a|b)+c{2,3}$' OR b.c MATCHES '^\\d+[^x]?' IGNORE CASE",
    "a STARTS WITH 'Ab' IGNORE CASE OR a ENDS WITH 'ß' OR b.c IN ('x', 5, -0.5, DATE 2012-02-29)",
    "NOT (NOT NOT a = 'x' OR ((b.c != 'y' IGNORE CASE)))",
    "NOT = 5 AND SAME EXISTS AND IN IN (1) AND STARTS STARTS WITH 'x'",
    "größe.変数 = 'ünï' AND a.b-c_d.e = 00000000000000000000000000000000000000000012.50",
    "a>-1OR(b.c='x'AND a<99999999999999999999999999999999999999999999999999999)",
    "\u{a0}a\t= '\n' \u{2003}AND\rDATE\t= 5 AND TIME EXISTS",
    "a = 'unterminated AND b = 5",
    "a =< 5 && b like \"x\" || !c",
    "((((((((a = 1))))))))) OR SAME EVENT (SAME EVENT (a = 1))",
];

const VALUES: [&str; 12] = [
    "needle in aab, abab",
    "5",
    "-5.25atom",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999999.5",
    "2013-05-03",
    "2013-05-03T14:45:00.123456789Z",
    "Abbccc",
    "GRÖSSE ß",
    "",
    "x",
    "1e5",
    "0000000000000000000000.00000000000000000000",
];

const PAYLOADS: [&str; 8] = [
    r#"{"a": [1, -2.5e7, "x\u00e9\n", true, null, {"b": []}], "b": {"c": "8atom", "c": 2}}"#,
    r#"{"events": [{"a": 5, "b": {"c": "x"}}, {"a": [6, [7]]}, 8, "9"]}"#,
    r#"a=5 b.c="a \"quoted\" value" level=info msg=x=y bare "#,
    "2013-05-03T14:45:00Z WARN pool: 17 of 20 used",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "\"\\ud800\"",
    "{\"a\":\"\u{1}\"}",
    "",
];

/// What mutations put in.
const PIECES: [&str; 26] = [
    "AND",
    " OR ",
    "NOT ",
    "EXISTS",
    " CONTAINS '",
    "'",
    "\"",
    "(",
    ")",
    "SAME EVENT (",
    " IN (",
    ",",
    "DATE ",
    "TIME ",
    "-",
    ".",
    "9999999999",
    "<=",
    "!=",
    " IGNORE CASE",
    " MATCHES '",
    "é",
    "\u{301}",
    "\\",
    "{\"",
    "\u{0}",
];

/// Numbers without a pattern that matters here (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn of<'p>(&mut self, list: &[&'p str]) -> &'p str {
        list[self.below(list.len())]
    }

    /// Bytes that are anything, or one of these texts with some of it changed.
    fn bytes(&mut self, seeds: &[&str]) -> Vec<u8> {
        let mut bytes = match self.below(8) {
            0 => (0..self.below(120)).map(|_| self.next() as u8).collect(),
            1 => (0..self.below(30)).flat_map(|_| self.of(&PIECES).bytes()).collect(),
            _ => self.of(seeds).as_bytes().to_vec(),
        };
        for _ in 0..self.below(5) {
            let at = self.below(bytes.len() + 1);
            let to = (at + self.below(9)).min(bytes.len());
            match self.below(6) {
                0 => drop(bytes.drain(at..to)),
                1 => drop(bytes.splice(at..at, self.of(&PIECES).bytes())),
                2 => drop(bytes.splice(at..to, self.of(&PIECES).bytes())),
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                // The same again, as often as it takes to pass a limit.
                4 => {
                    let again = bytes[at..to].repeat(1 << self.below(8));
                    drop(bytes.splice(at..at, again));
                }
                _ => {
                    let other = self.of(seeds).as_bytes();
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend(&other[from..]);
                }
            }
        }
        bytes
    }

    fn text(&mut self, seeds: &[&str]) -> String {
        String::from_utf8_lossy(&self.bytes(seeds)).into_owned()
    }

    /// A message: events of tags, most of them with keys that the queries ask for.
    fn message(&mut self) -> Vec<Vec<(&'static str, Vec<u8>)>> {
        let keys = ["a", "b.c", "b.d", "tx.height", "tm.event", "a.date", "a.time", "NOT", ".", ""];
        let event = |random: &mut Random| {
            let tags = random.below(5);
            (0..tags).map(|_| (random.of(&keys), random.bytes(&VALUES))).collect()
        };
        (0..self.below(4)).map(|_| event(self)).collect()
    }
}

fn number(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// Runs the cases, and says which one fails. `share` of them: some take longer than others.
fn run(share: u64, mut case: impl FnMut(&mut Random)) {
    let seed = number("FLOODWAY_FUZZ_SEED", SEED);
    let cases = number("FLOODWAY_FUZZ_CASES", CASES) / share;
    println!("FLOODWAY_FUZZ_SEED={seed}, {cases} cases");
    for at in 0..cases {
        let mut random = Random(seed ^ at.wrapping_mul(0xA24B_AED4_963E_E407));
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&mut random)));
        assert!(outcome.is_ok(), "FLOODWAY_FUZZ_SEED={seed}, case {at}");
        let took = start.elapsed();
        assert!(took < HANG, "FLOODWAY_FUZZ_SEED={seed}, case {at}: {took:?}");
    }
}

fn parse(text: &str, options: Options) -> Option<Query> {
    match options.parse(text) {
        Ok(query) => Some(query),
        Err(error) => {
            assert!(
                error.offset() <= text.len() && text.is_char_boundary(error.offset()),
                "{text:?}"
            );
            let is_syntax = *error.reason() == Reason::Syntax;
            assert!(!is_syntax || !(error.found().is_empty() || error.expected().is_empty()));
            assert!(error.line() >= 1 && error.column() >= 1);
            assert!(error.to_string().lines().count() <= 4, "{error}");
            None
        }
    }
}

fn tags<'t>(message: &'t [Vec<(&'static str, Vec<u8>)>]) -> Tags<'t> {
    let mut tags = Tags::new();
    for event in message {
        event.iter().for_each(|(key, value)| tags.push(*key, value));
        tags.next_event();
    }
    tags
}

// checklist: C2, C3, C4
#[test]
fn fuzz_queries() {
    let mut read = 0_u64;
    run(1, |random| {
        let text = random.text(&QUERIES);
        let message = random.message();
        for options in [Options::strict(), Options::extended(), Options::extended().depth_max(3)] {
            let Some(query) = parse(&text, options) else { continue };
            read += 1;
            let again = options.length_max(4 * 512).parse(query.as_str());
            let again = again.unwrap_or_else(|error| panic!("{text:?} prints as\n{error}"));
            assert_eq!((again.as_str(), &again), (query.as_str(), &query), "{text:?}");
            let tags = tags(&message);
            assert_eq!(again.matches(&tags), query.matches(&tags), "{text:?}");
            let explain = query.explain();
            assert!(explain.nanos() >= 0.0 && !explain.to_string().is_empty());
        }
    });
    // Most mutations break a query; those that do not are what match is tried with.
    assert!(read * 10 > number("FLOODWAY_FUZZ_CASES", CASES), "only {read} queries could be read");
}

// checklist: C3
#[test]
fn fuzz_match_does_not_depend_on_where_tags_are() {
    let queries: Vec<Query> = QUERIES.iter().filter_map(|text| text.parse().ok()).collect();
    run(1, |random| {
        let query = &queries[random.below(queries.len())];
        let mut message = random.message();
        // Enough text that it is searched by the tables.
        if random.below(16) == 0 {
            let long = random.bytes(&VALUES).repeat(100);
            message.push(vec![("a", long)]);
        }
        // Enough tags that a query of some conditions is answered in one sweep.
        if random.below(16) == 0 {
            let padding = ("a.time", Vec::new());
            message.push(vec![padding; 400]);
        }
        // Patterns see the beginning of a message only, so for them the order matters.
        let has_pattern = ["MATCHES", "IGNORE CASE"].iter().any(|it| query.as_str().contains(it));
        let size: usize = message.iter().flatten().map(|(_, value)| value.len()).sum();
        if has_pattern && size > 1024 {
            return;
        }
        let forward = query.matches(&tags(&message));
        // Tags of one event mean the same in any order, and so do events.
        message.iter_mut().for_each(|event| event.reverse());
        message.reverse();
        assert_eq!(query.matches(&tags(&message)), forward, "{query}");
    });
}

// checklist: C3
#[test]
fn fuzz_payloads() {
    let pairs = [("a", "/a"), ("b.c", "/b/c"), ("b.d", "/~0~1"), ("tx.height", "/a/0"), ("d", "")];
    let names = [("a", "a"), ("b.c", "b.c"), ("tx.height", "level"), ("d", "")];
    let text = r"^(?<a>\S+) (?<b.c>[A-Z]+) (?<d>\w+): (?<tx.height>\d+)?";
    let extractions = [
        Extraction::json(pairs).unwrap(),
        Extraction::json_events("/events", pairs).unwrap(),
        Extraction::logfmt(names).unwrap(),
        Extraction::text(text).unwrap(),
    ];
    let query: Query = "NOT (a = 'x' AND b.c = 'y' AND tx.height = 5 AND d = 'z')".parse().unwrap();
    run(2, |random| {
        let bytes = random.bytes(&PAYLOADS);
        for extraction in &extractions {
            let payload = Payload::new(extraction, &bytes);
            let mut tags = Tags::new();
            tags.set_source(&payload);
            let _either = query.matches(&tags);
            let mut supplied = Tags::new();
            payload.supply(&mut supplied);
            assert!(!payload.is_malformed() || supplied.is_empty(), "{bytes:?}");
        }
    });
}
