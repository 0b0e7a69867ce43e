//! The result of a run: for people, as JSON, and as a line of CSV.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::csv;
use super::ledger::Ledger;
use super::plan::Plan;
use super::publisher::Published;
use super::request::{Answered, Asked};
use super::subscriber::Tally;
use super::table;
use crate::cli::client::Client;
use crate::cli::client::failure::{Failure, say};

/// Everything that a run found out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) server: ServerName,
    pub(super) mode: Mode,
    pub(super) subject: String,
    pub(super) subjects: u64,
    pub(super) size: usize,
    pub(super) msgs: u64,
    pub(super) rate: Option<f64>,
    pub(super) queue: Option<String>,
    pub(super) sent: Side,
    pub(super) received: Side,
    pub(super) lost: u64,
    /// Of the lost ones, those that the server told the subscriber about.
    pub(super) lost_reported: u64,
    pub(super) lost_unreported: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    pub(super) foreign: u64,
    pub(super) latency_us: Option<Latency>,
    /// Subscriptions that the server ended, with its words.
    pub(super) ends: Vec<String>,
    pub(super) errors: Vec<String>,
    pub(super) ok: bool,
}

/// Which of the two patterns ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    Publish,
    Request,
}

/// The server that was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ServerName {
    pub(super) address: String,
    pub(super) name: String,
    pub(super) version: String,
}

/// One side of the run: all publishers, or all subscribers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Side {
    pub(super) clients: usize,
    pub(super) messages: u64,
    /// From the start of the run to the last message.
    pub(super) seconds: f64,
    pub(super) per_second: f64,
    pub(super) mib_per_second: f64,
    pub(super) each: Vec<Each>,
}

/// How one client did.
#[derive(Debug, Serialize)]
pub(super) struct Each {
    pub(super) messages: u64,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
}

/// Microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Losses of a run, told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) lost: u64,
    pub(super) reported: u64,
    pub(super) unreported: u64,
    pub(super) duplicates: u64,
    /// The server reported more than was lost: `(subscriber, reported, lost)`.
    pub(super) overcounted: Vec<(usize, u64, u64)>,
}

impl ServerName {
    pub(super) fn of(client: &Client) -> ServerName {
        let info = client.info();
        ServerName {
            address: client.address().to_string(),
            name: info.server_name.clone(),
            version: info.version.clone(),
        }
    }
}

impl Report {
    /// Accounts for a publish/subscribe run.
    #[expect(clippy::needless_pass_by_value, reason = "the end of what the threads hand over")]
    pub(super) fn of_publish(
        plan: &Plan,
        server: ServerName,
        published: Vec<Published>,
        received: Vec<Tally>,
    ) -> Report {
        let losses = Losses::of(plan, published.iter().map(|side| side.messages).sum(), &received);
        let mut errors = each_with("publisher", published.iter().map(|side| side.error.as_deref()));
        errors.extend(each_with("subscriber", received.iter().map(|tally| tally.error.as_deref())));
        errors.extend(losses.overcounted.iter().map(|(index, reported, lost)| {
            format!("subscriber {}: told of {reported} lost, but {lost} were", index + 1)
        }));
        let ends = each_with("subscriber", received.iter().map(|tally| tally.end.as_deref()));
        let latency = received.iter().filter_map(|tally| tally.latency.as_ref());
        let report = Report {
            sent: Side::of(plan, published.iter().map(|side| (side.messages, side.elapsed))),
            received: Side::of(plan, received.iter().map(|tally| (tally.messages, tally.elapsed))),
            lost: losses.lost,
            lost_reported: losses.reported,
            lost_unreported: losses.unreported,
            duplicates: losses.duplicates,
            out_of_order: received.iter().map(|tally| tally.ledger.out_of_order).sum(),
            foreign: received.iter().map(|tally| tally.foreign).sum(),
            latency_us: Latency::of(latency),
            ends,
            errors,
            ..Report::empty(plan, server, Mode::Publish)
        };
        report.judged()
    }

    /// Accounts for a request/reply run.
    #[expect(clippy::needless_pass_by_value, reason = "the end of what the threads hand over")]
    pub(super) fn of_request(
        plan: &Plan,
        server: ServerName,
        asked: Vec<Asked>,
        answered: Vec<Answered>,
    ) -> Report {
        let mut errors = each_with("requester", asked.iter().map(|side| side.error.as_deref()));
        errors.extend(each_with("responder", answered.iter().map(|side| side.error.as_deref())));
        let lost = asked.iter().map(|side| side.requests - side.replies).sum();
        let report = Report {
            sent: Side::of(plan, asked.iter().map(|side| (side.replies, side.elapsed))),
            received: Side::of(plan, answered.iter().map(|side| (side.replies, side.elapsed))),
            lost,
            lost_unreported: lost,
            duplicates: asked.iter().map(|side| side.extra).sum(),
            latency_us: Latency::of(asked.iter().map(|side| &side.latency)),
            errors,
            ..Report::empty(plan, server, Mode::Request)
        };
        report.judged()
    }

    /// One line on why the run failed; `None` if it did not.
    pub(super) fn verdict(&self) -> Option<String> {
        let mut faults = Vec::new();
        let mut add = |count: u64, what: &str| {
            if count > 0 {
                faults.push(format!("{what}: {}", indicatif::HumanCount(count)));
            }
        };
        match self.mode {
            Mode::Publish => {
                add(self.lost_unreported, "messages lost and not reported by the server");
                add(self.duplicates, "messages that came twice");
            }
            Mode::Request => {
                add(self.lost_unreported, "requests without a reply");
                add(self.duplicates, "replies that came twice or from elsewhere");
            }
        }
        add(self.out_of_order, "messages out of order");
        match self.errors.as_slice() {
            [] => {}
            [only] => faults.push(only.clone()),
            [first, rest @ ..] => faults.push(format!("{first} (and {} more)", rest.len())),
        }
        if faults.is_empty() { None } else { Some(faults.join("; ")) }
    }

    pub(super) fn print_json(&self) -> Result<(), Failure> {
        say(&serde_json::to_string_pretty(self).map_err(Failure::failed)?)
    }

    pub(super) fn print_table(&self) -> Result<(), Failure> {
        table::print(self)
    }

    pub(super) fn append_csv(&self, path: &Path) -> Result<(), Failure> {
        csv::append(self, path)
    }

    fn empty(plan: &Plan, server: ServerName, mode: Mode) -> Report {
        Report {
            server,
            mode,
            subject: plan.subject.clone(),
            subjects: plan.subjects,
            size: plan.size,
            msgs: plan.msgs,
            rate: plan.rate,
            queue: plan.queue.clone(),
            sent: Side::default(),
            received: Side::default(),
            lost: 0,
            lost_reported: 0,
            lost_unreported: 0,
            duplicates: 0,
            out_of_order: 0,
            foreign: 0,
            latency_us: None,
            ends: Vec::new(),
            errors: Vec::new(),
            ok: false,
        }
    }

    fn judged(mut self) -> Report {
        self.ok = self.verdict().is_none();
        self
    }
}

impl Losses {
    /// Compares what was published with what each subscriber has.
    pub(super) fn of(plan: &Plan, published: u64, received: &[Tally]) -> Losses {
        let reported = received.iter().map(|tally| tally.reported).sum();
        let seen_twice: u64 = received.iter().map(|tally| tally.ledger.duplicates).sum();
        if received.is_empty() {
            return Losses::default();
        }
        if plan.queue.is_some() {
            let ledgers: Vec<&Ledger> = received.iter().map(|tally| &tally.ledger).collect();
            let distinct = Ledger::union(&ledgers);
            let sum: u64 = ledgers.iter().map(|ledger| ledger.distinct).sum();
            let lost = published.saturating_sub(distinct);
            // What was queued for a member that was told of its end is no silent loss.
            let ended = received.iter().any(|tally| tally.end.is_some());
            return Losses {
                lost,
                reported,
                unreported: if ended { 0 } else { lost.saturating_sub(reported) },
                duplicates: seen_twice + (sum - distinct),
                overcounted: Vec::new(),
            };
        }
        let mut losses = Losses { reported, duplicates: seen_twice, ..Losses::default() };
        for (index, tally) in received.iter().enumerate() {
            let lost = published.saturating_sub(tally.ledger.distinct);
            losses.lost += lost;
            // Told that it is over, a subscriber knows that nothing after that is coming.
            if tally.end.is_none() {
                losses.unreported += lost.saturating_sub(tally.reported);
                if tally.reported > lost {
                    losses.overcounted.push((index, tally.reported, lost));
                }
            }
        }
        losses
    }
}

impl Side {
    fn of(plan: &Plan, clients: impl Iterator<Item = (u64, Duration)>) -> Side {
        let mut side = Side::default();
        for (messages, elapsed) in clients {
            let seconds = elapsed.as_secs_f64();
            side.messages += messages;
            side.seconds = side.seconds.max(seconds);
            side.each.push(Each { messages, seconds, per_second: per_second(messages, seconds) });
        }
        side.clients = side.each.len();
        side.per_second = per_second(side.messages, side.seconds);
        side.mib_per_second = side.per_second * plan.size as f64 / f64::from(1 << 20);
        side
    }
}

impl Latency {
    fn of<'a>(mut parts: impl Iterator<Item = &'a Histogram<u64>>) -> Option<Latency> {
        let mut all = parts.next()?.clone();
        for part in parts {
            // All have the same bounds, so they always fit together.
            all.add(part).ok()?;
        }
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        let at = |quantile: f64| micros(all.value_at_quantile(quantile));
        (!all.is_empty()).then(|| Latency {
            count: all.len(),
            min: micros(all.min()),
            mean: all.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(all.max()),
        })
    }
}

fn per_second(messages: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { messages as f64 / seconds } else { 0.0 }
}

fn each_with<'a>(who: &str, clients: impl Iterator<Item = Option<&'a str>>) -> Vec<String> {
    clients
        .enumerate()
        .filter_map(|(index, error)| Some(format!("{who} {}: {}", index + 1, error?)))
        .collect()
}
