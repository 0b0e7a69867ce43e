//! The words of the language: text → tokens, one at a time.
//!
//! A token borrows the text and knows its place. Nothing is allocated unless the text is wrong.

use std::ops::Range;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

use crate::calendar;
use crate::error::{ParseError, Reason};
use crate::options::Dialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tag, or a keyword where one may stand.
    Word,
    Number,
    /// Without its quotes.
    Text,
    /// Without the word `DATE`.
    Date,
    /// Without the word `TIME`.
    Time,
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Open,
    Close,
    Comma,
    End,
}

/// A token: what it is, what it says, and where it begins and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token<'_> {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub(crate) fn place(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Reads tokens; a copy of it looks ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    dialect: Dialect,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect) -> Lexer<'t> {
        Lexer { text, at: 0, dialect }
    }

    /// The next token; [`Kind::End`] for ever at the end.
    pub(crate) fn next(&mut self) -> Result<Token<'t>, ParseError> {
        self.skip_blanks();
        let start = self.at;
        let bytes = self.text.as_bytes();
        let Some(&first) = bytes.get(start) else {
            return Ok(Token { kind: Kind::End, text: "", start, end: start });
        };
        let second = bytes.get(start + 1).copied();
        let extended = self.dialect == Dialect::Extended;
        let (kind, length) = match (first, second) {
            (b'\'', _) => return self.string(),
            (b'0'..=b'9', _) => return Ok(self.number()),
            (b'-', Some(b'0'..=b'9')) if extended => return Ok(self.number()),
            (b'<', Some(b'=')) => (Kind::AtMost, 2),
            (b'<', _) => (Kind::Less, 1),
            (b'>', Some(b'=')) => (Kind::AtLeast, 2),
            (b'>', _) => (Kind::Greater, 1),
            (b'=', _) => (Kind::Equal, 1),
            (b'!', Some(b'=')) if extended => (Kind::Differs, 2),
            (b'(', _) if extended => (Kind::Open, 1),
            (b')', _) if extended => (Kind::Close, 1),
            (b',', _) if extended => (Kind::Comma, 1),
            _ => return self.word(),
        };
        Ok(self.token(kind, start + length))
    }

    fn token(&mut self, kind: Kind, end: usize) -> Token<'t> {
        let start = self.at;
        self.at = end;
        Token { kind, text: &self.text[start..end], start, end }
    }

    fn skip_blanks(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t'..=b'\r' => self.at += 1,
                0..0x80 => break,
                _ => match self.text[self.at..].chars().next() {
                    Some(c) if c.is_whitespace() => self.at += c.len_utf8(),
                    _ => break,
                },
            }
        }
    }

    /// From a quote to the next one; there is no escape.
    fn string(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let Some(length) = memchr::memchr(b'\'', inside.as_bytes()) else {
            return Err(ParseError::new(self.text, Reason::Syntax, start..self.text.len())
                .finding("a string that does not end")
                .expecting("a closing quote (')"));
        };
        self.at = start + 1 + length + 1;
        Ok(Token { kind: Kind::Text, text: &inside[..length], start, end: self.at })
    }

    /// Digits, and a point with any number of digits behind it; in the extended language after a
    /// minus sign.
    fn number(&mut self) -> Token<'t> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| {
            from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let mut end = digits(self.at + usize::from(bytes[self.at] == b'-'));
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        self.token(Kind::Number, end)
    }

    /// A tag or keyword; `DATE` and `TIME` before a blank take in what follows.
    fn word(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let end = start + self.word_length();
        if end == start {
            return Err(self.stray());
        }
        if self.text.as_bytes().get(end) == Some(&b' ') {
            match &self.text[start..end] {
                "DATE" => return self.stamp(Kind::Date, end + 1),
                "TIME" => return self.stamp(Kind::Time, end + 1),
                _ => {}
            }
        }
        Ok(self.token(Kind::Word, end))
    }

    fn word_length(&self) -> usize {
        let rest = &self.text[self.at..];
        let mut length = 0;
        while let Some(&byte) = rest.as_bytes().get(length) {
            let fits = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
                // The caller has seen to it that none of them is first, but for `.` and `-`.
                b'0'..=b'9' | b'.' | b'-' => length > 0,
                0..0x80 => false,
                _ => match rest[length..].chars().next() {
                    Some(c) if is_letter_or_digit(c) => {
                        length += c.len_utf8();
                        continue;
                    }
                    _ => false,
                },
            };
            if !fits {
                break;
            }
            length += 1;
        }
        length
    }

    /// The value of a date or a time, which begins at `start`.
    fn stamp(&mut self, kind: Kind, start: usize) -> Result<Token<'t>, ParseError> {
        let is_part = |byte: &u8| match kind {
            Kind::Date => matches!(byte, b'0'..=b'9' | b'-'),
            _ => matches!(byte, b'0'..=b'9' | b'-' | b'+' | b':' | b'T' | b'Z'),
        };
        let length = self.text.as_bytes()[start..].iter().take_while(|byte| is_part(byte)).count();
        let end = start + length;
        let stamp = &self.text.as_bytes()[start..end];
        let (good, expected) = match kind {
            Kind::Date => (
                calendar::literal_date(stamp).is_some(),
                "a date yyyy-mm-dd after DATE, from 1900 to 2999",
            ),
            _ => (
                calendar::literal_time(stamp).is_some(),
                "a time yyyy-mm-ddThh:mm:ssZ after TIME, or with +hh:mm for Z, from 1900 to 2999",
            ),
        };
        if !good {
            let end = if length > 0 { end } else { self.next_char(start) };
            let error = ParseError::new(self.text, Reason::Syntax, start..end);
            return Err(error.expecting(expected));
        }
        let token = Token { kind, text: &self.text[start..end], start: self.at, end };
        self.at = end;
        Ok(token)
    }

    /// The error for a character that begins no token.
    fn stray(&self) -> ParseError {
        let (text, at) = (self.text, self.at);
        let rest = &text[at..];
        let strict = self.dialect == Dialect::Strict;
        let mut end = self.next_char(at);
        let mut suggestion = None;
        if let Some(inside) = rest.strip_prefix(['"', '`', '’', '‘', '“', '”']) {
            let close = inside.find(['"', '`', '’', '‘', '“', '”', '\'']);
            let inside = &inside[..close.unwrap_or(inside.len())];
            if let Some(close) = close {
                end = self.next_char(at + rest.find(inside).unwrap_or(0) + close);
            }
            let inside = inside.trim_end();
            suggestion = (!inside.contains(char::is_control)).then(|| format!("'{inside}'"));
        }
        let pairs: [(&str, &str, bool); 6] = [
            ("&&", "AND", true),
            ("&", "AND", true),
            ("||", "OR", !strict),
            ("|", "OR", !strict),
            ("!", "NOT", !strict),
            ("~", "MATCHES", !strict),
        ];
        if let Some((wrong, right, _)) =
            pairs.iter().find(|(wrong, _, known)| *known && rest.starts_with(wrong))
        {
            end = at + wrong.len();
            suggestion = Some((*right).to_owned());
        }
        let error = ParseError::new(text, Reason::Syntax, at..end);
        let extension = rest.starts_with(['(', ')', ',', '-']) || rest.starts_with("!=");
        let expected = match (strict && extension, rest.as_bytes()[0]) {
            (true, b'-') => "no sign: negative numbers are not in the strict language",
            (true, _) => "a word of the strict language; this is one of the extended language only",
            _ => "a tag, an operator, a number or a string in single quotes",
        };
        error.expecting(expected).suggesting(suggestion)
    }

    fn next_char(&self, at: usize) -> usize {
        at + self.text[at..].chars().next().map_or(0, char::len_utf8)
    }
}

/// Whether a tag may contain this character, which is not ASCII: a letter (category L) or a
/// decimal digit (Nd). `char::is_alphanumeric` takes in marks and other numbers, too.
fn is_letter_or_digit(c: char) -> bool {
    static CLASS: LazyLock<ClassUnicode> = LazyLock::new(|| {
        let class = regex_syntax::parse(r"[\p{L}\p{Nd}]").map(regex_syntax::hir::Hir::into_kind);
        match class {
            Ok(HirKind::Class(Class::Unicode(class))) => class,
            // The pattern is constant, and the tests use it.
            _ => ClassUnicode::empty(),
        }
    });
    let ranges = CLASS.ranges();
    let at = ranges.partition_point(|range| range.end() < c);
    ranges.get(at).is_some_and(|range| range.start() <= c)
}
