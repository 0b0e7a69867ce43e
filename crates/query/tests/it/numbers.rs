//! Numbers of any size against exact arithmetic.

use std::cmp::Ordering;

use floodway_query::{Options, Tags};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

use crate::random::number;

/// The nearest float of 125 bits, of two the even one.
fn rounded(number: &BigRational) -> BigRational {
    let zero = BigRational::from(BigInt::from(0));
    if *number == zero {
        return zero;
    }
    let two = BigRational::from(BigInt::from(2));
    let power = |exponent: i32| match exponent {
        0.. => BigRational::from(BigInt::from(2).pow(exponent.unsigned_abs())),
        _ => BigRational::new(BigInt::from(1), BigInt::from(2).pow(exponent.unsigned_abs())),
    };
    let mut exponent = number.numer().bits() as i32 - number.denom().bits() as i32 - 126;
    let top = BigRational::from(BigInt::from(2).pow(125));
    while number / power(exponent) >= top {
        exponent += 1;
    }
    let scaled = number / power(exponent);
    let floor = scaled.floor();
    let rest = (&scaled - &floor) * &two;
    let one = BigRational::from(BigInt::from(1));
    let is_odd = (floor.numer() % BigInt::from(2)) == BigInt::from(1);
    let up = match rest.cmp(&one) {
        Ordering::Less => false,
        Ordering::Equal => is_odd,
        Ordering::Greater => true,
    };
    (if up { floor + one } else { floor }) * power(exponent)
}

/// As the strict language reads it.
fn strict(text: &str) -> Option<BigRational> {
    let exact = number(text, false)?;
    let is_integer = text.bytes().all(|byte| byte.is_ascii_digit());
    Some(if is_integer { exact } else { rounded(&exact) })
}

fn check(options: Options, literal: &str, value: &str, expected: Option<Ordering>) {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

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
