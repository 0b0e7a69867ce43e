use std::collections::BTreeMap;

use floodway_query::{Payload, Query, Tags};

use super::Declared;
use crate::config::{Config, Overrides};

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("f.toml", text, &Overrides::default()).map_err(|error| error.to_string())
}

const ALL: &str = "\
[[extract]]
subject = 'quotes.eu.>'
json = { symbol = '/symbol', quote.price = '/last/price', 'quote.venue' = '/venue' }

[[extract]]
subject = 'blocks'
events = '/events'
[extract.json]
transfer.amount = '/amount'
transfer.to = '/to'

[[extract]]
subject = 'quotes.>'
logfmt = { level = 'lvl' }

[[extract]]
subject = 'log.*'
text = '^(?<log.level>\\w+): (?<host>\\S+)'
";

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(tag, source)| ((*tag).to_owned(), (*source).to_owned())).collect()
}

#[test]
fn each_format_is_read() {
    let config = parse(ALL).unwrap();
    let read: Vec<_> =
        config.extract.iter().map(|one| (one.subject.to_string(), one.declared.clone())).collect();
    let quotes = [("quote.price", "/last/price"), ("quote.venue", "/venue"), ("symbol", "/symbol")];
    let transfers = [("transfer.amount", "/amount"), ("transfer.to", "/to")];
    let wanted = [
        ("quotes.eu.>", Declared::Json { events: None, tags: tags(&quotes) }),
        ("blocks", Declared::Json { events: Some("/events".into()), tags: tags(&transfers) }),
        ("quotes.>", Declared::Logfmt(tags(&[("level", "lvl")]))),
        ("log.*", Declared::Text(r"^(?<log.level>\w+): (?<host>\S+)".into())),
    ];
    assert_eq!(read, wanted.map(|(subject, declared)| (subject.to_owned(), declared)));
}

#[test]
fn what_is_read_takes_out_what_it_says() {
    let config = parse(ALL).unwrap();
    let cases = [
        (r#"{"symbol": "A", "last": {"price": 7}}"#, "symbol = 'A' AND quote.price > 6"),
        (
            r#"{"events": [{"to": "ann", "amount": 1}, {"to": "bob", "amount": 7}]}"#,
            "SAME EVENT (transfer.to = 'bob' AND transfer.amount = 7)",
        ),
        ("lvl=warn msg=x", "level = 'warn'"),
        ("warn: host7 is down", "log.level = 'warn' AND host = 'host7'"),
    ];
    for (entry, (payload, query)) in config.extract.iter().zip(cases) {
        let payload = Payload::new(&entry.extraction, payload.as_bytes());
        let mut tags = Tags::new();
        tags.set_source(&payload);
        assert!(query.parse::<Query>().unwrap().matches(&tags), "{query}");
    }
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let config = parse(ALL).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    let line = r#"{ subject = "quotes.>", logfmt = { "level" = "lvl" } },"#;
    assert!(config.to_toml().contains(line), "{}", config.to_toml());
    assert_ne!(parse(&ALL.replace("lvl", "level")), Ok(config));
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    // After `extract = [{ subject = 'a', ` comes what is wrong, in column 29.
    let keys = [
        ("jsn = {}", 29, "unknown key `extract.jsn`; did you mean `extract.json`?"),
        ("zzzzzz = {}", 29, "there are `subject`, `json`, `events`, `logfmt`, `text`"),
        ("json = '/a'", 36, "wrong value for `extract.json`: it is a table of tags and"),
        ("json = {}", 36, "it is a table of tags and where they are"),
        ("json = { a = 5 }", 42, "wrong value for `extract.json.a`: the number `5` is not a str"),
        ("json = { a = 'b' }", 42, "`extract.json.a`: `b` is not a JSON pointer such as /quote"),
        ("json = { a.b = '/x', '5a' = '/y' }", 50, "`5a` is no tag: letters, digits and"),
        ("json = { a.b = '/x', 'a.b' = '/y' }", 50, "this tag is there twice"),
        ("json = { a = '/a' }, events = 'x'", 59, "`extract.events`: `x` is not a JSON pointer"),
        ("json = { a = '/a' }, events = 1", 59, "is not a string"),
        ("logfmt = { 'a b' = 'c' }", 40, "wrong value for `extract.logfmt.a b`: `a b` is no tag"),
        ("logfmt = { a = 'a' }, events = '/x'", 60, "`extract.events` is only for `json`"),
        ("text = '(?<a>x'", 36, "wrong value for `extract.text`: not a regular expression: "),
        ("text = 'x'", 36, "has no named group such as (?<level>"),
        ("text = 'x', logfmt = { a = 'a' }", 36, "write another entry"),
        ("json = { a = '/a' }, text = '(?<a>x)'", 57, "one of `json`, `logfmt` and `text`; w"),
    ];
    for (key, column, expected) in keys {
        let text = format!("extract = [{{ subject = 'a', {key} }}]");
        let error = parse(&text).expect_err(&text);
        assert!(error.starts_with(&format!("f.toml:1:{column}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
        assert_eq!(error.matches("f.toml:").count(), 1, "one mistake is told once\n{error}");
    }
    let lists = [
        ("extract = 'a'", "1:11", "is not a list; write [{ subject ="),
        ("extract = ['a']", "1:12", "each of `extract` is like { subject ="),
        ("[extract]\nsubject = 'a'", "1:1", "write [[extract]], in two brackets"),
        ("[[extract]]\ntext = '(?<a>x)'", "1:1", "needs a `subject`, as in"),
        ("[[extract]]\nsubject = 'a'", "1:1", "needs one of `json`, `logfmt` and `text`"),
        ("[[extract]]\nsubject = 'a..b'\ntext = '(?<a>x)'", "2:11", "`a..b` is no filter: "),
        ("[[extrac]]\nsubject = 'a'", "1:3", "did you mean `extract`?"),
    ];
    for (text, place, expected) in lists {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(&format!("f.toml:{place}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn every_mistake_in_every_entry_is_told() {
    let text = "[[extract]]\nsubject = 'a b'\njson = { a = 'x', b = 'y' }\n\
                [[extract]]\nsubject = 5\ntext = '('";
    let error = parse(text).unwrap_err();
    let places = ["f.toml:2:11:", "f.toml:3:14:", "f.toml:3:23:", "f.toml:5:11:", "f.toml:6:8:"];
    let found: Vec<usize> = places.iter().map(|place| error.find(place).unwrap()).collect();
    assert!(found.is_sorted(), "{error}");
}

#[test]
fn an_entry_that_can_never_apply_names_the_one_before_it() {
    let two = |first: &str, second: &str| {
        let entry =
            |subject: &str| format!("[[extract]]\nsubject = '{subject}'\ntext = '(?<a>x)'\n");
        parse(&format!("{}{}", entry(first), entry(second)))
    };
    let error = two("a.>", "a.*.c").unwrap_err();
    assert!(error.starts_with("f.toml:4:1: this can never apply: the one on line 1"), "{error}");
    assert!(two("a.*", "a.>").is_ok());
    let many = |count: usize| {
        let entry = |n| format!("[[extract]]\nsubject = 's.{n}'\ntext = '(?<a>x)'\n");
        parse(&(0..count).map(entry).collect::<String>())
    };
    assert_eq!(many(1000).unwrap().extract.len(), 1000);
    assert!(many(1001).unwrap_err().starts_with("f.toml:3001:1: there are 1001 entries"));
}
