//! Numbers with a unit: counts, sizes and durations, from JSON numbers or from texts.

use super::document::Node;

/// The largest count or size: more cannot be told back exactly to every reader of JSON, because
/// some of them have no integers.
const MAX_NUMBER: u64 = (1 << 53) - 1;
/// The longest duration, a year: deadlines are made by adding to the clock, which must not
/// overflow.
const MAX_MS: u64 = 365 * 24 * 3_600_000;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Messages,
    Bytes,
    Milliseconds,
}

impl Quantity {
    /// Reads a value; the error says what would be right.
    pub(super) fn read(self, node: &Node) -> Result<u64, String> {
        let number = match node {
            Node::Number(number) => number.as_u64(),
            Node::Text(text) => self.read_text(text),
            _ => None,
        };
        match number {
            Some(number) if number > self.max() => {
                Err(format!("{node} is too large; at most {}", self.most()))
            }
            Some(number) if number > 0 => Ok(number),
            _ => Err(format!("must be {}, not {node}", self.right())),
        }
    }

    fn read_text(self, text: &str) -> Option<u64> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = self.factor(unit.trim_start())?;
        if number.is_empty() {
            return None;
        }
        // Too many digits, or too many once multiplied: larger than anything that is taken.
        let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        Some(number.unwrap_or(u64::MAX))
    }

    fn factor(self, unit: &str) -> Option<u64> {
        Some(match (self, unit) {
            (Self::Bytes, "" | "B") => 1,
            (Self::Bytes, "KiB") => 1 << 10,
            (Self::Bytes, "MiB") => 1 << 20,
            (Self::Bytes, "GiB") => 1 << 30,
            (Self::Bytes, "kB" | "KB") => 1_000,
            (Self::Bytes, "MB") => 1_000_000,
            (Self::Bytes, "GB") => 1_000_000_000,
            (Self::Milliseconds, "ms") => 1,
            (Self::Milliseconds, "s") => 1_000,
            (Self::Milliseconds, "m") => 60_000,
            (Self::Milliseconds, "h") => 3_600_000,
            _ => return None,
        })
    }

    fn max(self) -> u64 {
        match self {
            Self::Messages | Self::Bytes => MAX_NUMBER,
            Self::Milliseconds => MAX_MS,
        }
    }

    fn most(self) -> String {
        match self {
            Self::Messages => format!("{MAX_NUMBER} messages"),
            Self::Bytes => format!("{MAX_NUMBER} bytes"),
            Self::Milliseconds => "365 days (\"8760h\")".to_owned(),
        }
    }

    fn right(self) -> &'static str {
        match self {
            Self::Messages => "a positive whole number",
            Self::Bytes => "a positive whole number of bytes, or a text such as \"8MiB\"",
            Self::Milliseconds => {
                "a positive whole number of milliseconds, or a text such as \"250ms\", \"10s\", \
                 \"2m\" or \"1h\""
            }
        }
    }
}
