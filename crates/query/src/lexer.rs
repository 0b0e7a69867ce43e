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
    /// The token that is looked at; before the first one is read, [`Kind::End`]. It is written in
    /// place: returned from function to function it would be copied in other pieces than it was
    /// written in, for which the processor waits, and that took a fifth of the time.
    pub(crate) token: Token<'t>,
    text: &'t str,
    /// Where the next token or a blank before it begins.
    at: usize,
    dialect: Dialect,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect) -> Lexer<'t> {
        let token = Token { kind: Kind::End, text: "", start: 0, end: 0 };
        Lexer { token, text, at: 0, dialect }
    }

    /// Goes on to the next token; [`Kind::End`] for ever at the end.
    pub(crate) fn advance(&mut self) -> Result<(), ParseError> {
        self.skip_blanks();
        let start = self.at;
        let bytes = self.text.as_bytes();
        let Some(&first) = bytes.get(start) else {
            self.token = Token { kind: Kind::End, text: "", start, end: start };
            return Ok(());
        };
        let second = bytes.get(start + 1).copied();
        let extended = self.dialect == Dialect::Extended;
        let (kind, length) = match (first, second) {
            (b'\'', _) => return self.string(),
            (b'0'..=b'9', _) => (Kind::Number, self.number_length()),
            (b'-', Some(b'0'..=b'9')) if extended => (Kind::Number, self.number_length()),
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
        let end = start + length;
        self.put(kind, start..end, end);
        Ok(())
    }

    /// The token goes up to `end` and says what is in `said`.
    #[inline]
    fn put(&mut self, kind: Kind, said: Range<usize>, end: usize) {
        self.token = Token { kind, text: &self.text[said], start: self.at, end };
        self.at = end;
    }

    fn skip_blanks(&mut self) {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            if byte.is_ascii() {
                match is(byte, BLANK) {
                    true => self.at += 1,
                    false => break,
                }
                continue;
            }
            match self.text[self.at..].chars().next() {
                Some(c) if c.is_whitespace() => self.at += c.len_utf8(),
                _ => break,
            }
        }
    }

    /// From a quote to the next one; there is no escape.
    fn string(&mut self) -> Result<(), ParseError> {
        let (start, inside) = (self.at, self.at + 1);
        let Some(length) = memchr::memchr(b'\'', &self.text.as_bytes()[inside..]) else {
            return Err(ParseError::new(self.text, Reason::Syntax, start..self.text.len())
                .finding("a string that does not end")
                .expecting("a closing quote (')"));
        };
        self.put(Kind::Text, inside..inside + length, inside + length + 1);
        Ok(())
    }

    /// Digits, and a point with any number of digits behind it; in the extended language after a
    /// minus sign.
    fn number_length(&self) -> usize {
        let bytes = &self.text.as_bytes()[self.at..];
        let digits = |from: usize| {
            from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let end = digits(usize::from(bytes[0] == b'-'));
        if bytes.get(end) == Some(&b'.') { digits(end + 1) } else { end }
    }

    /// A tag or keyword; `DATE` and `TIME` before a blank take in what follows.
    fn word(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let end = start + self.word_length();
        if end == start {
            return Err(self.stray());
        }
        if end == start + 4 && self.text.as_bytes().get(end) == Some(&b' ') {
            match &self.text[start..end] {
                "DATE" => return self.stamp(Kind::Date, end + 1),
                "TIME" => return self.stamp(Kind::Time, end + 1),
                _ => {}
            }
        }
        self.put(Kind::Word, start..end, end);
        Ok(())
    }

    fn word_length(&self) -> usize {
        let rest = &self.text[self.at..];
        // The caller has seen to it that no digit is first.
        if rest.starts_with(['.', '-']) {
            return 0;
        }
        let mut length = 0;
        loop {
            let ascii = rest.as_bytes()[length..].iter().take_while(|byte| is(**byte, TAG));
            length += ascii.count();
            if rest.as_bytes().get(length).is_none_or(u8::is_ascii) {
                return length;
            }
            match rest[length..].chars().next() {
                Some(c) if is_letter_or_digit(c) => length += c.len_utf8(),
                _ => return length,
            }
        }
    }

    /// The value of a date or a time, which begins at `start`.
    fn stamp(&mut self, kind: Kind, start: usize) -> Result<(), ParseError> {
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
        self.put(kind, start..end, end);
        Ok(())
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

/// ASCII that a tag may contain.
const TAG: u8 = 1;
/// ASCII blanks.
const BLANK: u8 = 2;

/// What each byte is. A table, because reading a query is mostly looking at bytes.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => TAG,
            b' ' | b'\t'..=b'\r' => BLANK,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] == class
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
