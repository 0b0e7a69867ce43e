//! Numbers of any size against exact arithmetic.

use std::cmp::Ordering;

use floodway_query::{Dialect, Options, Tags};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

use crate::random::number;

/// The nearest float of 125 bits, of two the even one.
fn rounded(number: &BigRational) -> BigRational {
    if *number == BigRational::from(BigInt::from(0)) {
        return number.clone();
    }
    let two = BigRational::from(BigInt::from(2));
    let unit = unit(number);
    let scaled = number / &unit;
    let floor = scaled.floor();
    let rest = (&scaled - &floor) * &two;
    let one = BigRational::from(BigInt::from(1));
    let is_odd = (floor.numer() % BigInt::from(2)) == BigInt::from(1);
    let up = match rest.cmp(&one) {
        Ordering::Less => false,
        Ordering::Equal => is_odd,
        Ordering::Greater => true,
    };
    (if up { floor + one } else { floor }) * unit
}

/// What the last bit of a float of 125 bits stands for, near a number.
fn unit(number: &BigRational) -> BigRational {
    let power = |exponent: i32| match exponent {
        0.. => BigRational::from(BigInt::from(2).pow(exponent.unsigned_abs())),
        _ => BigRational::new(BigInt::from(1), BigInt::from(2).pow(exponent.unsigned_abs())),
    };
    let mut exponent = number.numer().bits() as i32 - number.denom().bits() as i32 - 126;
    let top = BigRational::from(BigInt::from(2).pow(125));
    while number / power(exponent) >= top {
        exponent += 1;
    }
    power(exponent)
}

/// As the strict language reads it.
fn strict(text: &str) -> Option<BigRational> {
    let exact = number(text, false)?;
    let is_integer = text.bytes().all(|byte| byte.is_ascii_digit());
    Some(if is_integer { exact } else { rounded(&exact) })
}

fn check(options: Options, literal: &str, value: &str, expected: Option<Ordering>) {
    let options = options.length_max(Options::LENGTH_CAP);
    let mut tags = Tags::new();
    tags.push("x.n", value);
    for (sign, holds) in [
        ("=", expected == Some(Ordering::Equal)),
        ("<", expected == Some(Ordering::Less)),
        (">", expected == Some(Ordering::Greater)),
        ("<=", expected.is_some_and(Ordering::is_le)),
        (">=", expected.is_some_and(Ordering::is_ge)),
    ] {
        let query = options.parse(&format!("x.n {sign} {literal}")).unwrap();
        assert_eq!(query.matches(&tags), holds, "{value} {sign} {literal}");
    }
}

fn check_both(literal: &str, value: &str) {
    if !literal.starts_with('-') {
        let order = strict(value).map(|value| value.cmp(&strict(literal).unwrap()));
        check(Options::strict(), literal, value, order);
    }
    let order = number(value, true).map(|value| value.cmp(&number(literal, true).unwrap()));
    check(Options::extended(), literal, value, order);
}

/// Decimals around each other: a number, and one that differs little or not at all.
fn near() -> impl Strategy<Value = (String, String)> {
    let base = prop_oneof![
        "[0-9]{1,3}(\\.[0-9]{0,3})?",
        "[0-9]{15,22}(\\.[0-9]{0,22})?",
        "[0-9]{30,45}(\\.[0-9]{0,45})?",
        "0\\.0{0,60}[0-9]{30,45}",
        "[1-9]0{30,80}",
    ];
    (base, any::<u8>(), "[0-9]{0,60}", any::<bool>()).prop_map(|(base, change, tail, swap)| {
        let other = match change % 8 {
            0 => base.clone(),
            1 if base.contains('.') => format!("{base}{tail}"),
            1 => format!("{base}.{tail}"),
            2 => format!("00{base}"),
            3 if base.contains('.') => format!("{base}0000000000000000000000000000001"),
            3 => format!("{base}.00000000000000000000000000000000000000001"),
            4 => {
                let last = base.pop_digit();
                format!("{}{}", &base[..base.len() - 1], (last + 1) % 10)
            }
            5 => format!("{base}{tail}"),
            6 => format!("{base}atom"),
            _ => tail + "1",
        };
        if swap && number(&other, false).is_some() && !other.contains('a') {
            (other, base)
        } else {
            (base, other)
        }
    })
}

trait Last {
    fn pop_digit(&self) -> u32;
}

impl Last for String {
    fn pop_digit(&self) -> u32 {
        self.chars().last().and_then(|c| c.to_digit(10)).unwrap_or(0)
    }
}

/// Comparisons of a value with several numbers in one query, which it is placed among.
fn check_all(options: Options, literals: &[String], value: &str, orders: &[Option<Ordering>]) {
    let mut tags = Tags::new();
    tags.push("x.n", value);
    // Without this, short values are looked at one comparison after the other.
    tags.push("x.padding", "0000000000000000000");
    let strict = options.dialect() == Dialect::Strict;
    for (sign, holds) in [
        ("=", Ordering::is_eq as fn(Ordering) -> bool),
        ("<", Ordering::is_lt),
        (">", Ordering::is_gt),
        ("<=", Ordering::is_le),
        (">=", Ordering::is_ge),
    ] {
        let all = || literals.iter().map(|literal| format!("x.n {sign} {literal}"));
        let mut holds = orders.iter().map(|order| order.is_some_and(holds));
        let text = all().collect::<Vec<_>>().join(" AND ");
        let query = options.parse(&text).unwrap();
        assert_eq!(query.matches(&tags), holds.clone().all(|one| one), "{value}: {query}");
        if strict {
            continue;
        }
        let text = all().collect::<Vec<_>>().join(" OR ");
        let query = options.parse(&text).unwrap();
        assert_eq!(query.matches(&tags), holds.any(|one| one), "{value}: {query}");
    }
}

fn check_all_both(literals: &[String], value: &str) {
    let long = |options: Options| options.length_max(Options::LENGTH_CAP);
    let of = |literal: &String| strict(value).map(|value| value.cmp(&strict(literal).unwrap()));
    let orders: Vec<_> = literals.iter().map(of).collect();
    check_all(long(Options::strict()), literals, value, &orders);
    let of = |literal: &String| {
        number(value, true).map(|value| value.cmp(&number(literal, true).unwrap()))
    };
    let orders: Vec<_> = literals.iter().map(of).collect();
    check_all(long(Options::extended()), literals, value, &orders);
}

/// A number that a float can be, or one halfway between two, written out.
fn written(number: &BigRational) -> String {
    let places = number.denom().bits() as usize - 1;
    let digits = number * BigRational::from(BigInt::from(10).pow(places as u32));
    let digits = format!("{:0>width$}", digits.to_integer().to_string(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{whole}.{fraction}")
}

/// Numbers at which rounding turns to a number or from it to another, and that number rounded,
/// from the second one below it to the second one above it.
fn turns(literal: &str) -> Vec<String> {
    let number = number(literal, false).unwrap();
    if number == BigRational::from(BigInt::from(0)) {
        return vec!["0.0".to_owned()];
    }
    let (float, quarter) = (rounded(&number), unit(&number) / BigInt::from(4));
    (-8..=8).map(|quarters| written(&(&float + &quarter * BigInt::from(quarters)))).collect()
}

/// A number of any size, and how to change one that is near.
fn at_turns() -> impl Strategy<Value = (String, String, Vec<String>)> {
    let power = (0_u32..400).prop_map(|bits| BigInt::from(2).pow(bits).to_string());
    let literal = prop_oneof![
        "[0-9]{1,20}(\\.[0-9]{1,20})?",
        "0\\.0{0,30}[0-9]{1,40}",
        "[0-9]{30,60}(\\.[0-9]{0,60})?",
        "[0-9]{0,40}9{20,40}(\\.9{0,40})?[0-9]?",
        power,
    ];
    let literal = literal.prop_filter("a number", |literal| number(literal, false).is_some());
    let change = (any::<u8>(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let suffix = prop_oneof![Just(""), Just(""), Just("a"), Just(".0"), Just("0"), Just("9")];
    (literal, change, suffix, proptest::collection::vec(any::<prop::sample::Index>(), 3..6))
        .prop_map(|(literal, (change, which, cut), suffix, others)| {
            let turns = turns(&literal);
            let turn = which.get(&turns).clone();
            let cut = &turn[..=cut.index(turn.len())];
            let value = match change % 8 {
                0 | 1 => turn.clone(),
                2 => cut.to_owned(),
                3 => format!("{turn}{}1", "0".repeat(usize::from(change))),
                4 => {
                    let last = turn.pop_digit();
                    format!("{}{}", &turn[..turn.len() - 1], (last + 1 + last % 9) % 10)
                }
                5 => format!("{cut}{}", "9".repeat(usize::from(change))),
                6 => turn.split('.').next().unwrap_or("0").to_owned(),
                _ => format!("00{turn}"),
            };
            let others = others.iter().map(|other| other.get(&turns));
            // Of literals the language takes at most so many digits.
            let others = others.filter(|it| it.len() <= 1000).cloned();
            (literal.clone(), value + suffix, others.chain([literal]).collect())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C1, C3, C5
    #[test]
    fn numbers_are_compared_where_rounding_turns((literal, value, all) in at_turns()) {
        check_both(&literal, &value);
        check_all_both(&all, &value);
        // The same the other way round: what is near is written in the query.
        if value.len() <= 400 && value.bytes().all(|byte| byte != b'a') {
            let point = value.find('.').unwrap_or(value.len());
            let value = value.split_at(point);
            let value = format!("{}.{}0", value.0, value.1.replace('.', ""));
            check_both(&value, &literal);
            check_all_both(&[value.clone(), literal.clone(), value, literal.clone()], &literal);
        }
    }

    // checklist: C1
    #[test]
    fn numbers_are_compared_as_the_language_says((literal, value) in near()) {
        check_both(&literal, &value);
    }

    // checklist: C5
    #[test]
    fn negative_numbers((literal, value) in near(), signs in any::<(bool, bool)>()) {
        let sign = |minus: bool, text: String| if minus { format!("-{text}") } else { text };
        check_both(&sign(signs.0, literal), &sign(signs.1, value));
    }
}

#[test]
fn at_the_edges_of_a_float() {
    let power = BigInt::from(2).pow(125);
    for offset in -5..=5_i32 {
        let near: BigInt = &power + offset;
        for other in -5..=5_i32 {
            let value: BigInt = &power + other;
            for tail in ["", ".0", ".5", ".49999999999999999999999999", ".500000000000000001"] {
                check_both(&near.to_string(), &format!("{value}{tail}"));
                check_both(&format!("{near}.0"), &format!("{value}{tail}"));
                check_both(&format!("{near}.5"), &format!("{value}{tail}"));
            }
        }
    }
}

#[test]
fn very_long_ones() {
    let long = "9".repeat(65_536);
    let zeros = "0".repeat(65_000);
    for literal in ["1", "0", "0.5", "99999999999999999999999999999999999999999999.5"] {
        check_both(literal, &long);
        check_both(literal, &format!("{zeros}1"));
        check_both(literal, &format!("0.{zeros}1"));
        check_both(literal, &format!("1.{zeros}1"));
    }
    let literal = format!("0.{}1", "0".repeat(490));
    check_both(&literal, &format!("{literal}0000000000000000000000000000000000000000001"));
    let literal = "7".repeat(490);
    check_both(&literal, &format!("{literal}.1"));
    check_both(&format!("{literal}.1"), &literal);
}
