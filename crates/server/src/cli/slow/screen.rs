//! Where the tables go: over each other on a terminal, else one after the other.

use std::io::Write;

use crate::cli::client::failure::Failure;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// Clears the line before it is written, and everything below the last one afterwards.
const CLEAR_LINE: &str = "\x1b[2K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Dropping it gives the cursor back; the last table stays readable.
#[derive(Debug)]
pub(super) struct Screen<W: Write> {
    out: W,
    in_place: bool,
    /// Lines of ours above the cursor.
    lines: usize,
    shown: bool,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W, in_place: bool) -> Self {
        Self { out, in_place, lines: 0, shown: false }
    }

    pub(super) fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// Shows `text` in place of, or below, what was shown before.
    pub(super) fn show(&mut self, text: &str) -> Result<(), Failure> {
        let mut bytes = String::new();
        if self.in_place {
            bytes.push_str(HIDE_CURSOR);
            if self.lines > 0 {
                bytes.push_str(&format!("\x1b[{}A\r", self.lines));
            }
            for line in text.lines() {
                bytes.push_str(&format!("{CLEAR_LINE}{line}\n"));
            }
            bytes.push_str(CLEAR_BELOW);
            self.lines = text.lines().count();
        } else {
            bytes.push_str(if self.shown { "\n" } else { "" });
            bytes.push_str(text.trim_end());
            bytes.push('\n');
        }
        self.shown = true;
        let written = self.out.write_all(bytes.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| Failure::output(&error))
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.in_place && self.shown {
            // Nobody to tell if the terminal is gone.
            let _unseen = self.out.write_all(SHOW_CURSOR.as_bytes());
            let _unseen = self.out.flush();
        }
    }
}
