//! The grammar: tokens → a tree that borrows the text.
//!
//! ```text
//! query     = either end                       strict: condition { AND condition } end
//! either    = both { OR both }
//! both      = one { AND one }
//! one       = NOT one | "(" either ")" | SAME EVENT "(" either ")" | condition
//! condition = tag EXISTS
//!           | tag CONTAINS string              extended: [ IGNORE CASE ] after a string
//!           | tag ( STARTS | ENDS ) WITH string
//!           | tag MATCHES string
//!           | tag "=" ( number | string | date | time )              extended: also "!="
//!           | tag ( "<" | "<=" | ">" | ">=" ) ( number | date | time )
//!           | tag IN "(" operand { "," operand } ")"
//! ```
//!
//! `AND`, `CONTAINS` and `EXISTS` are no tags. The other keywords are keywords only where one may
//! stand, and `NOT` or `SAME` before an operator is a tag: so every strict query is an extended
//! query, too.

mod advice;

use std::cmp::Ordering;

use crate::error::{ParseError, Reason};
use crate::lexer::{Kind, Lexer, Token};
use crate::options::{Dialect, Options};

/// A query, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree<'t> {
    Leaf(Leaf<'t>),
    Not(Box<Tree<'t>>),
    And(Vec<Tree<'t>>),
    Or(Vec<Tree<'t>>),
    Same(Box<Tree<'t>>),
}

/// A condition on the values of one tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf<'t> {
    pub(crate) tag: &'t str,
    pub(crate) claim: Claim<'t>,
    pub(crate) ignore_case: bool,
}

/// What a condition says of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim<'t> {
    Exists,
    Compare(Relation, Operand<'t>),
    Contains(&'t str),
    StartsWith(&'t str),
    EndsWith(&'t str),
    Matches(&'t str),
    In(Vec<Operand<'t>>),
}

/// What a value is compared with, as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operand<'t> {
    Text(&'t str),
    Number(&'t str),
    Date(&'t str),
    Time(&'t str),
}

/// How a value is compared. Its bits are the orders it admits: less, equal, greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Less = 0b001,
    Equal = 0b010,
    AtMost = 0b011,
    Greater = 0b100,
    Differs = 0b101,
    AtLeast = 0b110,
}

impl Relation {
    /// Whether it holds for a value that compares like this.
    #[inline]
    pub(crate) fn admits(self, order: Ordering) -> bool {
        (self as u8 >> (order as i8 + 1)) & 1 == 1
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Relation::Equal => "=",
            Relation::Differs => "!=",
            Relation::Less => "<",
            Relation::AtMost => "<=",
            Relation::Greater => ">",
            Relation::AtLeast => ">=",
        }
    }

    fn of(kind: Kind) -> Option<Relation> {
        Some(match kind {
            Kind::Equal => Relation::Equal,
            Kind::Differs => Relation::Differs,
            Kind::Less => Relation::Less,
            Kind::AtMost => Relation::AtMost,
            Kind::Greater => Relation::Greater,
            Kind::AtLeast => Relation::AtLeast,
            _ => return None,
        })
    }
}

/// Reads a whole query.
pub(crate) fn parse<'t>(text: &'t str, options: &Options) -> Result<Tree<'t>, ParseError> {
    if text.len() > options.length_max {
        let (length, limit) = (text.len(), options.length_max);
        return Err(ParseError::new(text, Reason::TooLong { length, limit }, limit..limit + 1));
    }
    let lexer = Lexer::new(text, options.dialect);
    let mut parser = Parser { text, options, lexer, depth: 0, in_event: false };
    parser.advance()?;
    let tree = parser.either()?;
    match parser.lexer.token.kind {
        Kind::End => Ok(tree),
        _ => Err(parser.no_connective()),
    }
}

struct Parser<'t, 'o> {
    text: &'t str,
    options: &'o Options,
    lexer: Lexer<'t>,
    /// How many parentheses and `NOT`s are open.
    depth: u32,
    /// Whether one of them is that of `SAME EVENT`.
    in_event: bool,
}

impl<'t> Parser<'t, '_> {
    fn extended(&self) -> bool {
        self.options.dialect == Dialect::Extended
    }

    #[inline]
    fn advance(&mut self) -> Result<(), ParseError> {
        self.lexer.advance()
    }

    /// Goes on if the token is this keyword.
    fn keyword(&mut self, word: &str) -> Result<bool, ParseError> {
        let is_it = self.lexer.token.is_word(word);
        if is_it {
            self.advance()?;
        }
        Ok(is_it)
    }

    fn either(&mut self) -> Result<Tree<'t>, ParseError> {
        let first = self.both()?;
        if !self.extended() || !self.lexer.token.is_word("OR") {
            return Ok(first);
        }
        let mut parts = Vec::with_capacity(4);
        push_or(&mut parts, first);
        while self.keyword("OR")? {
            let next = self.both()?;
            push_or(&mut parts, next);
        }
        Ok(Tree::Or(parts))
    }

    fn both(&mut self) -> Result<Tree<'t>, ParseError> {
        let first = self.one()?;
        if !self.lexer.token.is_word("AND") {
            return Ok(first);
        }
        let mut parts = Vec::with_capacity(6);
        push_and(&mut parts, first);
        while self.keyword("AND")? {
            let next = self.one()?;
            push_and(&mut parts, next);
        }
        Ok(Tree::And(parts))
    }

    fn one(&mut self) -> Result<Tree<'t>, ParseError> {
        if !self.extended() {
            return self.condition();
        }
        if self.lexer.token.kind == Kind::Open {
            self.descend()?;
            self.advance()?;
            return self.closed();
        }
        if self.lexer.token.is_word("NOT") && !self.is_tag()? {
            self.descend()?;
            self.advance()?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Tree::Not(Box::new(inner)));
        }
        if self.lexer.token.is_word("SAME") && !self.is_tag()? {
            return self.same_event();
        }
        self.condition()
    }

    /// The rest of what an opened parenthesis encloses.
    fn closed(&mut self) -> Result<Tree<'t>, ParseError> {
        let inner = self.either()?;
        if self.lexer.token.kind != Kind::Close {
            return Err(self.no_connective());
        }
        self.advance()?;
        self.depth -= 1;
        Ok(inner)
    }

    fn same_event(&mut self) -> Result<Tree<'t>, ParseError> {
        if self.in_event {
            return Err(self.wrong("a condition: SAME EVENT does not stand inside of another"));
        }
        self.descend()?;
        self.advance()?;
        if !self.keyword("EVENT")? {
            return Err(self.wrong("EVENT after SAME"));
        }
        if self.lexer.token.kind != Kind::Open {
            return Err(self.wrong("( after SAME EVENT"));
        }
        self.advance()?;
        self.in_event = true;
        let inner = self.closed()?;
        self.in_event = false;
        Ok(Tree::Same(Box::new(inner)))
    }

    fn descend(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        let limit = self.options.depth_max;
        if self.depth <= limit {
            return Ok(());
        }
        Err(ParseError::new(self.text, Reason::TooDeep { limit }, self.lexer.token.place()))
    }

    /// Whether the token, a word that may be a keyword, is a tag, because an operator follows.
    fn is_tag(&self) -> Result<bool, ParseError> {
        let mut ahead = self.lexer;
        ahead.advance()?;
        if !is_operator(ahead.token) {
            return Ok(false);
        }
        if ahead.token.kind != Kind::Word {
            return Ok(true);
        }
        // `NOT ENDS WITH 'x'` is about a tag called NOT; in `NOT ENDS = 5` the tag is ENDS.
        ahead.advance()?;
        Ok(!is_operator(ahead.token))
    }

    fn condition(&mut self) -> Result<Tree<'t>, ParseError> {
        if self.lexer.token.kind != Kind::Word || is_reserved(self.lexer.token.text) {
            return Err(self.no_tag());
        }
        let tag = self.lexer.token;
        self.advance()?;
        let mut leaf = Leaf { tag: tag.text, claim: Claim::Exists, ignore_case: false };
        if let Some(relation) = Relation::of(self.lexer.token.kind) {
            self.advance()?;
            let ordered = !matches!(relation, Relation::Equal | Relation::Differs);
            leaf.claim = Claim::Compare(relation, self.operand(ordered)?);
        } else if self.lexer.token.kind == Kind::Word {
            leaf.claim = self.claim(tag)?;
        } else {
            return Err(self.no_operator(tag));
        }
        leaf.ignore_case = self.ignore_case(&leaf.claim)?;
        Ok(Tree::Leaf(leaf))
    }

    /// What an operator in letters says.
    fn claim(&mut self, tag: Token<'t>) -> Result<Claim<'t>, ParseError> {
        let word = self.lexer.token.text;
        match (word, self.extended()) {
            ("EXISTS", _) => {
                self.advance()?;
                Ok(Claim::Exists)
            }
            ("CONTAINS", _) => {
                self.advance()?;
                Ok(Claim::Contains(self.string("CONTAINS")?))
            }
            ("STARTS" | "ENDS", true) => {
                self.advance()?;
                if !self.keyword("WITH")? {
                    return Err(self.wrong(&format!("WITH after {word}")));
                }
                let text = self.string("WITH")?;
                let starts = word == "STARTS";
                Ok(if starts { Claim::StartsWith(text) } else { Claim::EndsWith(text) })
            }
            ("MATCHES", true) => {
                self.advance()?;
                Ok(Claim::Matches(self.string("MATCHES")?))
            }
            ("IN", true) => {
                self.advance()?;
                Ok(Claim::In(self.list()?))
            }
            _ => Err(self.no_operator(tag)),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand<'t>>, ParseError> {
        if self.lexer.token.kind != Kind::Open {
            return Err(self.wrong("( after IN"));
        }
        self.advance()?;
        let mut list = Vec::with_capacity(4);
        loop {
            list.push(self.operand(false)?);
            match self.lexer.token.kind {
                Kind::Comma => self.advance()?,
                Kind::Close => break,
                _ => return Err(self.wrong("a comma or )")),
            };
        }
        self.advance()?;
        Ok(list)
    }

    fn string(&mut self, after: &str) -> Result<&'t str, ParseError> {
        if self.lexer.token.kind != Kind::Text {
            return Err(self.no_operand(&format!("a string in single quotes after {after}")));
        }
        let text = self.lexer.token.text;
        self.advance()?;
        Ok(text)
    }

    /// What a value is compared with; where it matters which is more, not a string.
    fn operand(&mut self, ordered: bool) -> Result<Operand<'t>, ParseError> {
        let text = self.lexer.token.text;
        let operand = match self.lexer.token.kind {
            Kind::Number => {
                self.check_number()?;
                Operand::Number(text)
            }
            Kind::Date => Operand::Date(text),
            Kind::Time => Operand::Time(text),
            Kind::Text if !ordered => Operand::Text(text),
            _ if ordered => return Err(self.no_operand("a number, DATE or TIME")),
            _ => return Err(self.no_operand("a number, a string in single quotes, DATE or TIME")),
        };
        self.advance()?;
        Ok(operand)
    }

    fn check_number(&self) -> Result<(), ParseError> {
        let limit = crate::number::DIGITS_MAX;
        if self.lexer.token.text.len() <= limit {
            return Ok(());
        }
        Err(ParseError::new(self.text, Reason::NumberTooLong { limit }, self.lexer.token.place()))
    }

    fn ignore_case(&mut self, claim: &Claim<'_>) -> Result<bool, ParseError> {
        if !self.extended() || !self.lexer.token.is_word("IGNORE") {
            return Ok(false);
        }
        let is_text = |operand: &Operand<'_>| matches!(operand, Operand::Text(_));
        let allowed = match claim {
            Claim::Compare(_, operand) => is_text(operand),
            Claim::In(list) => list.iter().all(is_text),
            Claim::Exists => false,
            _ => true,
        };
        if !allowed {
            return Err(self.wrong("AND, OR or the end; IGNORE CASE follows strings only"));
        }
        self.advance()?;
        match self.keyword("CASE")? {
            true => Ok(true),
            false => Err(self.wrong("CASE after IGNORE")),
        }
    }
}

/// Adds to a conjunction; one in parentheses becomes part of it.
fn push_and<'t>(parts: &mut Vec<Tree<'t>>, part: Tree<'t>) {
    match part {
        Tree::And(inner) => parts.extend(inner),
        other => parts.push(other),
    }
}

fn push_or<'t>(parts: &mut Vec<Tree<'t>>, part: Tree<'t>) {
    match part {
        Tree::Or(inner) => parts.extend(inner),
        other => parts.push(other),
    }
}

/// The keywords of the strict language; those of the extended one may be tags.
fn is_reserved(word: &str) -> bool {
    matches!(word, "AND" | "CONTAINS" | "EXISTS")
}

fn is_operator(token: Token<'_>) -> bool {
    let word = matches!(token.text, "EXISTS" | "CONTAINS" | "MATCHES" | "IN" | "STARTS" | "ENDS");
    Relation::of(token.kind).is_some() || (token.kind == Kind::Word && word)
}
