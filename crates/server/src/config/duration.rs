//! Durations as people write them: `"500ms"`, `"2s"`, `"1m 30s"`.

use std::time::Duration;

/// The longest duration that is taken. Deadlines are made by adding durations to the clock, and
/// that must never overflow; nothing here is meant to take longer than a year anyway.
const MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration with its unit; the error says what would be right.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<u64>() {
        return from_number(i128::from(number));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= MAX => Ok(duration),
        Ok(_) => Err(format!("`{text}` is too long; at most 365 days")),
        Err(_) => Err(format!(
            "`{text}` is not a duration; write for example \"500ms\", \"2s\", \"1m 30s\" or \"2h\""
        )),
    }
}

/// A bare number: only zero needs no unit.
pub(super) fn from_number(number: i128) -> Result<Duration, String> {
    match number {
        0 => Ok(Duration::ZERO),
        1.. => Err(format!("`{number}` has no unit; write \"{number}s\" or \"{number}ms\"")),
        _ => Err(format!("`{number}` is negative; write for example \"2s\"")),
    }
}

/// Writes a duration so that [`parse`] gives exactly the same one back.
pub(super) fn exact(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests;
