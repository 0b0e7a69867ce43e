use std::time::{Duration, Instant};

use floodway::{Conflation, Fallback, Filter, Limits, Overflow, Policy};

use super::cover::Covers;
use crate::config::{Config, Overrides};

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("f.toml", text, &Overrides::default()).map_err(|error| error.to_string())
}

/// Tables; in a list they could not be told apart by their lines.
const RULES: &str = "\
[overflow.subscription]
messages = 50
bytes = '2MiB'
ttl = '1s'

[[overflow.rules]]
subject = 'quotes.>'
user = 'ann'
policy = 'conflate'
key = 'header:Symbol'
fallback = 'disconnect'
messages = 'none'
bytes = '3MiB'

[[overflow.rules]]
subject = 'quotes.>'
policy = 'conflate'
ttl = 0

[[overflow.rules]]
subject = 'logs.*'
behind = '5s'
";

#[test]
fn rules_are_read_in_order_and_what_they_leave_out_is_the_subscriptions() {
    let limits = Limits {
        messages: Some(50),
        bytes: Some(2 << 20),
        behind: None,
        ttl: Some(Duration::from_secs(1)),
    };
    let by_symbol = Policy::Conflate(Conflation {
        key: "header:Symbol".parse().unwrap(),
        fallback: Fallback::Disconnect,
    });
    let conflate = Policy::from_name("conflate").unwrap();
    let wanted = [
        (
            "quotes.>",
            Some("ann"),
            by_symbol,
            Limits { messages: None, bytes: Some(3 << 20), ..limits },
        ),
        ("quotes.>", None, conflate, Limits { ttl: None, ..limits }),
        (
            "logs.*",
            None,
            Policy::Disconnect,
            Limits { behind: Some(Duration::from_secs(5)), ..limits },
        ),
    ];
    let config = parse(RULES).unwrap();
    assert_eq!(config.overflow.rules.len(), wanted.len());
    for (rule, (subject, user, policy, limits)) in config.overflow.rules.iter().zip(wanted) {
        assert_eq!(rule.subject.to_string(), subject);
        assert_eq!(rule.user.as_deref(), user);
        assert_eq!(rule.overflow, Overflow::new(policy, limits));
    }
}

#[test]
fn printed_rules_read_back_the_same() {
    let config = parse(RULES).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    // They stand by themselves: without the section they were completed from they are the same.
    let printed = config.to_toml();
    let (start, rest) = printed.split_once("[overflow.subscription]").unwrap();
    let (_, end) = rest.split_once("\n\n").unwrap();
    assert_eq!(parse(&format!("{start}{end}")).unwrap().overflow.rules, config.overflow.rules);
}

#[test]
fn a_list_of_rules_is_the_same_as_tables() {
    let list = "overflow.rules = [{ subject = 'a' }, { subject = 'b', policy = 'drop-oldest' }]";
    let tables = "[[overflow.rules]]\nsubject = 'a'\n\
                  [[overflow.rules]]\nsubject = 'b'\npolicy = 'drop-oldest'";
    assert_eq!(parse(list), parse(tables));
    assert_eq!(parse("overflow.rules = []"), Ok(Config::default()));
}

#[test]
fn mistakes_in_a_rule_have_a_place_and_a_remedy() {
    // After `overflow.rules = [{ subject = 'a', ` comes what is wrong, in column 36.
    let keys = [
        ("mesages = 1", 36, "unknown key `overflow.rules.mesages`; did you mean `overflow.rules.m"),
        ("zzzzzzz = 1", 36, "there are `subject`, `user`, `policy`, `key`, `fallback`, `messages`"),
        ("policy = 'merge'", 45, "wrong value for `overflow.rules.policy`: the policy `merge` is "),
        ("policy = 'drop-oldst'", 45, "did you mean `drop-oldest`?"),
        ("policy = 'conflate', key = 'sub'", 63, "write \"subject\", \"header:NAME\" or"),
        ("policy = 'conflate', key = 'json:a'", 63, "no JSON pointer"),
        ("policy = 'conflate', fallback = 'spil'", 68, "none of `drop-oldest`, `drop-newest`, `d"),
        ("key = 'subject'", 42, "only for the policy `conflate`, and this rule's is `disconnect`"),
        ("policy = 'drop-newest', fallback = 'disconnect'", 71, "this rule's is `drop-newest`"),
        ("user = ''", 43, "leave it out for every user"),
        ("user = 1", 43, "is not a string"),
        ("messages = -1", 47, "whole number"),
        ("bytes = '1XB'", 44, "`1XB` is not a size"),
        ("bytes = 1048575", 44, "`limits.payload` (1MiB) must not be more than it (1048575)"),
        ("behind = 2", 45, "write \"2s\" or \"2ms\""),
        ("ttl = 'long'", 42, "wrong value for `overflow.rules.ttl`: `long` is not a duration"),
    ];
    for (key, column, expected) in keys {
        let text = format!("overflow.rules = [{{ subject = 'a', {key} }}]");
        let error = parse(&text).expect_err(&text);
        assert!(error.starts_with(&format!("f.toml:1:{column}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
        assert_eq!(error.matches("f.toml:").count(), 1, "one mistake is told once\n{error}");
    }
    let rules = [
        ("overflow.rules = 'a'", "1:18", "is not a list; write [{ subject ="),
        ("overflow.rules = ['a']", "1:19", "each of `overflow.rules` is like { subject ="),
        ("[overflow.rules]\nsubject = 'a'", "1:1", "write [[overflow.rules]], in two brackets"),
        ("[[overflow.rules]]\npolicy = 'conflate'", "1:1", "needs a `subject`, as in"),
        ("[[overflow.rules]]\nsubject = 'a..b'", "2:11", "`a..b` is no filter: empty token at"),
        ("[[overflow.rules]]\nsubject = ''", "2:11", "the subject is empty"),
        ("[overflow]\nrulez = []", "2:1", "did you mean `overflow.rules`?"),
    ];
    for (text, place, expected) in rules {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(&format!("f.toml:{place}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
        assert_eq!(error.matches("f.toml:").count(), 1, "{error}");
    }
}

#[test]
fn a_rule_has_a_query_in_its_dialect() {
    let text = "overflow.rules = [\n\
        { subject = 'a', query = \"kind='quote'AND(price<5)\" },\n\
        { dialect = 'strict', subject = 'b', query = 'x.y=5' }, { subject = 'c' }]";
    let config = parse(text).unwrap();
    let read: Vec<_> = config
        .overflow
        .rules
        .iter()
        .map(|rule| rule.query.as_ref().map(|of| (of.query.as_str(), of.query.dialect().name())))
        .collect();
    let wanted =
        [Some(("kind = 'quote' AND price < 5", "extended")), Some(("x.y = 5", "strict")), None];
    assert_eq!(read, wanted);
    assert_eq!(parse(&config.to_toml()), Ok(config));
}

// checklist: C2
#[test]
fn a_wrong_query_is_told_with_its_place_in_the_file_and_in_the_query() {
    // After `overflow.rules = [{ subject = 'a', ` comes what is wrong, in column 36.
    let cases = [
        (
            "query = \"a > 5 AN b < 6\"",
            51,
            "wrong value for `overflow.rules.query`: line 1, column 7 (byte 6): found `AN`, \
             expected AND, OR or the end; did you mean `AND`?",
        ),
        ("query = ''", 45, "line 1, column 1 (byte 0): found the end, expected"),
        ("query = \"a = 'ü' b\"", 53, "line 1, column 9 (byte 9): found `b`"),
        // Not as it stands in the file.
        ("query = \"a\\u0020> 5 AN b < 6\"", 44, "column 7 (byte 6): found `AN`"),
        ("query = \"a.b = 5 OR a.b = 6\", dialect = 'strict'", 53, "column 9 (byte 8): found `OR`"),
        ("query = 5", 44, "is not a string"),
        ("query = 'a = 5', dialect = 'strickt'", 63, "did you mean `strict`?"),
        ("dialect = 'strict'", 46, "only for a rule with a `query`; this one has none"),
        ("querry = 'a = 5'", 36, "did you mean `overflow.rules.query`?"),
    ];
    for (key, column, expected) in cases {
        let text = format!("overflow.rules = [{{ subject = 'a', {key} }}]");
        let error = parse(&text).expect_err(&text);
        assert!(error.starts_with(&format!("f.toml:1:{column}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
        assert_eq!(error.matches("f.toml:").count(), 1, "one mistake is told once\n{error}");
    }
    let text = "[[overflow.rules]]\nsubject = 'a'\nquery = \"\"\"\na > 5\nAN b < 6\"\"\"";
    let error = parse(text).unwrap_err();
    assert!(error.starts_with("f.toml:3:9: ") && error.contains("line 2, column 1"), "{error}");
}

#[test]
fn every_mistake_in_every_rule_is_told() {
    let text = "[[overflow.rules]]\nsubject = 'a b'\nuser = 3\n[[overflow.rules]]\nbehind = 4";
    let error = parse(text).unwrap_err();
    let places = ["f.toml:2:11:", "f.toml:3:8:", "f.toml:4:1:", "f.toml:5:10:"];
    let found: Vec<usize> = places.iter().map(|place| error.find(place).unwrap()).collect();
    assert!(found.is_sorted(), "{error}");
}

#[test]
fn a_user_of_a_rule_is_one_who_may_connect() {
    let rule = "[[overflow.rules]]\nsubject = 'a'\nuser = 'anne'";
    assert!(parse(rule).is_ok(), "without users anybody may call himself so");
    let users = "[auth]\nusers = [{ user = 'anna', password = 's3cret' }]\n";
    let error = parse(&format!("{users}{rule}")).unwrap_err();
    assert!(error.starts_with("f.toml:5:8: wrong value for `overflow.rules.user`: "), "{error}");
    assert!(error.contains("did you mean `anna`?") && !error.contains("s3cret"), "{error}");

    // What counts are the users after the flags, which replace those of the file.
    let mut flags = Overrides::default();
    flags.set_user("anne", "x");
    assert!(Config::parse("f.toml", &format!("{users}{rule}"), &flags).is_ok());
}

#[test]
fn a_rule_takes_the_largest_message() {
    let bytes = |bytes: &str| {
        let connection = "limits.payload = '17MiB'\noverflow.connection.bytes = '20MiB'";
        parse(&format!("{connection}\noverflow.rules = [{{ subject = 'a', {bytes} }}]"))
    };
    assert!(bytes("bytes = '17MiB'").is_ok());
    assert!(bytes("bytes = '16MiB'").is_err());
    assert!(bytes("bytes = 0").is_ok(), "no limit");
    // Without limits this policy gets 16 MiB.
    let error = bytes("policy = 'drop-oldest'").unwrap_err();
    assert!(error.starts_with("f.toml:3:19: `limits.payload` (17MiB) must not be"), "{error}");
    assert!(error.contains("the 16MiB that") && error.contains("set `overflow.rules.bytes`"));
    assert!(bytes("policy = 'drop-oldest', messages = 5").is_ok());
}

#[test]
fn a_rule_that_can_never_apply_names_the_one_before_it() {
    let two = |first: &str, second: &str| {
        parse(&format!("[[overflow.rules]]\n{first}\n\n[[overflow.rules]]\n{second}\n"))
    };
    let never = [
        ("subject = 'a'", "subject = 'a'"),
        ("subject = 'a.>'", "subject = 'a.*.c'\nuser = 'ann'"),
        ("subject = 'a'\nuser = 'ann'", "subject = 'a'\nuser = 'ann'"),
    ];
    for (first, second) in never {
        let error = two(first, second).expect_err(second);
        let line = 4 + first.matches('\n').count();
        assert!(error.starts_with(&format!("f.toml:{line}:1: this rule can never")), "{error}");
        assert!(error.contains("the one on line 1 is for all of `a"), "{error}");
    }
    let fine = [
        ("subject = 'a.*'", "subject = 'a.>'"),
        ("subject = 'a'\nuser = 'ann'", "subject = 'a'"),
        ("subject = 'a'\nuser = 'ann'", "subject = 'a'\nuser = 'bob'"),
    ];
    for (first, second) in fine {
        assert!(two(first, second).is_ok(), "{first}\n{second}");
    }
}

/// Every filter of one to three of these tokens, for one of two users or everybody, in an order
/// that has no pattern: the tree finds what comparing all pairs finds.
#[test]
fn the_tree_agrees_with_comparing_all_pairs() {
    let mut subjects: Vec<String> = ["a", "b", "*", ">"].map(str::to_owned).to_vec();
    for _ in 0..2 {
        let longer = |head: &String| ["a", "b", "*", ">"].map(|token| format!("{head}.{token}"));
        let more: Vec<String> = subjects.iter().flat_map(longer).collect();
        subjects.extend(more);
    }
    let mut rules: Vec<(Filter, Option<&str>)> = Vec::new();
    for subject in subjects.iter().filter_map(|text| Filter::new(text).ok()) {
        rules.extend([None, Some("x"), Some("y")].map(|user| (subject.clone(), user)));
    }
    for seed in 1..40_u64 {
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|n| {
            (*n as u64 + 1).wrapping_mul(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        });
        let mut covers = Covers::default();
        let mut taken: Vec<(usize, &(Filter, Option<&str>))> = Vec::new();
        for (number, n) in order.into_iter().enumerate() {
            let (filter, user) = &rules[n];
            let before = taken
                .iter()
                .find(|(_, (subject, of))| subject.covers(filter) && (of.is_none() || of == user));
            let before = before.map(|(number, _)| *number);
            assert_eq!(covers.insert(filter, *user, number), before, "seed {seed}: {filter}");
            if before.is_none() {
                taken.push((number, &rules[n]));
            }
        }
    }
}

#[test]
fn ten_thousand_rules_are_read_at_once_and_one_more_is_refused() {
    let rules = |count: usize| {
        let rule = |n| format!("[[overflow.rules]]\nsubject = 'tenant.{n}.>'\n");
        (0..count).map(rule).collect::<String>()
    };
    let begun = Instant::now();
    assert_eq!(parse(&rules(10_000)).unwrap().overflow.rules.len(), 10_000);
    println!("10,000 rules: {:?}", begun.elapsed());
    let error = parse(&rules(10_001)).unwrap_err();
    assert!(error.starts_with("f.toml:20001:1: there are 10001 rules"), "{error}");
}
