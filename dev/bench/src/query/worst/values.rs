//! Many values of one key, in one event or each in its own.

use floodway_query::{Options, Query};

use super::{MOST, letters, repeated};

/// A name, a query, values of the first key it names, and whether they are all of one event.
type Case = (String, Result<Query, String>, Vec<String>, bool);

/// Values of 64 KiB at most.
fn shapes() -> Vec<(&'static str, Vec<String>)> {
    let of = |count: usize, value: &dyn Fn(usize) -> String| (0..count).map(value).collect();
    vec![
        ("512 numbers", of(MOST, &|n| (100 + n).to_string())),
        ("512 long numbers", of(MOST, &|n| format!("1.{}{n:04}", "0".repeat(122)))),
        ("512 dates", of(MOST, &|n| format!("20{:02}-02-{:02}", n % 100, 1 + n % 28))),
        ("512 times", of(MOST, &|n| format!("20{:02}-02-03T12:00:00.{n:09}+01:00", n % 100))),
        ("512 texts", of(MOST, &|n| format!("aaaaaaaaaaaaaaaa{n:04}{}", "v".repeat(108)))),
        ("512 of frequent bytes", of(MOST, &|_| "zqz".repeat(42))),
        ("512 of two letters", of(MOST, &letters)),
        ("512 of a and z", of(MOST, &|n| format!("{n:010b}").replace('0', "a").replace('1', "z"))),
        ("500 that end unlike", of(500, &|n| format!("{}{}", "zqz".repeat(42), letters(n)))),
        // So few that it is tempting to look at one condition after the other.
        ("100 numbers", of(100, &|n| (100 + n).to_string())),
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

/// Numbers of many digits, beside queries that nearly have them.
fn numbers() -> Vec<Case> {
    let of = |count: usize, value: &dyn Fn(usize) -> String| (0..count).map(value).collect();
    let zeros = |count: usize| "0".repeat(count);
    // What is halfway from 1 to the next number of the strict language, and most of its digits.
    let turn = format!("1.{}11754943508222875079687365372222456778", zeros(37));
    let shapes: [(&str, Vec<String>); 5] = [
        ("512 of 18 digits", of(MOST, &|n| format!("{}.{:014}", 9000 + n % 98, n * n * 7919))),
        ("512 of 128 digits", of(MOST, &|n| format!("{}.{}{:02}", 1 + n % 70, zeros(122), n % 90))),
        ("512 of 66 digits", of(MOST, &|n| format!("1.{}{:02}", zeros(62), n % 99))),
        ("512 where rounding turns", of(MOST, &|n| turn[..40 + n % 25].to_owned())),
        ("128 of 512 digits", of(128, &|n| format!("5.{}{}", zeros(508), n % 10))),
    ];
    let joined = |count: usize, word: &str, make: &dyn Fn(usize) -> String| {
        (0..count).map(make).collect::<Vec<_>>().join(word)
    };
    let strict = |text: String| Options::strict().parse(&text);
    let extended = |text: String| Options::extended().parse(&text);
    let queries = [
        ("strict, a.b >= 0", strict(joined(47, "AND ", &|n| format!("a.b>={n}")))),
        ("strict, a.b = 0.1", strict(joined(43, "AND ", &|n| format!("a.b={n}.1")))),
        ("strict, a.b > 1.0 and a little", {
            strict(joined(10, "AND ", &|n| format!("a.b>1.{}{n}", zeros(39))))
        }),
        ("strict, two bounds", strict("a.b>=1 AND a.b<1".to_owned())),
        (
            "a IN (9000, ...)",
            extended(format!("a IN({})", joined(98, ",", &|n| (9000 + n).to_string()))),
        ),
        ("a IN (1.0 and a little, ...)", {
            extended(format!("a IN({})", joined(7, ",", &|n| format!("1.{}{n:03}", zeros(62)))))
        }),
        ("two bounds", extended("a=9000.5 OR a=5.05".to_owned())),
    ];
    let mut all = Vec::new();
    for (what, query) in queries {
        for (shape, values) in &shapes {
            let query = query.clone().map_err(|error| error.to_string());
            all.push((format!("{shape}: {what}"), query, values.clone(), true));
        }
    }
    all
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = numbers();
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
