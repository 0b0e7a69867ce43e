//! What is wrong with a configuration, told with its place, a caret and what would be right.

use std::fmt;
use std::ops::Range;

/// Every mistake in a configuration; its text is for the operator and names each one's place.
///
/// The operator is at fault and a retry does not help, except when the file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<String>) -> ConfigError {
        assert!(!problems.is_empty(), "an error has a reason");
        ConfigError { problems }
    }

    pub(super) fn unreadable(name: &str, error: &std::io::Error) -> ConfigError {
        ConfigError::new(vec![format!("cannot read the configuration file {name}: {error}")])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// The text a place refers to, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) name: &'s str,
    pub(super) text: &'s str,
}

impl Source<'_> {
    /// The line that a place is on, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        let start = self.text.floor_char_boundary(at.min(self.text.len()));
        self.text[..start].matches('\n').count() + 1
    }

    /// `name:line:column: message`.
    pub(super) fn name_place(&self, span: &Range<usize>, message: &str) -> String {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let before = &self.text[..start];
        let line = self.line(start);
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        format!("{}:{line}:{column}: {message}", self.name)
    }

    /// The same, the line itself, and a caret below the place.
    pub(super) fn point_at(&self, span: &Range<usize>, message: &str) -> String {
        let text = self.text;
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let number = self.line(start).to_string();

        // Tabs stay tabs, so the caret is below its text whatever their width.
        let before = text[line_start..start].chars();
        let pad: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let end = text.floor_char_boundary(span.end.min(line_start + line.len()).max(start));
        let carets = "^".repeat(text[start..end].chars().count().max(1));
        let gutter = " ".repeat(number.len());
        format!(
            "{place}\n{gutter} |\n{number} | {line}\n{gutter} | {pad}{carets}",
            place = self.name_place(span, message),
        )
    }
}

/// The candidate that is most likely meant; `None` if none is close enough to be of help.
pub(super) fn nearest<'c>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let typed = plain(typed);
    let allowed = (typed.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
