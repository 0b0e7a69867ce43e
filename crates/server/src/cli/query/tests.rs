use clap::Parser;

use super::*;
use crate::cli::{Cli, Command as Top};

/// What is printed, and the exit code.
fn floodway(args: &[&str]) -> (String, u8) {
    let cli = Cli::try_parse_from(["floodway", "query"].iter().chain(args)).unwrap();
    let Top::Query(args) = cli.command else { panic!("another command") };
    let mut out = Vec::new();
    match execute(&args, &mut out) {
        Ok(yes) => (String::from_utf8(out).unwrap(), u8::from(!yes)),
        Err(Failure::Usage(text)) => (text, 2),
        Err(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn a_match_is_0_and_none_is_1() {
    let tags = r#"{"tx.height": ["5"], "tx.gas": 7, "x.y": null}"#;
    let yes = floodway(&["match", "tx.height = 5 AND tx.gas = '7'", "--tags", tags]);
    assert_eq!(yes, ("match\n".to_owned(), 0));
    let no = floodway(&["match", "tx.height = 6", "--tags", tags]);
    assert_eq!(no, ("no_match\n".to_owned(), 1));
    assert_eq!(floodway(&["match", "x EXISTS", "--tags", tags]).1, 0, "the event type is there");
    assert_eq!(floodway(&["match", "x.y EXISTS", "--tags", tags]).1, 1);
}

#[test]
fn events_are_a_list() {
    let tags = r#"[{"t.a": "1", "t.b": "1"}, {"t.a": ["2"], "t.b": ["2"]}]"#;
    let ask = |query| floodway(&["match", query, "--tags", tags]).1;
    assert_eq!(ask("t.a = 1 AND t.b = 2"), 0);
    assert_eq!(ask("SAME EVENT (t.a = 1 AND t.b = 2)"), 1);
    assert_eq!(ask("SAME EVENT (t.a = 2 AND t.b = 2)"), 0);
}

#[test]
fn what_is_not_valid_is_2_and_shows_the_place() {
    let (text, code) = floodway(&["match", "tx.height == 5", "--tags", "{}"]);
    assert_eq!(code, 2);
    assert!(text.contains("column 12") && text.contains("           ^"), "{text}");
    for tags in ["", "[[]]", "5", r#"{"a": {}}"#, r#"{"a": [["b"]]}"#, r#"{"a": 1"#] {
        assert_eq!(floodway(&["match", "a = 1", "--tags", tags]).1, 2, "{tags}");
    }
    assert_eq!(floodway(&["check", "a = 1 OR b = 2"]).1, 0);
    assert_eq!(floodway(&["check", "a = 1 OR b = 2", "--strict"]).1, 2);
    assert_eq!(floodway(&["check", "a = 1", "--max-length", "4"]).1, 2);
    assert_eq!(floodway(&["match", "--file", "/nonexistent/cases"]).1, 2);
}

#[test]
fn the_others() {
    assert_eq!(floodway(&["check", "a='b'"]), ("valid\n".to_owned(), 0));
    assert_eq!(floodway(&["fmt", "a='b'AND(c=5)"]), ("a = 'b' AND c = 5\n".to_owned(), 0));
    let (text, code) = floodway(&["explain", "a = 'b' AND c > 5"]);
    assert!(code == 0 && text.contains("values of a (hashed)"), "{text}");
}

#[test]
fn a_file_has_one_answer_a_line() {
    let lines = r#"{"query": "a.b = 1", "events": {"a.b": ["1"]}, "expect": "match"}

{"query": "a.b = 1", "events": {}}
{"query": "a.b = ", "events": {}, "expect": "syntax_error", "note": "an empty value"}
"#;
    let answers = |lines: &str| {
        let mut out = Vec::new();
        let good = cases::run(&Options::strict(), lines.as_bytes(), &mut out).unwrap();
        (String::from_utf8(out).unwrap(), good)
    };
    assert_eq!(answers(lines), ("match\nno_match\nsyntax_error\n".to_owned(), true));
    let wrong = lines.replace("syntax_error", "match");
    assert_eq!(answers(&wrong), ("match\nno_match\nsyntax_error\n".to_owned(), false));
    let mut out = Vec::new();
    let lines = b"{\"query\": \"a = 1\"}\n{\"query\": 5}";
    let broken = cases::run(&Options::strict(), &lines[..], &mut out);
    let Err(Failure::Usage(text)) = broken else { panic!("{broken:?}") };
    assert_eq!(text, "line 2, column 11: invalid type: integer `5`, expected a string");
}

#[test]
fn bad_usage_is_not_understood() {
    let cases: [&[&str]; 5] = [
        &["match"],
        &["match", "a = 1"],
        &["match", "--tags", "{}"],
        &["match", "a = 1", "--tags", "{}", "--file", "x"],
        &["check"],
    ];
    for args in cases {
        let all = ["floodway", "query"].iter().chain(args);
        assert_eq!(Cli::try_parse_from(all).unwrap_err().exit_code(), 2, "{args:?}");
    }
}
