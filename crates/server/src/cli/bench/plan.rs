//! What a run does: the checked form of the arguments.

use std::time::Duration;

use super::stamp::{STAMP, STAMP_WITH_TIME};
use crate::cli::client::failure::Failure;
use crate::cli::client::new_inbox;
use crate::cli::client::pace::parse_rate;
use crate::cli::client::subject::{check_literal, check_queue};

/// Clients are threads here; beyond this the machine measures its scheduler.
const CLIENTS_MAX: u32 = 10_000;
/// One bit a message for each member of a queue group: at most this much in all.
const BITMAPS_MAX: u64 = 4 << 30;
/// A subject each costs some 40 bytes in every publisher.
const SUBJECTS_MAX: u64 = 10_000_000;

/// A checked run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Tells this run's messages from those of others on the same subject.
    pub(super) run: u32,
    pub(super) subject: String,
    pub(super) subjects: u64,
    pub(super) pubs: u32,
    pub(super) subs: u32,
    pub(super) size: usize,
    pub(super) msgs: u64,
    /// Of all publishers together.
    pub(super) rate: Option<f64>,
    pub(super) queue: Option<String>,
    pub(super) request: bool,
    pub(super) latency: bool,
    pub(super) batch: usize,
    pub(super) timeout: Duration,
}

impl Plan {
    /// Checks the arguments against each other.
    pub(super) fn check(args: &super::Args) -> Result<Plan, Failure> {
        check_literal("subject", &args.subject)?;
        check_queue(args.queue.as_deref())?;
        let refuse = |why: String| Err(Failure::Usage(why));
        if args.pubs == 0 {
            return refuse("--pubs must be at least 1".to_owned());
        }
        if args.pubs.saturating_add(args.subs) > CLIENTS_MAX {
            return refuse(format!("at most {CLIENTS_MAX} clients (--pubs and --subs together)"));
        }
        let least = if args.latency { STAMP_WITH_TIME } else { STAMP };
        let max = 64 << 20;
        if !(least as u64..=max).contains(&args.size) {
            return refuse(format!("--size must be {least} to {max} bytes here"));
        }
        if !(1..=SUBJECTS_MAX).contains(&args.subjects) {
            return refuse(format!("--subjects must be 1 to {SUBJECTS_MAX}"));
        }
        if args.queue.is_some() && args.msgs / 8 * u64::from(args.subs) > BITMAPS_MAX {
            return refuse("too many messages to account for in a queue group".to_owned());
        }
        if args.msgs == 0 || args.batch == 0 || args.timeout.is_zero() {
            return refuse("--msgs, --batch and --timeout must be more than 0".to_owned());
        }
        Ok(Plan {
            run: new_run(),
            subject: args.subject.clone(),
            subjects: args.subjects,
            pubs: args.pubs,
            subs: args.subs,
            size: usize_of(args.size)?,
            msgs: args.msgs,
            rate: args.rate,
            queue: args.queue.clone(),
            request: args.request,
            latency: args.latency || args.request,
            batch: usize_of(args.batch)?,
            timeout: args.timeout,
        })
    }

    /// The subject with this number, below `subjects`.
    pub(super) fn subject(&self, index: u64) -> String {
        if self.subjects == 1 { self.subject.clone() } else { format!("{}.{index}", self.subject) }
    }

    /// What subscribers subscribe to.
    pub(super) fn filter(&self) -> String {
        if self.subjects == 1 { self.subject.clone() } else { format!("{}.*", self.subject) }
    }

    /// How many of the messages this publisher sends.
    pub(super) fn share(&self, publisher: u32) -> u64 {
        let (pubs, publisher) = (u64::from(self.pubs), u64::from(publisher));
        self.msgs / pubs + u64::from(publisher < self.msgs % pubs)
    }

    /// How many messages the subscribers get together, if none is lost.
    pub(super) fn deliveries(&self) -> u64 {
        match (&self.queue, self.subs) {
            (_, 0) => 0,
            (Some(_), _) => self.msgs,
            (None, subs) => self.msgs.saturating_mul(u64::from(subs)),
        }
    }
}

/// Parses `1000`, `1_000`, `10k`, `2.5M` or `1G` for clap.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, f64)] = &[("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("", 1.0)];
    scaled(text, UNITS).ok_or_else(|| "write a whole number, e.g. 1000, 10k or 2.5M".to_owned())
}

/// Parses `128`, `64KiB`, `1MiB` or `10kB` for clap.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, f64)] = &[
        ("KiB", 1024.0),
        ("MiB", 1024.0 * 1024.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("B", 1.0),
        ("", 1.0),
    ];
    scaled(text, UNITS).ok_or_else(|| "write a size in bytes, e.g. 128, 64KiB or 1MiB".to_owned())
}

/// Parses a rate, also with `k` or `M`, for clap.
pub(super) fn parse_big_rate(text: &str) -> Result<f64, String> {
    match parse_count(text) {
        // Exact up to 2^53, far above the largest rate.
        Ok(count) => parse_rate(&count.to_string()),
        Err(_) => parse_rate(text),
    }
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let text = text.trim().replace('_', "");
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))?;
    let number = number.trim();
    if !number.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let value = number.parse::<f64>().ok()? * factor;
    // Above 2^53 a float no longer holds every whole number.
    (value.fract() == 0.0 && value <= 9e15).then_some(value as u64)
}

fn new_run() -> u32 {
    // The tail of an inbox name is 64 random bits in hexadecimal.
    let name = new_inbox();
    name.get(name.len() - 8..).and_then(|tail| u32::from_str_radix(tail, 16).ok()).unwrap_or(1)
}

fn usize_of(value: u64) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| Failure::usage(format!("{value} is too large")))
}
