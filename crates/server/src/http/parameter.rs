//! Parameters of a page, and what is said about wrong ones.

use serde::Serialize;

/// A parameter that was not understood.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct BadParameter {
    pub(super) parameter: String,
    pub(super) problem: String,
    pub(super) expected: String,
}

/// Refuses a parameter that is there for the second time: `at` is its place.
pub(super) fn check_once(parameters: &[(String, String)], at: usize) -> Result<(), BadParameter> {
    let name = &parameters[at].0;
    if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
        return Err(bad(name, "given twice", "each parameter once"));
    }
    Ok(())
}

pub(super) fn number(name: &str, value: &str, max: u64) -> Result<u64, BadParameter> {
    match value.parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(not_valid(name, value, &format!("a number from 0 to {max}"))),
    }
}

pub(super) fn not_valid(name: &str, value: &str, expected: &str) -> BadParameter {
    bad(name, &format!("{value:?} is not valid"), expected)
}

pub(super) fn bad(parameter: &str, problem: &str, expected: &str) -> BadParameter {
    let (problem, expected) = (problem.to_owned(), expected.to_owned());
    BadParameter { parameter: parameter.to_owned(), problem, expected }
}
