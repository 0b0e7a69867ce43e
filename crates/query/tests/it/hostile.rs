//! Text that is no query, or nearly one.

use floodway_query::{Options, Reason};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Words and signs of the language, and some that are not.
const PIECES: [&str; 44] = [
    "a",
    "b.c",
    "AND",
    "OR",
    "NOT",
    "EXISTS",
    "CONTAINS",
    "STARTS",
    "ENDS",
    "WITH",
    "MATCHES",
    "IN",
    "SAME",
    "EVENT",
    "IGNORE",
    "CASE",
    "DATE",
    "TIME",
    "2013-05-03",
    "2013-05-03T14:45:00Z",
    "5",
    "-5",
    "0.5",
    "'x'",
    "'",
    "\"",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "(",
    ")",
    ",",
    " ",
    "  ",
    "\n",
    "\u{a0}",
    "ä",
    "'(a|b'",
    "\u{301}",
    ".",
    "-",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    for options in [Options::strict(), Options::extended(), Options::extended().depth_max(3)] {
        match options.parse(text) {
            Ok(query) => {
                let again = options.length_max(4096).parse(query.as_str());
                prop_assert_eq!(again.ok(), Some(query));
            }
            Err(error) => {
                prop_assert!(error.offset() <= text.len());
                prop_assert!(text.is_char_boundary(error.offset()));
                prop_assert!(*error.reason() != Reason::Syntax || !error.expected().is_empty());
                prop_assert!(error.to_string().lines().count() <= 4, "{}", error);
            }
        }
    }
    Ok(())
}

// checklist: C2, C3
proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..80)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_words(words in vec((select(&PIECES[..]), any::<bool>()), 0..24)) {
        let blank = |spaced| if spaced { " " } else { "" };
        let pieces = words.iter().flat_map(|(word, spaced)| [*word, blank(*spaced)]);
        let text: String = pieces.collect();
        check(&text)?;
    }
}
