//! The checklist rows that are done: each must be proved by a test that names it.

use super::citation::cited;
use super::{File, Violation};

/// Rows claimed as done. Add a row here together with the test that proves it, and cite it there
/// in a comment: the word "checklist", a colon, the id.
const DONE: [&str; 55] = [
    "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15",
    "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B13", "B14", "B15",
    "B16", "C1", "C2", "C3", "C4", "C5", "C6", "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E9",
    "F3", "F4", "F5", "H1", "H2", "H3", "H4", "H5", "I1", "I2",
];

/// Where the list is kept, for the message.
const HERE: &str = "dev/xtask/src/tidy/checklist.rs";

pub(super) fn check(files: &[File], violations: &mut Vec<Violation>) {
    let tests = files.iter().filter(|file| file.may_cite() && file.is_test());
    let proved: Vec<&str> = tests
        .flat_map(|file| cited(&file.text, "checklist:", is_row))
        .map(|(_, row)| row)
        .collect();
    for row in DONE.iter().filter(|row| !proved.contains(row)) {
        violations.push(Violation {
            path: HERE.to_owned(),
            line: line_of(files, row),
            what: format!("no test cites row {row}; say `checklist: {row}` at the one proving it"),
        });
    }
}

/// A capital letter and a number.
fn is_row(id: &str) -> bool {
    let mut letters = id.chars();
    letters.next().is_some_and(|c| c.is_ascii_uppercase())
        && !letters.as_str().is_empty()
        && letters.all(|c| c.is_ascii_digit())
}

fn line_of(files: &[File], row: &str) -> usize {
    let quoted = format!("\"{row}\"");
    let list = files.iter().find(|file| file.path == HERE);
    list.and_then(|list| list.text.lines().position(|line| line.contains(&quoted)))
        .map_or(1, |at| at + 1)
}
