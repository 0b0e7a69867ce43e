//! What to tell somebody whose query is nearly right.

use crate::error::{ParseError, Reason};
use crate::lexer::{Kind, Token};

use super::Parser;

/// Operators in letters of the strict language, and those of the extended one.
const STRICT_WORDS: [&str; 2] = ["CONTAINS", "EXISTS"];
const EXTENDED_WORDS: [&str; 6] = ["CONTAINS", "EXISTS", "IN", "STARTS", "ENDS", "MATCHES"];

impl<'t> Parser<'t, '_> {
    /// Something else was expected of the token.
    pub(super) fn wrong(&self, expected: &str) -> ParseError {
        ParseError::new(self.text, Reason::Syntax, self.lexer.token.place()).expecting(expected)
    }

    /// A condition is complete, and neither another one nor the end follows.
    pub(super) fn no_connective(&self) -> ParseError {
        let expected = match (self.extended(), self.depth) {
            (false, _) => "AND or the end",
            (true, 0) => "AND, OR or the end",
            (true, _) => "AND, OR or )",
        };
        let near = match self.extended() {
            true => nearest(self.lexer.token, &["AND", "OR", "IGNORE"]),
            false => nearest(self.lexer.token, &["AND"]),
        };
        let error = self.wrong(expected);
        if !self.extended() && self.lexer.token.is_word("OR") {
            return error.finding("`OR`, which is not in the strict language");
        }
        error.suggesting(near)
    }

    /// A condition does not begin with a tag.
    pub(super) fn no_tag(&self) -> ParseError {
        let expected = match self.extended() {
            true => "a tag, NOT, SAME EVENT or (",
            false => "a tag",
        };
        let suggestion = match self.lexer.token.kind {
            // `'account.name' = 'x'`: tags have no quotes.
            Kind::Text if is_plain_tag(self.lexer.token.text) => {
                Some(self.lexer.token.text.to_owned())
            }
            _ => None,
        };
        self.wrong(expected).suggesting(suggestion)
    }

    /// A tag is not followed by an operator.
    pub(super) fn no_operator(&self, tag: Token<'t>) -> ParseError {
        let (expected, words): (_, &[&str]) = match self.extended() {
            true => (
                "=, !=, <, <=, >, >=, CONTAINS, EXISTS, IN, STARTS WITH, ENDS WITH or MATCHES",
                &EXTENDED_WORDS,
            ),
            false => ("=, <, <=, >, >=, CONTAINS or EXISTS", &STRICT_WORDS),
        };
        let suggestion = match self.lexer.token.text {
            "is" | "IS" | "eq" | "EQ" | "equals" | "EQUALS" => Some("=".to_owned()),
            "like" | "LIKE" => Some("CONTAINS".to_owned()),
            "HAS" | "has" | "INCLUDES" | "includes" => Some("CONTAINS".to_owned()),
            _ => nearest(self.lexer.token, words),
        };
        // `not a = 'x'`, `same event (...)`: a keyword in small letters looks like a tag.
        if self.extended() && ["not", "Not", "same", "Same"].contains(&tag.text) {
            let error = ParseError::new(self.text, Reason::Syntax, tag.place());
            let keyword = tag.text.to_uppercase();
            return error.expecting("a tag and an operator").suggesting(Some(keyword));
        }
        self.wrong(expected).suggesting(suggestion)
    }

    /// An operator is not followed by what it compares with.
    pub(super) fn no_operand(&self, expected: &str) -> ParseError {
        let suggestion = match self.lexer.token.kind {
            // `a == 5`, `a => 5`, `a <> 5`
            Kind::Equal | Kind::Less | Kind::Greater | Kind::AtLeast | Kind::AtMost => {
                self.doubled()
            }
            Kind::Word => self.unquoted(),
            // `a > '5'`
            Kind::Text if is_number(self.lexer.token.text) => {
                Some(self.lexer.token.text.to_owned())
            }
            Kind::Number | Kind::Date | Kind::Time if expected.starts_with("a string") => {
                Some(format!("'{}'", self.lexer.token.text))
            }
            _ => None,
        };
        self.wrong(expected).suggesting(suggestion)
    }

    /// Two operators of which one was meant.
    fn doubled(&self) -> Option<String> {
        let before = self.text[..self.lexer.token.start].trim_end();
        let both = match (before.chars().next_back()?, self.lexer.token.text) {
            ('=', "=") => "=",
            ('=', ">") | ('>', "=" | ">=") => ">=",
            ('=', "<") | ('<', "=" | "<=") => "<=",
            ('<', ">") if self.extended() => "!=",
            _ => return None,
        };
        Some(both.to_owned())
    }

    /// A word where a value was expected: a string without quotes, or a misspelt keyword.
    fn unquoted(&self) -> Option<String> {
        let rest = &self.text[self.lexer.token.end..];
        let followed_by_digit = rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let glued = ["DATE", "TIME"].iter().find(|word| self.lexer.token.text.starts_with(**word));
        match (nearest(self.lexer.token, &["DATE", "TIME"]), glued) {
            (Some(word), _) if followed_by_digit => Some(word),
            // `DATE2013-05-03`
            (_, Some(word)) if self.lexer.token.text.len() > word.len() => {
                Some(format!("{word} {}", &self.lexer.token.text[word.len()..]))
            }
            _ => Some(format!("'{}'", self.lexer.token.text)),
        }
    }
}

/// The keyword that the word is nearly, or in other letters.
fn nearest(token: Token<'_>, keywords: &[&str]) -> Option<String> {
    if token.kind != Kind::Word {
        return None;
    }
    let typed = token.text.to_uppercase();
    let distance = |keyword: &&&str| strsim::damerau_levenshtein(&typed, keyword);
    let keyword = keywords.iter().min_by_key(distance)?;
    // One slip in a short word, two in a long one.
    let slips = if keyword.len() <= 3 { 1 } else { 2 };
    (distance(&keyword) <= slips && token.text != *keyword).then(|| match *keyword {
        "STARTS" | "ENDS" => format!("{keyword} WITH"),
        "IGNORE" => "IGNORE CASE".to_owned(),
        _ => (*keyword).to_owned(),
    })
}

fn is_plain_tag(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(inner)
}

fn is_number(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    !whole.is_empty() && digits(whole) && digits(fraction)
}
