//! Tree → canonical text and program, in one walk.
//!
//! The canonical text has one blank round operators and no parentheses that change nothing; two
//! queries are equal if theirs are. The program refers to strings by their place in that text,
//! which keeps a query of two equalities in about a hundred bytes.

use crate::calendar;
use crate::error::{ParseError, Reason};
use crate::hash;
use crate::needles;
use crate::number::{Arithmetic, Literal};
use crate::options::{Dialect, Options};
use crate::parser::{Claim, Leaf, Operand, Tree};
use crate::pattern::{self, PATTERNS_MAX, Pattern, WORK_MAX};
use crate::program::{Bound, Condition, Extra, List, Node, Program, Span, Test};
use crate::sweep::Sweep;

/// Compiles a query that was read from `source`.
pub(crate) fn compile(
    tree: &Tree<'_>,
    source: &str,
    options: &Options,
) -> Result<Program, ParseError> {
    let is_leaf = |part: &Tree<'_>| matches!(part, Tree::Leaf(_));
    let (is_flat, leaves) = match tree {
        Tree::Leaf(_) => (true, 1),
        Tree::And(parts) if parts.iter().all(is_leaf) => (true, parts.len()),
        _ => (false, count(tree, |_| true)),
    };
    let mut compiler = Compiler {
        source,
        tree,
        dialect: options.dialect,
        text: String::with_capacity(2 * source.len()),
        conditions: Vec::with_capacity(leaves),
        nodes: Vec::new(),
        extra: Extra::default(),
        searches: false,
    };
    compiler.tree(tree, !is_flat)?;
    let Compiler { text, mut conditions, nodes, mut extra, searches, .. } = compiler;
    if u16::try_from(text.len()).is_err() || u16::try_from(nodes.len()).is_err() {
        let (length, limit) = (source.len(), Options::LENGTH_CAP);
        return Err(ParseError::new(source, Reason::TooLong { length, limit }, 0..1));
    }
    extra.nodes = nodes;
    if searches {
        extra.needles = needles::gather(&mut conditions, text.as_bytes());
    }
    extra.sweep = Sweep::new(&conditions, &extra, text.as_bytes(), options.dialect);
    let extra = (!extra.is_empty()).then(|| Box::new(extra));
    Ok(Program {
        // A copy, which has no more memory than it needs, costs less than giving back the rest.
        text: text.as_str().into(),
        conditions: conditions.into_boxed_slice(),
        extra,
        dialect: options.dialect,
    })
}

struct Compiler<'s> {
    source: &'s str,
    /// All of it.
    tree: &'s Tree<'s>,
    dialect: Dialect,
    text: String,
    conditions: Vec<Condition>,
    nodes: Vec<Node>,
    extra: Extra,
    /// Whether there is a condition with `CONTAINS`.
    searches: bool,
}

impl Compiler<'_> {
    fn tree(&mut self, tree: &Tree<'_>, with_nodes: bool) -> Result<(), ParseError> {
        let at = self.nodes.len();
        if with_nodes {
            let node = match tree {
                Tree::Leaf(_) => Node::leaf(self.conditions.len()),
                Tree::Not(_) => Node::NOT,
                Tree::And(_) => Node::AND,
                Tree::Or(_) => Node::OR,
                Tree::Same(_) => Node::SAME,
            };
            self.nodes.push(node);
        }
        match tree {
            Tree::Leaf(leaf) => self.leaf(leaf)?,
            Tree::Not(inner) => {
                self.push("NOT ");
                self.enclosed(inner, matches!(**inner, Tree::And(_) | Tree::Or(_)))?;
            }
            Tree::And(parts) => self.joined(parts, " AND ", with_nodes)?,
            Tree::Or(parts) => self.joined(parts, " OR ", with_nodes)?,
            Tree::Same(inner) => {
                self.push("SAME EVENT ");
                self.enclosed(inner, true)?;
            }
        }
        if with_nodes {
            self.nodes[at].end = self.nodes.len() as u16;
        }
        Ok(())
    }

    fn joined(
        &mut self,
        parts: &[Tree<'_>],
        word: &str,
        with_nodes: bool,
    ) -> Result<(), ParseError> {
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                self.push(word);
            }
            // Only OR binds less than what it may stand in here.
            match part {
                Tree::Or(_) => self.enclosed(part, true)?,
                part => self.tree(part, with_nodes)?,
            }
        }
        Ok(())
    }

    fn enclosed(&mut self, tree: &Tree<'_>, parentheses: bool) -> Result<(), ParseError> {
        self.push(if parentheses { "(" } else { "" });
        self.tree(tree, true)?;
        self.push(if parentheses { ")" } else { "" });
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), ParseError> {
        let key = self.write(leaf.tag);
        let key_hash = hash::of_key(leaf.tag.as_bytes());
        let key_end = self.text.len();
        let test = self.claim(leaf)?;
        if matches!(leaf.tag, "DATE" | "TIME") {
            // Before a blank they would be the beginning of a date or a time, but not before a tab.
            self.text.replace_range(key_end..=key_end, "\t");
        }
        self.searches |= matches!(test, Test::Contains(..));
        let pair = match test {
            Test::Equal(text) => hash::of_pair(key_hash, text.of(self.text.as_bytes())),
            _ => key_hash,
        };
        // Upstream cannot see a key without a dot, which has no event type.
        let by_key = self.dialect == Dialect::Extended || leaf.tag.contains('.');
        let mut condition = Condition { key_hash, pair, key, test, by_key, by_type: false };
        condition.by_type = match test {
            Test::Exists => true,
            Test::Equal(text) => text.is_empty(),
            // Nothing is no number, no date and no time.
            Test::Compare(..) => false,
            _ => condition.accepts(b"", self.text.as_bytes(), &self.extra),
        };
        self.conditions.push(condition);
        Ok(())
    }

    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
    }

    /// Writes something to the text, and says where it is.
    fn write(&mut self, piece: &str) -> Span {
        let start = self.text.len();
        self.push(piece);
        Span::new(start, self.text.len())
    }

    fn write_quoted(&mut self, piece: &str) -> Span {
        self.push("'");
        let span = self.write(piece);
        self.push("'");
        span
    }

    fn claim(&mut self, leaf: &Leaf<'_>) -> Result<Test, ParseError> {
        let (word, text, test): (_, _, fn(Span) -> Test) = match &leaf.claim {
            Claim::Exists => {
                self.push(" EXISTS");
                return Ok(Test::Exists);
            }
            Claim::Compare(relation, operand) => {
                self.push(" ");
                self.push(relation.symbol());
                self.push(" ");
                let span = self.operand(*operand);
                let ignoring = self.ignore_case(leaf, std::slice::from_ref(operand))?;
                return Ok(match (self.bound(*operand), ignoring) {
                    (_, Some(pattern)) if relation.admits(std::cmp::Ordering::Equal) => {
                        Test::Pattern(pattern)
                    }
                    (_, Some(pattern)) => Test::NoPattern(pattern),
                    (Some(bound), _) => Test::Compare(*relation, bound),
                    (None, _) if relation.admits(std::cmp::Ordering::Equal) => Test::Equal(span),
                    (None, _) => Test::Differs(span),
                });
            }
            Claim::In(list) => return self.list(leaf, list),
            Claim::Contains(text) => {
                (" CONTAINS ", text, |text| Test::Contains(text, Test::NO_BIT))
            }
            Claim::StartsWith(text) => (" STARTS WITH ", text, Test::StartsWith),
            Claim::EndsWith(text) => (" ENDS WITH ", text, Test::EndsWith),
            Claim::Matches(text) => (" MATCHES ", text, Test::StartsWith),
        };
        self.push(word);
        let span = self.write_quoted(text);
        if let Claim::Matches(regex) = leaf.claim {
            let regex = if leaf.ignore_case { format!("(?i){regex}") } else { regex.to_owned() };
            self.write_ignore_case(leaf);
            return Ok(Test::Pattern(self.pattern(&regex, text)?));
        }
        match self.ignore_case(leaf, &[Operand::Text(text)])? {
            Some(pattern) => Ok(Test::Pattern(pattern)),
            None => Ok(test(span)),
        }
    }

    fn list(&mut self, leaf: &Leaf<'_>, list: &[Operand<'_>]) -> Result<Test, ParseError> {
        self.push(" IN (");
        let (mut texts, mut bounds) = (Vec::new(), Vec::new());
        for (number, operand) in list.iter().enumerate() {
            self.push(if number > 0 { ", " } else { "" });
            let span = self.operand(*operand);
            match self.bound(*operand) {
                Some(bound) => bounds.push(bound),
                None => texts.push(span),
            }
        }
        self.push(")");
        if let Some(pattern) = self.ignore_case(leaf, list)? {
            return Ok(Test::Pattern(pattern));
        }
        // Sorted, so that a value is looked up by halving.
        let text = self.text.as_bytes();
        texts.sort_by(|a, b| a.of(text).cmp(b.of(text)));
        texts.dedup_by(|a, b| a.of(text) == b.of(text));
        self.extra.lists.push(List { texts: texts.into(), bounds: bounds.into() });
        Ok(Test::In(self.extra.lists.len() as u16 - 1))
    }

    /// Writes what is compared with; a string's place is that without its quotes.
    fn operand(&mut self, operand: Operand<'_>) -> Span {
        let (word, text) = match operand {
            Operand::Text(text) => return self.write_quoted(text),
            Operand::Number(text) => ("", text),
            Operand::Date(text) => ("DATE ", text),
            Operand::Time(text) => ("TIME ", text),
        };
        self.push(word);
        self.write(text)
    }

    /// What an ordered comparison is with; nothing for a string.
    fn bound(&mut self, operand: Operand<'_>) -> Option<u16> {
        let arithmetic = match self.dialect {
            Dialect::Strict => Arithmetic::Rounded,
            Dialect::Extended => Arithmetic::Exact,
        };
        let bound = match operand {
            Operand::Text(_) => return None,
            Operand::Number(text) => Bound::Number(Literal::new(text, arithmetic)),
            // The lexer has made sure that it is one.
            Operand::Date(text) => Bound::Date(calendar::literal_date(text.as_bytes())?),
            Operand::Time(text) => Bound::Time(calendar::literal_time(text.as_bytes())?),
        };
        self.extra.bounds.push(bound);
        Some(self.extra.bounds.len() as u16 - 1)
    }

    fn write_ignore_case(&mut self, leaf: &Leaf<'_>) {
        self.push(if leaf.ignore_case { " IGNORE CASE" } else { "" });
    }

    /// The pattern of a condition that ignores case.
    fn ignore_case(
        &mut self,
        leaf: &Leaf<'_>,
        operands: &[Operand<'_>],
    ) -> Result<Option<u16>, ParseError> {
        self.write_ignore_case(leaf);
        if !leaf.ignore_case {
            return Ok(None);
        }
        let texts = operands.iter().filter_map(|operand| match operand {
            Operand::Text(text) => Some(*text),
            _ => None,
        });
        let contains = matches!(leaf.claim, Claim::Contains(_));
        let from_start = !contains && !matches!(leaf.claim, Claim::EndsWith(_));
        let to_end = !contains && !matches!(leaf.claim, Claim::StartsWith(_));
        let regex = pattern::ignoring_case(texts, from_start, to_end);
        self.pattern(&regex, leaf.tag).map(Some)
    }

    /// Adds a pattern. `piece` is where the source has it, for the error.
    fn pattern(&mut self, regex: &str, piece: &str) -> Result<u16, ParseError> {
        // A piece of the source, so this is how far into it.
        let start = piece.as_ptr() as usize - self.source.as_ptr() as usize;
        let place = start..start + piece.len();
        let limit = PATTERNS_MAX;
        if self.extra.patterns.len() == limit {
            return Err(ParseError::new(self.source, Reason::TooManyPatterns { limit }, place));
        }
        let has_pattern =
            |leaf: &Leaf<'_>| leaf.ignore_case || matches!(leaf.claim, Claim::Matches(_));
        let work = WORK_MAX / count(self.tree, has_pattern);
        let pattern = Pattern::new(regex, self.source, place, work)?;
        self.extra.patterns.push(pattern);
        Ok(self.extra.patterns.len() as u16 - 1)
    }
}

/// The number of conditions that are so.
fn count(tree: &Tree<'_>, is_so: fn(&Leaf<'_>) -> bool) -> usize {
    match tree {
        Tree::Leaf(leaf) => usize::from(is_so(leaf)),
        Tree::Not(inner) | Tree::Same(inner) => count(inner, is_so),
        Tree::And(parts) | Tree::Or(parts) => parts.iter().map(|part| count(part, is_so)).sum(),
    }
}
