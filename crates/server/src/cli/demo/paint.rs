//! Numbers and colours for a screen of eighty columns.

use indicatif::HumanCount;

/// Columns that every line keeps to.
pub(super) const WIDTH: usize = 80;

/// Whether there is a terminal that understands colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) is_on: bool,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn slow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
}

/// `123,456`; `12.3M` once that is longer than a column.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000_000 => HumanCount(number).to_string(),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// `420 us`, `9.8 ms`, `98 ms`, `1.2 s`: six letters, seven for minutes.
pub(super) fn latency(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} us"),
        // Cut off, not rounded: 9.96 would become 10.0, which is a letter more.
        1000..10_000 => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// `0 B`, `640 KiB`, `12.3 MiB`.
pub(super) fn bytes(number: u64) -> String {
    match number {
        0 => "0".to_owned(),
        1..0x400 => format!("{number} B"),
        0x400..0x10_0000 => format!("{} KiB", number >> 10),
        _ => format!("{:.1} MiB", number as f64 / f64::from(1 << 20)),
    }
}

/// Breaks text at spaces into lines of at most [`WIDTH`] columns; all but the first are indented.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = " ".repeat(indent);
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &line
}
