//! Checks subjects before they reach the wire, where a space would turn into another argument.

use super::failure::Failure;

/// A subject to publish to: no wildcards.
pub(crate) fn check_literal(what: &str, subject: &str) -> Result<(), Failure> {
    check(what, subject)?;
    if subject.split('.').any(|token| token == "*" || token == ">") {
        return Err(Failure::usage(format!(
            "{what} {subject:?} has a wildcard: messages go to one exact subject"
        )));
    }
    Ok(())
}

/// A subject to subscribe to: `*` stands for one token and a final `>` for the rest.
pub(crate) fn check_filter(what: &str, subject: &str) -> Result<(), Failure> {
    check(what, subject)?;
    match subject.split('.').position(|token| token == ">") {
        Some(at) if at + 1 < subject.split('.').count() => Err(Failure::usage(format!(
            "{what} {subject:?} has '>' in the middle: it may only be the last token"
        ))),
        _ => Ok(()),
    }
}

/// A queue group name: one word.
pub(crate) fn check_queue(queue: Option<&str>) -> Result<(), Failure> {
    match queue {
        Some(name) if name.is_empty() || name.contains(is_blank) => {
            Err(Failure::usage(format!("queue group {name:?} must be one word without spaces")))
        }
        _ => Ok(()),
    }
}

fn check(what: &str, subject: &str) -> Result<(), Failure> {
    if subject.contains(is_blank) {
        return Err(Failure::usage(format!("{what} {subject:?} must not contain spaces")));
    }
    if subject.split('.').any(str::is_empty) {
        return Err(Failure::usage(format!(
            "{what} {subject:?} has an empty token: tokens are separated by single dots"
        )));
    }
    Ok(())
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\0'
}
