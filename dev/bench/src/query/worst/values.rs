//! Many values of one key, in one event or each in its own.

use floodway_query::Query;

use super::{letters, repeated};

/// A name, a query, values of the key `a`, and whether they are all of one event.
type Case = (String, Result<Query, String>, Vec<String>, bool);

/// Values of 64 KiB at most.
fn shapes() -> Vec<(&'static str, Vec<String>)> {
    let of = |count: usize, value: &dyn Fn(usize) -> String| (0..count).map(value).collect();
    vec![
        ("1024 numbers", of(1024, &|n| (100 + n).to_string())),
        ("1024 long numbers", of(1024, &|n| format!("1.{}{n:04}", "0".repeat(36)))),
        ("1024 dates", of(1024, &|n| format!("20{:02}-02-{:02}", n % 100, 1 + n % 28))),
        ("1024 times", of(1024, &|n| format!("20{:02}-02-03T12:00:00.{n:09}Z", n % 100))),
        ("1024 texts", of(1024, &|n| format!("aaaaaaaaaaaaaaaa{n:04}{}", "v".repeat(40)))),
        ("1024 of frequent bytes", of(1024, &|_| "zqz".repeat(20))),
        ("1024 of two letters", of(1024, &letters)),
        ("1024 of a and z", of(1024, &|n| format!("{n:010b}").replace('0', "a").replace('1', "z"))),
        ("1008 that end unlike", of(1008, &|n| format!("{}{}", "zqz".repeat(21), letters(n)))),
        // So few that it is tempting to look at one condition after the other.
        ("500 numbers", of(500, &|n| (100 + n).to_string())),
        ("128 texts", of(128, &|n| format!("{}{n}", "a".repeat(508)))),
        // Not all of these are seen.
        ("13107 digits", of(13_107, &|n| (n % 10).to_string())),
    ]
}

/// Each operator, as often as 512 bytes hold it.
fn queries() -> Vec<(&'static str, Result<Query, String>)> {
    let listed = |make: &dyn Fn(usize) -> String, count: usize| {
        let list: Vec<String> = (0..count).map(make).collect();
        repeated(|_| format!("a IN({})", list.join(",")), " OR ")
    };
    vec![
        ("a > 9000", repeated(|n| format!("a>{}", 9000 + n), "OR ")),
        ("a = 9000", repeated(|n| format!("a={}", 9000 + n), "OR ")),
        ("a IN (9000, ...)", listed(&|n| (9000 + n).to_string(), 98)),
        ("a IN ('x', ...)", listed(&|n| format!("'{n}x'"), 72)),
        ("a > DATE", repeated(|n| format!("a>DATE 2999-01-{:02}", 1 + n % 28), "OR ")),
        ("a > TIME", repeated(|n| format!("a>TIME 2999-01-01T00:00:{n:02}Z"), "OR ")),
        ("a IN (1, 2, ...)", listed(&|n| (n % 10).to_string(), 248)),
        ("a STARTS WITH", repeated(|n| format!("a STARTS WITH'aaaaaaaa{}'", letters(n)), "OR ")),
        ("a STARTS WITH, nested", repeated(|n| format!("a STARTS WITH'{}'", "a".repeat(n)), "OR ")),
        (
            "a STARTS WITH, halves of halves",
            repeated(
                |n| {
                    format!(
                        "a STARTS WITH'{}'",
                        format!("{n:05b}").replace('0', "a").replace('1', "z")
                    )
                },
                "OR ",
            ),
        ),
        ("a STARTS WITH, long", repeated(|_| format!("a STARTS WITH'{}'", "a".repeat(490)), "OR ")),
        ("a ENDS WITH", repeated(|n| format!("a ENDS WITH'v{}'", letters(n)), "OR ")),
        ("a CONTAINS", repeated(|n| format!("a CONTAINS'zq{}z'", letters(n + 26)), "OR ")),
        // One piece is found at every place, the others are not.
        (
            "a CONTAINS, found",
            repeated(
                |n| format!("a CONTAINS'zq{}'", if n == 0 { "z".into() } else { letters(n) }),
                "AND ",
            ),
        ),
        ("a CONTAINS, nested", repeated(|n| format!("a CONTAINS'{}'", "a".repeat(n + 1)), "AND ")),
        (
            "a MATCHES",
            (0..4)
                .map(|n| format!("a MATCHES '(a|b)*{n}c'"))
                .collect::<Vec<_>>()
                .join(" OR ")
                .parse::<Query>()
                .map_err(|error| error.to_string()),
        ),
        (
            "SAME EVENT (a STARTS WITH)",
            repeated(|n| format!("SAME EVENT(a STARTS WITH'a{}')", letters(n)), "OR "),
        ),
        ("SAME EVENT (a = 9000)", repeated(|n| format!("SAME EVENT(a={})", 9000 + n), "OR ")),
        ("SAME EVENT (a > 1 AND b = 1)", repeated(|n| format!("SAME EVENT(a>{n} AND b=1)"), "OR ")),
        ("SAME EVENT (NOT a > 1)", repeated(|n| format!("SAME EVENT(NOT a>{n})"), "AND ")),
        (
            "SAME EVENT (a CONTAINS)",
            repeated(|n| format!("SAME EVENT(a CONTAINS'zq{}z')", letters(n + 26)), "OR "),
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (what, query) in queries() {
        for (shape, values) in shapes() {
            // What is asked of events is asked where each value is one.
            let is_one_event = !what.starts_with("SAME");
            let events = if is_one_event { "" } else { ", each an event" };
            let name = format!("{shape}{events}: {what}");
            all.push((name, query.clone(), values, is_one_event));
        }
    }
    all
}
