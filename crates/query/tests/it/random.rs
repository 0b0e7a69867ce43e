//! Random queries as trees of their own, random events, and the direct, slow way to answer.

use std::cmp::Ordering;

use floodway_query::{Dialect, Source, Tags};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const KEYS: [&str; 7] = ["a", "b", "a.x", "a.y", "b.x", "a.x.z", "NOT"];
const VALUES: [&str; 18] = [
    "",
    "v",
    "V",
    "w",
    "vw",
    "wv",
    "5",
    "-5",
    "5.0",
    "5atom",
    "-5.25x",
    "7",
    "1e5",
    "0.1",
    "2013-05-03",
    "2012-02-29",
    "2013-05-03T14:45:00Z",
    "2013-05-03T16:45:00.5+02:00",
];
const TEXTS: [&str; 6] = ["", "v", "V", "w", "vw", "5"];
const WORDS: [&str; 5] = ["CONTAINS", "STARTS WITH", "ENDS WITH", "=", "!="];
const NUMBERS: [&str; 8] = ["5", "-5", "7", "5.0", "0.10", "4.99", "-5.250", "2013"];

/// The events of a message of which some tags come later: those of one number are one.
pub(crate) fn joined(known: &[Event], later: &[Event]) -> Vec<Event> {
    let event = |at: usize| known.get(at).into_iter().chain(later.get(at)).flatten().cloned();
    (0..known.len().max(later.len())).map(|at| event(at).collect()).collect()
}

/// A query.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Leaf(&'static str, Claim),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Same(Box<Expr>),
}

/// What a leaf says.
#[derive(Debug, Clone)]
pub(crate) enum Claim {
    Exists,
    Text(&'static str, &'static str, bool),
    Compare(&'static str, Operand),
    In(Vec<Operand>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Operand {
    Text(&'static str),
    Number(&'static str),
    Date(&'static str),
    Time(&'static str),
}

/// Keys and values of one event.
pub(crate) type Event = Vec<(&'static str, Vec<&'static str>)>;

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    vec(vec((select(&KEYS[..]), vec(select(&VALUES[..]), 0..3)), 0..4), 0..4)
}

/// Tags of these events.
pub(crate) fn tags<'t>(events: &[Event]) -> Tags<'t> {
    let mut tags = Tags::new();
    push(events, &mut tags);
    tags
}

fn push(events: &[Event], tags: &mut Tags<'_>) {
    for (number, event) in events.iter().enumerate() {
        if number > 0 {
            tags.next_event();
        }
        for (key, values) in event {
            if values.is_empty() {
                tags.push_empty(*key);
            }
            values.iter().for_each(|value| tags.push(*key, *value));
        }
    }
}

/// Events that are supplied on demand.
pub(crate) struct Later {
    keys: Vec<Box<str>>,
    events: Vec<Event>,
}

impl Later {
    pub(crate) fn new(events: Vec<Event>) -> Later {
        let keys = events.iter().flatten().map(|(key, _)| Box::from(*key)).collect();
        Later { keys, events }
    }
}

impl Source for Later {
    fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn supply<'s>(&'s self, tags: &mut Tags<'s>) {
        push(&self.events, tags);
    }
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => select(&TEXTS[..]).prop_map(Operand::Text),
        3 => ordered(),
    ]
}

fn ordered() -> impl Strategy<Value = Operand> {
    prop_oneof![
        4 => select(&NUMBERS[..]).prop_map(Operand::Number),
        1 => select(&["2013-05-03", "2012-12-31"][..]).prop_map(Operand::Date),
        1 => select(&["2013-05-03T14:45:00Z", "2013-05-03T15:45:00+01:00"][..])
            .prop_map(Operand::Time),
    ]
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![
        2 => Just(Claim::Exists),
        2 => (select(&WORDS[..]), select(&TEXTS[..]), prop::bool::weighted(0.2))
            .prop_map(|(word, text, ignore)| Claim::Text(word, text, ignore)),
        2 => (select(&["<", "<=", ">", ">="][..]), ordered())
            .prop_map(|(sign, operand)| Claim::Compare(sign, operand)),
        4 => (select(&["=", "=", "!="][..]), operand())
            .prop_map(|(sign, operand)| Claim::Compare(sign, operand)),
        1 => vec(operand(), 1..4).prop_map(Claim::In),
    ]
}

/// Queries of the extended language.
pub(crate) fn expr() -> impl Strategy<Value = Expr> {
    let leaf = || (select(&KEYS[..]), claim()).prop_map(|(key, claim)| Expr::Leaf(key, claim));
    let tree = leaf().prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            3 => vec(inner.clone(), 2..4).prop_map(Expr::And),
            2 => vec(inner.clone(), 2..4).prop_map(Expr::Or),
        ]
    });
    let with_event = (tree.clone(), leaf(), prop::bool::ANY).prop_map(|(tree, leaf, and)| {
        let same = Expr::Same(Box::new(tree));
        if and { Expr::And(vec![same, leaf]) } else { same }
    });
    // No more patterns than a query may have.
    let all = prop_oneof![3 => tree, 1 => with_event];
    all.prop_filter("too many patterns", |expr| expr.patterns() <= 4)
}

/// Conjunctions of the strict language.
pub(crate) fn strict_expr() -> impl Strategy<Value = Expr> {
    let strict = claim().prop_filter("not strict", |claim| match claim {
        Claim::Exists => true,
        Claim::Text(word, _, ignore) => matches!(*word, "=" | "CONTAINS") && !ignore,
        Claim::Compare(sign, Operand::Number(number)) => *sign != "!=" && !number.contains('-'),
        Claim::Compare(sign, _) => *sign != "!=",
        Claim::In(_) => false,
    });
    vec((select(&KEYS[..]), strict), 1..4).prop_map(|leaves| {
        Expr::And(leaves.into_iter().map(|(key, claim)| Expr::Leaf(key, claim)).collect())
    })
}

impl Operand {
    fn text(self) -> String {
        match self {
            Operand::Text(text) => format!("'{text}'"),
            Operand::Number(text) => text.to_owned(),
            Operand::Date(text) => format!("DATE {text}"),
            Operand::Time(text) => format!("TIME {text}"),
        }
    }
}

impl Expr {
    fn patterns(&self) -> usize {
        match self {
            Expr::Leaf(_, Claim::Text(_, _, true)) => 1,
            Expr::Leaf(..) => 0,
            Expr::Not(inner) | Expr::Same(inner) => inner.patterns(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().map(Expr::patterns).sum(),
        }
    }

    /// The query with more parentheses and fewer blanks than it needs.
    pub(crate) fn text(&self) -> String {
        let joined = |parts: &[Expr], word: &str| {
            let parts: Vec<String> =
                parts.iter().map(|part| format!("({})", part.text())).collect();
            parts.join(word)
        };
        match self {
            Expr::Leaf(key, Claim::Exists) => format!("{key}  EXISTS"),
            Expr::Leaf(key, Claim::Text(word, text, ignore)) => {
                format!("{key} {word}'{text}'{}", if *ignore { " IGNORE CASE" } else { "" })
            }
            Expr::Leaf(key, Claim::Compare(sign, operand)) => {
                format!("{key}{sign}{}", operand.text())
            }
            Expr::Leaf(key, Claim::In(list)) => {
                let list: Vec<String> = list.iter().map(|one| one.text()).collect();
                format!("{key} IN({})", list.join(","))
            }
            Expr::Not(inner) => format!("NOT({})", inner.text()),
            Expr::And(parts) => joined(parts, "AND"),
            Expr::Or(parts) => joined(parts, "OR"),
            Expr::Same(inner) => format!("SAME EVENT({})", inner.text()),
        }
    }

    /// The same as the strict language has it: no parentheses.
    pub(crate) fn strict_text(&self) -> String {
        let Expr::And(parts) = self else { return self.text() };
        parts.iter().map(Expr::text).collect::<Vec<_>>().join(" AND ")
    }

    /// The slow way: every condition looks at everything, as the rules say it.
    pub(crate) fn holds(&self, events: &[Event], dialect: Dialect) -> bool {
        match self {
            Expr::Leaf(key, claim) => events.iter().flatten().any(|(name, values)| {
                let (kind, dotted) = match name.rsplit_once('.') {
                    Some((kind, _)) => (Some(kind), true),
                    None => (None, false),
                };
                let by_key = name == key && (dotted || dialect == Dialect::Extended);
                (by_key && values.iter().any(|value| claim.holds(value, dialect)))
                    || (kind == Some(key) && claim.holds("", dialect))
            }),
            Expr::Not(inner) => !inner.holds(events, dialect),
            Expr::And(parts) => parts.iter().all(|part| part.holds(events, dialect)),
            Expr::Or(parts) => parts.iter().any(|part| part.holds(events, dialect)),
            Expr::Same(inner) => {
                let mut events = events.iter().filter(|event| !event.is_empty());
                events.any(|event| inner.holds(std::slice::from_ref(event), dialect))
            }
        }
    }
}

impl Claim {
    fn holds(&self, value: &str, dialect: Dialect) -> bool {
        match self {
            Claim::Exists => true,
            Claim::Text(word, text, ignore) => {
                let fold = |text: &str| if *ignore { text.to_lowercase() } else { text.to_owned() };
                let (value, text) = (fold(value), fold(text));
                match *word {
                    "CONTAINS" => value.contains(&text),
                    "STARTS WITH" => value.starts_with(&text),
                    "ENDS WITH" => value.ends_with(&text),
                    "=" => value == text,
                    _ => value != text,
                }
            }
            Claim::Compare(sign, operand) => {
                order(value, *operand, dialect).is_some_and(|order| match *sign {
                    "=" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Claim::In(list) => {
                list.iter().any(|one| order(value, *one, dialect) == Some(Ordering::Equal))
            }
        }
    }
}

fn order(value: &str, operand: Operand, dialect: Dialect) -> Option<Ordering> {
    match operand {
        Operand::Text(text) => Some(value.cmp(text)),
        Operand::Number(text) => {
            let signed = dialect == Dialect::Extended;
            Some(number(value, signed)?.cmp(&number(text, signed)?))
        }
        Operand::Date(text) => {
            let is_date = value.len() == 10 && value.matches('-').count() == 2;
            is_date.then(|| value.cmp(text))
        }
        // In half seconds after 14:00 of the one day there is.
        Operand::Time(_) => {
            let at = match value {
                "2013-05-03T14:45:00Z" => 5400,
                "2013-05-03T16:45:00.5+02:00" => 5401,
                _ => return None,
            };
            Some(at.cmp(&5400))
        }
    }
}

/// The number a value begins with, exactly.
pub(crate) fn number(text: &str, signed: bool) -> Option<BigRational> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) if signed => (true, rest),
        _ => (false, text),
    };
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits(text));
    if whole.is_empty() {
        return None;
    }
    let fraction = rest.strip_prefix('.').map_or("", |rest| &rest[..digits(rest)]);
    let all: BigInt = format!("{whole}{fraction}").parse().unwrap();
    let number = BigRational::new(all, BigInt::from(10).pow(fraction.len() as u32));
    Some(if negative { -number } else { number })
}
