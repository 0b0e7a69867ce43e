//! The live table: redrawn in place on a terminal, else one table a second.

use std::io::{self, Write};
use std::time::Duration;

use super::cast::{KEPT, Role};
use super::paint::{Paint, WIDTH, bytes, count, latency};
use super::plot::{Doing, Plot, short};
use super::publisher::Schedule;
use super::watch::{Frame, Row};
use crate::cli::client::failure::Failure;

/// Between two tables where they cannot be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(1);
/// Columns of the bar that shows how far the demo is.
const BAR: usize = 30;

/// Where frames go.
pub(super) struct Screen {
    pub(super) paint: Paint,
    /// Lines of the last frame, which the next one is drawn over.
    drawn: usize,
    next_plain: Duration,
}

impl Screen {
    /// One that redraws in place if `is_live`, with colours if `paint` has them.
    pub(super) fn new(paint: Paint) -> Screen {
        Screen { paint, drawn: 0, next_plain: PLAIN_EVERY }
    }

    /// Shows a frame, or passes over it where it cannot be redrawn and the last one is fresh.
    pub(super) fn show(&mut self, frame: &Frame, plot: &Plot, doing: Doing) -> Result<(), Failure> {
        if !self.paint.is_on {
            if frame.at < self.next_plain {
                return Ok(());
            }
            self.next_plain += PLAIN_EVERY;
        }
        let lines = lines(frame, plot, doing, self.paint);
        let mut text = String::new();
        if self.paint.is_on {
            // No wrapping meanwhile: in a narrow window lines are cut instead of moving the rest.
            text.push_str("\x1b[?7l");
            if self.drawn > 0 {
                text.push_str(&format!("\x1b[{}A", self.drawn));
            }
            lines.iter().for_each(|line| text.push_str(&format!("\r{line}\x1b[K\n")));
            text.push_str("\x1b[?7h");
        } else {
            lines.iter().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
        }
        self.drawn = lines.len();
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| Failure::output(&error))
    }
}

/// A frame as lines; always the same number of them.
pub(super) fn lines(frame: &Frame, plot: &Plot, doing: Doing, paint: Paint) -> Vec<String> {
    let mut lines = vec![String::new(), progress(frame, plot.times.length, paint), String::new()];
    let heading = format!(
        "{:<10}{:>8}{:>10}{:>10}{:>10}{:>8}{:>9}{:>7}{:>7}",
        "", "reads/s", "delivered", "lost", "conflated", "queued", "memory", "p50", "p99"
    );
    lines.push(paint.dim(&heading));
    for row in &frame.rows {
        lines.push(numbers(row, paint));
        lines.push(words(row, plot, doing, paint));
    }
    lines.push(String::new());
    lines.push(now(frame, plot, doing, paint));
    lines
}

fn progress(frame: &Frame, length: Duration, paint: Paint) -> String {
    let part = (frame.at.as_secs_f64() / length.as_secs_f64()).min(1.0);
    let full = (part * BAR as f64) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
    let published = count(frame.published);
    let burst = if Schedule::is_burst(frame.at) { " burst!" } else { "" };
    let text = format!("published {published}, {}/s{burst}", count(frame.rate));
    format!("{:>4.1} s  {}  {}", frame.at.as_secs_f64(), paint.dim(&bar), paint.bold(&text))
}

fn numbers(row: &Row, paint: Paint) -> String {
    let (half, most) = match row.latency {
        Some((half, most)) => (latency(half), latency(most)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let Row { sum, .. } = row;
    let figures = format!(
        "{:>8}{:>10}{:>10}{:>10}{:>8}{:>9}{:>7}{:>7}",
        count(row.rate),
        count(sum.delivered),
        count(sum.lost + sum.expired),
        count(sum.conflated),
        count(sum.queued),
        bytes(row.account.as_ref().map_or(0, |account| account.held_bytes)),
        half,
        most
    );
    format!("{}{figures}", paint.bold(&format!("{:<10}", row.role.name())))
}

/// The line below the numbers: what it asked for, and how it is doing.
fn words(row: &Row, plot: &Plot, doing: Doing, paint: Paint) -> String {
    let policy = row.role.policy(plot.times.behind);
    let end = row.account.as_ref().and_then(|account| account.end.as_ref());
    let state = match (row.role, end) {
        (Role::Fast, None) => paint.good("keeps up"),
        (Role::Dashboard, None) => paint.slow("slow, yet gets the latest of each symbol"),
        (Role::Recorder, None) => paint.slow(&format!("slow, yet gets the newest {KEPT}")),
        (Role::Fast | Role::Dashboard | Role::Recorder, Some(end)) => {
            paint.bad(&format!("ENDED: {}", short(&end.to_string())))
        }
        (Role::Stalled, _) => match doing {
            Doing::Reads => paint.good("keeps up, so far"),
            Doing::Sleeps(time) => {
                paint.bad(&format!("has read nothing for {:.1} s", time.as_secs_f64()))
            }
            Doing::Ended => {
                let reason = match plot.reason() {
                    "" => "the reason waits behind its queue",
                    reason => reason,
                };
                paint.bad(&format!("ENDED: {reason}"))
            }
            Doing::ReadsOn(quotes) => {
                paint.slow(&format!("awake: reads what was queued, {}", count(quotes)))
            }
            Doing::HasRead(quotes) => {
                paint.dim(&format!("awake: read {} that waited, and why it ended", count(quotes)))
            }
        },
    };
    format!("  {}: {state}", paint.dim(&policy))
}

/// What to look at.
fn now(frame: &Frame, plot: &Plot, doing: Doing, paint: Paint) -> String {
    let left = plot.times.stall_at.saturating_sub(frame.at).as_secs_f64();
    let text = match doing {
        Doing::Reads => format!("In {left:.1} s `stalled` will stop reading."),
        Doing::Sleeps(_) => "`stalled` reads nothing: its queue grows. Look at the others.".into(),
        Doing::Ended => "The server has ended `stalled`. What is queued stays readable.".into(),
        Doing::ReadsOn(_) => "`stalled` is awake: what was queued for it is still there.".into(),
        Doing::HasRead(_) => {
            format!("It has read why: {}. Its memory is free.", plot.reason())
        }
    };
    paint.bold(&text.chars().take(WIDTH).collect::<String>())
}
