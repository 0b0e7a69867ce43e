//! Rules of one source file: its name, its size, its lines, and what must not be in it.

use super::{File, Violation};

const MAX_LINES: usize = 500;
const MAX_COLUMNS: usize = 100;

/// Names that say nothing about what a file owns, and `mod`, which hides the folder's name.
const BANNED_NAMES: [&str; 6] =
    ["common.rs", "utils.rs", "helpers.rs", "misc.rs", "types.rs", "mod.rs"];

/// What must not be in code, and what to do instead. Split so that this table is not a finding.
const BANNED_TEXT: [(&str, &str); 4] = [
    (concat!("#[", "ignore"), "delete the test or make it run"),
    (concat!("todo", "!("), "finish it or return an error"),
    (concat!("dbg", "!("), "remove it"),
    (concat!("[", "allow("), "use `#[expect(lint, reason = \"...\")]`"),
];

pub(super) fn check(file: &File, violations: &mut Vec<Violation>) {
    if !file.is_rust() {
        return;
    }
    if BANNED_NAMES.contains(&file.name()) {
        let what = format!("{} names nothing; name the file after what it owns", file.name());
        violations.push(Violation::new(file, 1, what));
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        let what = format!("{lines} lines; split the file, at most {MAX_LINES} are readable");
        violations.push(Violation::new(file, MAX_LINES + 1, what));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS {
            let what = format!("{columns} columns; break the line, at most {MAX_COLUMNS}");
            violations.push(Violation::new(file, number, what));
        }
        // Comments may talk about what code must not contain.
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (text, instead) in BANNED_TEXT {
            if line.contains(text) {
                violations.push(Violation::new(file, number, format!("`{text}`; {instead}")));
            }
        }
    }
}
