//! The end: what each consumer got, in plain words, and the sums that prove it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cast::Role;
use super::consumer::Seen;
use super::paint::{Paint, count, latency, wrapped};
use super::plot::Plot;
use super::sum::Sum;
use super::watch::{Act, Stretch};

/// The fast consumer has not noticed if its p99 was at most so many times that without a stall.
/// Such a p99 is of the few worst milliseconds, and never twice the same.
const SAME_FACTOR: u64 = 2;

/// What is known at the end.
pub(super) struct Outcome<'a> {
    pub(super) length: Duration,
    pub(super) published: u64,
    pub(super) plot: &'a Plot,
    /// Of the fast consumer, by [`Act`].
    pub(super) stretches: &'a [Stretch; 3],
    pub(super) results: Vec<Closing<'a>>,
}

/// One consumer at the end.
pub(super) struct Closing<'a> {
    pub(super) role: Role,
    pub(super) seen: &'a Seen,
    /// When the last quote was published.
    pub(super) sum: Sum,
    /// When everything queued was read.
    pub(super) last: Sum,
}

impl Outcome<'_> {
    /// The closing words.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        let (quotes, seconds) = (count(self.published), self.length.as_secs_f64());
        let title = format!("What happened to {quotes} quotes in {seconds:.1} s");
        let _infallible = writeln!(out, "\n{}\n", paint.bold(&title));
        for result in &self.results {
            let words = match result.role {
                Role::Fast => self.fast(&result.sum),
                Role::Dashboard => dashboard(&result.sum),
                Role::Recorder => recorder(&result.sum),
                Role::Stalled => self.stalled(result),
            };
            let line = wrapped(&format!("{:<11}{words}", result.role.name()), 11);
            let _infallible = writeln!(out, "{line}");
        }
        self.stretches(&mut out, paint);
        self.sums(&mut out, paint);
        out
    }

    fn fast(&self, sum: &Sum) -> String {
        if sum.delivered == self.published {
            format!("got all {} quotes.", count(sum.delivered))
        } else {
            format!("got {} of {} quotes.", count(sum.delivered), count(self.published))
        }
    }

    fn stalled(&self, result: &Closing<'_>) -> String {
        let mut words = format!("got {} quotes.", count(result.sum.delivered));
        let Some((at, reason)) = &self.plot.end else {
            words.push_str(" The demo was over before the server ended it.");
            return words;
        };
        let told = result.seen.end.get();
        let reason = told.unwrap_or(reason);
        let stall_at = self.plot.times.stall_at;
        let _infallible = write!(
            words,
            " It read nothing from {:.1} s on, and at {:.1} s the server ended it: \"{reason}\".",
            stall_at.as_secs_f64(),
            at.as_secs_f64()
        );
        words.push_str(match told {
            Some(_) => " It could still read what was queued for it, and then this reason.",
            None => " It could still read what was queued for it; then it was disconnected.",
        });
        words
    }

    /// What the fast consumer noticed of the stalled one.
    fn stretches(&self, out: &mut String, paint: Paint) {
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let row = |out: &mut String, name: &str, cells: [String; 3]| {
            let _infallible =
                writeln!(out, "{name:<11}{:>16}{:>18}{:>18}", cells[0], cells[1], cells[2]);
        };
        let _infallible = writeln!(out, "\n{}\n", paint.bold(self.verdict()));
        let acts = ["before the stall", "during the stall", "after its end"];
        row(out, "`fast`", acts.map(str::to_owned));
        let each = |f: &dyn Fn(&Stretch) -> Option<String>| {
            [&self.stretches[0], &self.stretches[1], &self.stretches[2]].map(|one| cell(f(one)))
        };
        row(out, "published", each(&|one| Some(format!("{}/s", count(one.rate(one.published)?)))));
        row(out, "read", each(&|one| Some(format!("{}/s", count(one.rate(one.read)?)))));
        row(out, "p99", each(&|one| Some(latency(one.p99()?))));
    }

    fn verdict(&self) -> &'static str {
        let of = |act: Act| self.stretches[act as usize].p99();
        // The worse of the times without a stall: it shows what the machine does by itself.
        let without = of(Act::Before).max(of(Act::After));
        match (without, of(Act::Stall)) {
            (Some(without), Some(during)) if during <= without * SAME_FACTOR => {
                "Did the fast one notice? No."
            }
            (Some(_), Some(_)) => "Did the fast one notice? Its p99 grew; the machine may be busy.",
            _ => "Did the fast one notice? The demo was too short to tell.",
        }
    }

    fn sums(&self, out: &mut String, paint: Paint) {
        let title = "Every quote is in exactly one place";
        let _infallible = writeln!(out, "\n{}\n", paint.bold(title));
        let mut row = |name: &str, cells: [String; 6], end: &str| {
            let [matched, delivered, lost, conflated, expired, queued] = cells;
            let _infallible = writeln!(
                out,
                "{name:<10}{matched:>9} = {delivered:>9} + {lost:>8} + {conflated:>9} + \
                 {expired:>7} + {queued:>6}{end}"
            );
        };
        let names = ["matched", "delivered", "lost", "conflated", "expired", "queued"];
        row("", names.map(str::to_owned), "");
        for result in &self.results {
            let Sum { matched, delivered, lost, conflated, expired, queued } = result.sum;
            let numbers = [matched, delivered, lost, conflated, expired, queued];
            let end = if result.sum.holds() { "" } else { " WRONG" };
            row(result.role.name(), numbers.map(|number| number.to_string()), end);
        }
    }

    /// What does not add up; nothing of it should ever be seen.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for result in &self.results {
            let name = result.role.name();
            for sum in [&result.sum, &result.last] {
                if !sum.holds() {
                    let (matched, there) = (sum.matched, sum.accounted());
                    faults.push(format!(
                        "the sum of {name} does not hold: {matched} matched, {there} accounted for"
                    ));
                }
            }
            let all = self.published;
            if result.role != Role::Stalled && result.sum.matched != all {
                let matched = result.sum.matched;
                faults.push(format!("{all} quotes were published and {matched} matched {name}"));
            }
            faults.extend(result.differences());
        }
        faults
    }
}

impl Closing<'_> {
    /// What the consumer counted in another way than the server.
    fn differences(&self) -> Vec<String> {
        let name = self.role.name();
        let mut differences = Vec::new();
        let mut compare = |read: &AtomicU64, server: u64, what: &str| {
            let read = read.load(Ordering::Relaxed);
            if read != server {
                differences.push(format!("{name} counted {read} {what}, the server {server}"));
            }
        };
        compare(&self.seen.quotes, self.last.delivered, "quotes");
        // One that was ended is told of the end, not of each message that comes after it.
        if self.role != Role::Stalled {
            let missed = self.last.lost + self.last.expired;
            compare(&self.seen.told_missed, missed, "lost");
            compare(&self.seen.told_conflated, self.last.conflated, "replaced");
        }
        differences
    }
}

fn dashboard(sum: &Sum) -> String {
    format!(
        "got {} quotes, always the latest of a symbol. {} were replaced while they waited, by \
         newer ones of their symbol.",
        count(sum.delivered),
        count(sum.conflated)
    )
}

fn recorder(sum: &Sum) -> String {
    format!(
        "got {} quotes, always from the newest. {} older ones were dropped, and it was told of \
         each.",
        count(sum.delivered),
        count(sum.lost)
    )
}
