//! Cited requirements must exist: `spec: OVF-3` needs `**OVF-3**` in a file of `docs/spec`.

use std::collections::HashSet;

use super::citation::cited;
use super::{File, Violation};

pub(super) fn check(files: &[File], violations: &mut Vec<Violation>) {
    let known: HashSet<&str> = files
        .iter()
        .filter(|file| file.path.starts_with("docs/spec/") && file.path.ends_with(".md"))
        .flat_map(|file| defined(&file.text))
        .collect();
    for file in files.iter().filter(|file| file.may_cite()) {
        for (line, id) in cited(&file.text, "spec:", is_requirement) {
            if !known.contains(id) {
                let what = format!("no requirement {id}; `**{id}**` must be in docs/spec/*.md");
                violations.push(Violation::new(file, line, what));
            }
        }
    }
}

/// The ids printed in bold: a requirement is defined where it stands between double asterisks.
fn defined(text: &str) -> impl Iterator<Item = &str> {
    text.split("**").filter(|part| is_requirement(part))
}

/// Capital letters (digits may follow), a hyphen, a number.
fn is_requirement(id: &str) -> bool {
    let Some((area, number)) = id.split_once('-') else { return false };
    area.starts_with(|c: char| c.is_ascii_uppercase())
        && area.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit())
}
