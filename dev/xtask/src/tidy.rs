//! Rules of the source tree that neither the compiler nor clippy knows.
//!
//! Every rule is a function from the text files of the tree to violations, so that each can be
//! tested on a few lines; only [`tree`] touches the disk.

mod checklist;
mod citation;
mod manifest;
mod source;
mod spec;
mod tree;

use std::fmt;
use std::path::Path;

/// One text file of the workspace; the path is relative to its root, with forward slashes.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

impl File {
    /// The last part of the path.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file holds tests only: `tests.rs`, or anything below a `tests` folder.
    fn is_test(&self) -> bool {
        self.name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// Whether ids cited here count: code outside this linter, whose own tests cite made-up ones.
    fn may_cite(&self) -> bool {
        let is_code = self.is_rust() || self.path.ends_with(".py");
        is_code && !self.path.starts_with("dev/xtask/")
    }
}

/// One broken rule: where, what, and what would be right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Self {
        Violation { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks the tree at `root`, printing one line per violation.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let files = tree::read(root)?;
    let violations = check(&files);
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => Err("1 rule violation, listed above".to_owned()),
        n => Err(format!("{n} rule violations, listed above")),
    }
}

fn check(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        source::check(file, &mut violations);
    }
    manifest::check(files, &mut violations);
    checklist::check(files, &mut violations);
    spec::check(files, &mut violations);
    violations.sort();
    violations
}

#[cfg(test)]
mod tests;
