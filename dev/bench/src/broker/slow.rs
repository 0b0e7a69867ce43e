//! Healthy subscribers beside slow ones: what share of their rate the healthy ones keep, and what
//! becomes of the slow ones under each policy.
//!
//! One run alternates on one server: the healthy ones alone, beside the slow ones, alone again.
//! A window begins when the slow ones subscribe, so what it takes to fill their queues counts.

mod proof;
mod reader;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::contender::{Contender, Extras, Kind};
use super::form::Form;
use super::link::{Link, Target};
use super::outcome::{Bar, Metric, Outcome};
use super::pages::{Account, Pages};
use super::stream::{Flowing, Stream, Window};
use super::usage;
use super::wire::Item;
use super::wish::{self, Policy, Wish};
use crate::table::Spread;

use reader::Speed;

const SIZE: usize = 128;
/// Messages that may be queued under the policies that drop.
const QUEUE: u64 = 1_000;
/// Short enough that time runs out before the queue is full, at ten million messages a second.
const TTL_MS: u64 = 5;
/// What the server queues for one connection unless it is told otherwise.
const CONNECTION_LIMIT: f64 = 16.0 * 1024.0 * 1024.0;
/// What the memory of the server varies by itself.
const NOISE: f64 = 8e6;

/// What the socket of a slow subscriber holds.
const SLOW_SOCKET: usize = 64 * 1024;
/// About what a message takes on the wire, with its control line.
const WIRE_SIZE: f64 = (SIZE + 32) as f64;

const WARM_UP: Duration = Duration::from_millis(150);
/// An end must be told much sooner; this is when we stop waiting for it.
const END_LIMIT: Duration = Duration::from_secs(12);
const ADVISORY: &str = "$FLOODWAY.ADVISORY.ENDED";

/// How slow they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// They never read.
    Stalled,
    /// They read a tenth of what each healthy one gets.
    Tenth,
}

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slow {
    pub(crate) healthy: usize,
    pub(crate) slow: usize,
    pub(crate) pace: Pace,
    pub(crate) policy: Policy,
    /// Subjects in turn, and so keys where messages are replaced by subject.
    pub(crate) subjects: usize,
    /// Whether those without policies take part, where the policy is what they do anyway.
    pub(crate) peers: bool,
    pub(crate) alone: Duration,
    pub(crate) beside: Duration,
    pub(crate) rounds: usize,
}

/// What one run is done with.
struct Bench<'a> {
    shape: &'a Slow,
    stream: &'a Stream,
    target: Target,
    /// Only floodway has them, and only it is asked for a policy.
    pages: Option<Pages>,
}

/// A slow subscriber about to subscribe to this.
struct Candidate {
    link: Link,
    port: u16,
    subject: String,
}

/// What was found out beside slow ones.
struct Beside {
    window: Window,
    told: Option<f64>,
    high_water: Option<u64>,
}

impl Slow {
    /// What the figures have to reach.
    pub(crate) fn bars(&self) -> Vec<(Metric, Bar)> {
        let limit = match self.policy {
            Policy::Disconnect | Policy::Ttl => CONNECTION_LIMIT,
            // Generous: what is queued and what is said about it.
            _ => QUEUE as f64 * 1024.0,
        };
        let growth = (self.slow as f64 * limit + NOISE) / 1e6;
        let mut bars =
            vec![(Metric::ShareKept, Bar::AtLeast(97.0)), (Metric::Growth, Bar::AtMost(growth))];
        match self.policy {
            Policy::Disconnect => bars.push((Metric::EndTold, Bar::AtMost(1_000.0))),
            Policy::DropOldest => bars.push((Metric::NewestHeld, Bar::Exactly(QUEUE as f64))),
            Policy::DropNewest | Policy::Conflate | Policy::Ttl => {}
        }
        bars
    }

    /// The most connections it has open at once.
    pub(crate) fn connections(&self) -> usize {
        self.healthy + self.slow * self.rounds + 4
    }

    /// Whether the program can do it.
    pub(crate) fn takes_part(&self, kind: Kind) -> bool {
        kind == Kind::Floodway || (self.peers && self.policy == Policy::Disconnect)
    }

    fn wish(&self) -> Wish {
        let wish = Wish::new(self.policy);
        match self.policy {
            Policy::Disconnect | Policy::Conflate => wish,
            Policy::DropNewest | Policy::DropOldest => Wish { messages: Some(QUEUE), ..wish },
            Policy::Ttl => Wish { ttl_ms: Some(TTL_MS), ..wish },
        }
    }

    /// Runs it against a fresh server.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        let pages = contender.kind == Kind::Floodway;
        let server = contender.start_with(cpu, &Extras { pages, ..Extras::default() })?;
        let stream = Stream {
            subscribers: self.healthy,
            subjects: self.subjects,
            form: Form::Bare,
            size: SIZE,
            rate: None,
            burst: 1,
            wish: None,
        };
        let (target, pages) = (server.target(), server.pages());
        let bench = Bench { shape: self, stream: &stream, target, pages };
        let (figures, _) = stream.run(target, |flowing| bench.measure(flowing))?;
        Ok(figures)
    }
}

impl Bench<'_> {
    fn measure(&self, flowing: &mut Flowing) -> Result<Vec<(Metric, f64)>, String> {
        let Slow { alone, rounds, .. } = *self.shape;
        let mut candidates = Vec::new();
        for _ in 0..rounds {
            candidates.push(self.open(self.shape.slow)?);
        }
        flowing.window(WARM_UP);
        let mut before = flowing.window(alone);
        let memory = self.target.pid.and_then(usage::resident_peak);
        let (mut alone_rates, mut beside_rates) = (vec![before.rate()], Vec::new());
        let (mut shares, mut shares_by_cpu) = (Vec::new(), Vec::new());
        let (mut told, mut high_water) = (None, None);
        for slow in candidates {
            let beside = self.beside(flowing, slow, before.rate())?;
            let after = flowing.window(alone);
            let mean = |figure: fn(&Window) -> f64| f64::midpoint(figure(&before), figure(&after));
            shares.push(beside.window.rate() / mean(Window::rate) * 100.0);
            // Of a server that is busy all the time this is the same, and a busy machine does not
            // blur it.
            shares_by_cpu.push(mean(Window::cost) / beside.window.cost() * 100.0);
            alone_rates.push(after.rate());
            beside_rates.push(beside.window.rate());
            told = told.into_iter().chain(beside.told).reduce(f64::max);
            high_water = high_water.max(beside.high_water);
            before = after;
        }
        let median = |values| Spread::of(values).map_or(0.0, |spread| spread.median);
        let mut figures = vec![
            (Metric::DeliveredAlone, median(alone_rates)),
            (Metric::DeliveredBeside, median(beside_rates)),
            (Metric::ShareKept, median(shares)),
            (Metric::ShareByCpu, median(shares_by_cpu)),
        ];
        let peak = self.target.pid.and_then(usage::resident_peak);
        figures.extend(
            peak.zip(memory).map(|(after, before)| (Metric::Growth, (after - before) / 1e6)),
        );
        figures.extend(told.map(|millis| (Metric::EndTold, millis)));
        figures.extend(high_water.map(|messages| (Metric::HighWater, messages as f64)));
        // Tells whose memory it is that grew.
        let accounts = self.accounts()?;
        let healthy = flowing.ports.iter().filter_map(|port| accounts.get(port));
        let healthy = healthy.map(|account| account.high_water).max();
        figures.extend(healthy.map(|messages| (Metric::HealthyWater, messages as f64)));
        figures.extend(self.prove(flowing, before.rate())?);
        Ok(figures)
    }

    /// Opens slow subscribers as far as that nobody notices them yet.
    fn open(&self, count: usize) -> Result<Vec<Candidate>, String> {
        let open = || {
            let mut link = Link::open_narrow(self.target, SLOW_SOCKET)?;
            let subject = match self.pages {
                Some(_) => self.shape.wish().ask(&mut link, &self.stream.filter())?,
                None => self.stream.filter(),
            };
            Ok(Candidate { port: link.port()?, link, subject })
        };
        (0..count).map(|_| open()).collect::<std::io::Result<_>>().map_err(|e| e.to_string())
    }

    /// Bytes a second that are a tenth of what each healthy one gets.
    fn tenth(&self, rate: f64) -> u64 {
        (rate / self.shape.healthy as f64 / 10.0 * WIRE_SIZE) as u64
    }

    /// A window beside `slow`, and how they are afterwards.
    fn beside(
        &self,
        flowing: &Flowing,
        mut slow: Vec<Candidate>,
        rate: f64,
    ) -> Result<Beside, String> {
        let ends = self.pages.is_some() && self.shape.policy == Policy::Disconnect;
        let mut watcher = if ends { Some(watcher(self.target)?) } else { None };
        let mark = flowing.mark();
        for one in &mut slow {
            wish::subscribe(&mut one.link, &one.subject).map_err(|error| error.to_string())?;
        }
        let ports: Vec<u16> = slow.iter().map(|one| one.port).collect();
        let speed = Speed::new(self.tenth(rate));
        let watch = &*flowing.watch;
        // Those that never read need nobody who does not read; they must only stay open.
        let (stalled, reading) = match self.shape.pace {
            Pace::Stalled => (slow, Vec::new()),
            Pace::Tenth => (Vec::new(), slow),
        };
        thread::scope(|scope| {
            let readers: Vec<_> = reading
                .into_iter()
                .map(|one| scope.spawn(|| reader::read(one.link, &speed, watch, SIZE)))
                .collect();
            let told = match &mut watcher {
                None => {
                    thread::sleep(self.shape.beside);
                    Ok(None)
                }
                Some(watcher) => self.await_ends(watcher, &ports).map(Some),
            };
            let window = flowing.since(mark);
            let high_water = self.check_accounts(&ports);
            speed.end();
            drop(stalled);
            for reader in readers {
                // A reader that the server has cut saw what it was to see; the pages tell why.
                let _ = reader.join().expect("readers do not panic");
            }
            Ok(Beside { window, told: told?, high_water: high_water? })
        })
    }

    /// Waits for the window's length and until all of `ports` have ended, as the advisory and the
    /// page say; how many milliseconds after the end both had said so, at worst.
    fn await_ends(&self, watcher: &mut Link, ports: &[u16]) -> Result<f64, String> {
        let start = Instant::now();
        let mut told: HashMap<u16, f64> = HashMap::new();
        while start.elapsed() < self.shape.beside || told.len() < ports.len() {
            if start.elapsed() > END_LIMIT {
                let (ended, all) = (told.len(), ports.len());
                return Err(format!("{ended} of {all} slow ones were ended with an advisory"));
            }
            let mut ends = hear_ends(watcher)?;
            ends.retain(|(port, _)| ports.contains(port));
            if !ends.is_empty() {
                let accounts = self.accounts()?;
                for (port, at_ms) in ends {
                    let end = accounts.get(&port).and_then(|account| account.end.as_ref());
                    end.ok_or("an advisory came before the end stood in /connz")?;
                    told.insert(port, (wall_ms() - at_ms).max(0.0));
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(told.into_values().fold(0.0, f64::max))
    }

    fn accounts(&self) -> Result<HashMap<u16, Account>, String> {
        self.pages.as_ref().map_or_else(|| Ok(HashMap::new()), Pages::accounts)
    }

    /// Whether each slow one has an exact account, and its policy did something; the most messages
    /// that were queued for one of them.
    fn check_accounts(&self, ports: &[u16]) -> Result<Option<u64>, String> {
        if self.pages.is_none() {
            return Ok(None);
        }
        let accounts = self.accounts()?;
        let mut high_water = 0;
        for port in ports {
            let account = accounts.get(port).ok_or("a slow one has no account in /connz")?;
            account.check()?;
            has_acted(self.shape.policy, account)?;
            high_water = high_water.max(account.high_water);
        }
        // Until it was ended it had what its connection may queue.
        Ok((self.shape.policy != Policy::Disconnect).then_some(high_water))
    }

    /// For a subscriber that reads slowly: the order and the age of what it gets.
    fn prove(&self, flowing: &mut Flowing, rate: f64) -> Result<Vec<(Metric, f64)>, String> {
        let provable = matches!(self.shape.policy, Policy::DropOldest | Policy::Conflate);
        let (Some(pages), Pace::Tenth, true) = (self.pages, self.shape.pace, provable) else {
            return Ok(Vec::new());
        };
        let one = self.open(1)?.remove(0);
        let proof = proof::Proof {
            policy: self.shape.policy,
            keys: self.shape.subjects as u64,
            size: SIZE,
            bytes_per_s: self.tenth(rate),
        };
        proof.run(flowing, one.link, &one.subject, pages)
    }
}

/// Whether a slow one met the fate that its policy has for it.
fn has_acted(policy: Policy, account: &Account) -> Result<(), String> {
    let name = policy.name();
    let what = match policy {
        Policy::Disconnect => {
            return account.end.as_ref().map(|_| ()).ok_or("a slow one was not ended".to_owned());
        }
        Policy::DropNewest | Policy::DropOldest => account.lost,
        Policy::Conflate => account.conflated,
        Policy::Ttl => account.expired,
    };
    match &account.end {
        Some(end) => Err(format!("a slow one under {name} was ended: {end}")),
        None if what == 0 => Err(format!("{name} did nothing for a slow one: {account:?}")),
        None => Ok(()),
    }
}

/// Who hears of the end of slow subscribers.
pub(crate) fn watcher(target: Target) -> Result<Link, String> {
    let open = || {
        let mut link = Link::open(target)?;
        link.subscribe(&[ADVISORY.to_owned()])?;
        Ok(link)
    };
    open().map_err(|error: std::io::Error| error.to_string())
}

/// The advisories that have come: whose end, and when it was.
pub(crate) fn hear_ends(watcher: &mut Link) -> Result<Vec<(u16, f64)>, String> {
    let mut ends = Vec::new();
    let heard = watcher.read_at_most(usize::MAX, |item| {
        if let Item::Message { payload, .. } = item {
            ends.extend(end_in(payload));
        }
    });
    heard.map_err(|error| format!("no advisories: {error}"))?;
    Ok(ends)
}

/// The port and the time, in milliseconds since 1970, in the advisory of an end.
fn end_in(payload: &[u8]) -> Option<(u16, f64)> {
    let advisory: Value = serde_json::from_slice(payload).ok()?;
    let port = u16::try_from(advisory["client"]["port"].as_u64()?).ok()?;
    advisory["reason"].as_str()?;
    Some((port, advisory["time_ms"].as_f64()?))
}

fn wall_ms() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests;
