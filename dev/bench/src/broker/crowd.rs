//! Ten thousand subscribers that never read, beside eight healthy ones, under a memory budget.
//!
//! Their sockets must hold little, on both sides: with the sizes that Linux gives a connection over
//! loopback, 2.5 MB each, so many of them fill all memory that the kernel has for TCP, and every
//! connection of the machine suffers. So the server is told a small size for the sockets of
//! subscriptions that may drop or expire, and those under `disconnect` are given a time to live
//! that nothing reaches, to be among them.

use std::collections::HashSet;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Contender, Extras, Running};
use super::form::Form;
use super::link::{Link, Target};
use super::outcome::{Bar, Metric, Outcome};
use super::pages::{Account, Pages};
use super::slow;
use super::stream::{Flowing, Stream, Summary, Window};
use super::usage;
use super::wish::{self, Policy, Wish};

const HEALTHY: usize = 8;
const SIZE: usize = 128;
const SOCKET: usize = 4 * 1024;
/// Of the budget, in bytes.
const BUDGET: f64 = 256.0 * 1024.0 * 1024.0;
const MEMORY: &str = "256MiB";
/// A stalled one that is to stay is not to be ended for standing still.
const CONFIG: &str = "[overflow]\nsend_buffer = \"4KiB\"\n[overflow.connection]\nbehind = \"0s\"\n";
const QUEUE: u64 = 100;
const NEVER_MS: u64 = 3_600_000;

/// How often budget and sockets are looked at; a look is some milliseconds of the server.
const LOOK: Duration = Duration::from_millis(250);
/// The kernel's memory for TCP is the whole machine's: beyond this share the run is given up.
const TCP_MOST: f64 = 0.5;
/// How often advisories are read.
const HEAR: Duration = Duration::from_millis(5);
const WARM_UP: Duration = Duration::from_millis(150);
const END_LIMIT: Duration = Duration::from_secs(30);

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) stalled: usize,
    pub(crate) policy: Policy,
    /// Messages a second; `None` is flat out.
    pub(crate) rate: Option<f64>,
    pub(crate) alone: Duration,
    pub(crate) beside: Duration,
}

/// What one look after the other found.
#[derive(Debug, Default)]
struct Peaks {
    budget_used: f64,
    trouble: Option<String>,
}

/// What was found out beside the crowd.
struct Beside {
    window: Window,
    /// Until the last of the crowd was ended, and the rate after it.
    ended: Option<(f64, f64)>,
    exact: u64,
    stayed: u64,
}

impl Crowd {
    pub(crate) fn bars(&self) -> Vec<(Metric, Bar)> {
        let mut bars = vec![
            (Metric::ResidentPeak, Bar::AtMost(BUDGET / 1e6)),
            (Metric::BudgetUsed, Bar::AtMost(BUDGET / 1e6)),
            (Metric::Exact, Bar::Exactly(self.stalled as f64)),
        ];
        // While all of them are served flat out, the healthy ones are 8 of 10,008.
        match self.policy {
            Policy::Disconnect => bars.push((Metric::ShareAfter, Bar::AtLeast(90.0))),
            _ => {
                bars.push((Metric::ShareKept, Bar::AtLeast(90.0)));
                bars.push((Metric::Stayed, Bar::Exactly(self.stalled as f64)));
            }
        }
        bars
    }

    /// The most connections it has open at once.
    pub(crate) fn connections(&self) -> usize {
        self.stalled + HEALTHY + 4
    }

    fn wish(&self) -> Wish {
        let wish = Wish::new(self.policy);
        match self.policy {
            Policy::Disconnect => Wish { ttl_ms: Some(NEVER_MS), ..wish },
            _ => Wish { messages: Some(QUEUE), ..wish },
        }
    }

    /// Runs it against a fresh server.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        let extras = Extras { pages: true, memory: Some(MEMORY), config: Some(CONFIG) };
        let server = contender.start_with(cpu, &extras)?;
        let mut sockets = Vec::with_capacity(self.stalled);
        let outcome = self.measure(&server, &mut sockets);
        // The server closes first: whoever does keeps the port busy for a minute.
        drop(server);
        drop(sockets);
        outcome
    }

    fn measure(&self, server: &Running, sockets: &mut Vec<TcpStream>) -> Outcome {
        let target = server.target();
        let pages = server.pages().ok_or("it has no status pages")?;
        let (subjects, rate, burst) = (1, self.rate, 1);
        let (form, size, wish) = (Form::Bare, SIZE, None);
        let stream = Stream { subscribers: HEALTHY, subjects, form, size, rate, burst, wish };
        let peaks = Mutex::default();
        let (alone, calm) = stream.run(target, |flowing| {
            flowing.window(WARM_UP);
            // The looks cost both sides the same.
            while_looking(pages, &peaks, || Ok(flowing.window(self.alone)))
        })?;
        let ports = self.gather(target, &stream.filter(), sockets)?;
        let mut watcher = match self.policy {
            Policy::Disconnect => Some(slow::watcher(target)?),
            _ => None,
        };
        let (beside, crowded) = stream.run(target, |flowing| {
            let watcher = watcher.as_mut();
            while_looking(pages, &peaks, || self.beside(flowing, pages, &ports, &peaks, watcher))
        })?;
        let peaks = peaks.into_inner().expect("looking does not panic");
        let mut figures = self.figures(alone, &beside);
        figures.extend(latencies(&calm, &crowded));
        if let Some(peak) = target.pid.and_then(usage::resident_peak) {
            figures.push((Metric::ResidentPeak, peak / 1e6));
        }
        figures.push((Metric::BudgetUsed, peaks.budget_used / 1e6));
        figures.push((Metric::Exact, beside.exact as f64));
        if self.policy != Policy::Disconnect {
            figures.push((Metric::Stayed, beside.stayed as f64));
        }
        Ok(figures)
    }

    /// Opens all of them; their ports on our side.
    fn gather(
        &self,
        target: Target,
        filter: &str,
        sockets: &mut Vec<TcpStream>,
    ) -> Result<Vec<u16>, String> {
        let wish = self.wish();
        let open = || -> std::io::Result<(u16, TcpStream)> {
            let mut link = Link::open_narrow(target, SOCKET)?;
            let subject = wish.ask(&mut link, filter)?;
            wish::subscribe(&mut link, &subject)?;
            link.sync()?;
            Ok((link.port()?, link.into_parts().0))
        };
        let mut ports = Vec::with_capacity(self.stalled);
        for number in 1..=self.stalled {
            let (port, socket) = open().map_err(|error| format!("number {number}: {error}"))?;
            ports.push(port);
            sockets.push(socket);
        }
        Ok(ports)
    }

    /// Flows beside the crowd: for the window's length, or until all are ended and that long more.
    fn beside(
        &self,
        flowing: &mut Flowing,
        pages: Pages,
        ports: &[u16],
        peaks: &Mutex<Peaks>,
        watcher: Option<&mut Link>,
    ) -> Result<Beside, String> {
        let mark = flowing.mark();
        let ended = match watcher {
            Some(watcher) => Some(await_ends(watcher, ports, peaks)?),
            None => None,
        };
        let after = self.calm_window(flowing, peaks)?;
        let window = flowing.since(mark);
        let published = flowing.stop()?;
        let (exact, stayed) = self.count(pages, ports, published)?;
        let ended = ended.map(|seconds| (seconds, after.rate()));
        Ok(Beside { window, ended, exact, stayed })
    }

    fn calm_window(&self, flowing: &Flowing, peaks: &Mutex<Peaks>) -> Result<Window, String> {
        let (start, mark) = (Instant::now(), flowing.mark());
        while start.elapsed() < self.beside {
            give_up_in_trouble(peaks)?;
            thread::sleep(LOOK.min(self.beside.saturating_sub(start.elapsed())));
        }
        Ok(flowing.since(mark))
    }

    /// How many of the crowd have an account that adds up to what was published, up to their end
    /// if they have ended; and how many have not.
    fn count(&self, pages: Pages, ports: &[u16], published: u64) -> Result<(u64, u64), String> {
        let accounts = pages.accounts()?;
        let (mut exact, mut stayed) = (0, 0);
        for account in ports.iter().filter_map(|port| accounts.get(port)) {
            exact += u64::from(is_exact(account, published));
            stayed += u64::from(account.end.is_none());
        }
        Ok((exact, stayed))
    }

    fn figures(&self, alone: Window, beside: &Beside) -> Vec<(Metric, f64)> {
        let (before, after) = (alone.rate(), beside.window.rate());
        let mut figures = vec![
            (Metric::DeliveredAlone, before),
            (Metric::DeliveredBeside, after),
            (Metric::ShareKept, after / before * 100.0),
        ];
        if let Some((seconds, rate)) = beside.ended {
            figures.push((Metric::AllEnded, seconds));
            figures.push((Metric::ShareAfter, rate / before * 100.0));
        }
        figures
    }
}

/// Whether an account adds up: to all that was published, or to a part of it if it has ended.
fn is_exact(account: &Account, published: u64) -> bool {
    let all_of_it = match account.end {
        Some(_) => (1..=published).contains(&account.matched),
        None => account.matched == published,
    };
    account.is_conserved() && all_of_it
}

fn latencies(calm: &Summary, crowded: &Summary) -> Vec<(Metric, f64)> {
    let (Some(calm), Some(crowded)) = (&calm.latency, &crowded.latency) else {
        return Vec::new();
    };
    vec![
        (Metric::P50Alone, calm.value_at_quantile(0.5) as f64 / 1e3),
        (Metric::P50, crowded.value_at_quantile(0.5) as f64 / 1e3),
        (Metric::P99Alone, calm.value_at_quantile(0.99) as f64 / 1e3),
        (Metric::P99, crowded.value_at_quantile(0.99) as f64 / 1e3),
    ]
}

/// Waits for the advisory of the end of each of `ports`; how many seconds that took.
fn await_ends(watcher: &mut Link, ports: &[u16], peaks: &Mutex<Peaks>) -> Result<f64, String> {
    let start = Instant::now();
    let mut left: HashSet<u16> = ports.iter().copied().collect();
    while !left.is_empty() {
        if start.elapsed() > END_LIMIT {
            let limit = END_LIMIT.as_secs();
            return Err(format!("{} of them were not ended within {limit} s", left.len()));
        }
        give_up_in_trouble(peaks)?;
        for (port, _) in slow::hear_ends(watcher)? {
            left.remove(&port);
        }
        thread::sleep(HEAR);
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Runs `work` while a thread looks at the budget and at the machine.
fn while_looking<T>(
    pages: Pages,
    peaks: &Mutex<Peaks>,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looker = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let seen = pages.budget_used();
                let mut peaks = peaks.lock().expect("the other side does not panic");
                match seen {
                    Ok(seen) => peaks.budget_used = peaks.budget_used.max(seen),
                    Err(why) => _ = peaks.trouble.get_or_insert(why),
                }
                if usage::tcp_memory_share().is_some_and(|share| share > TCP_MOST) {
                    let why = "the kernel's memory for TCP would run out".to_owned();
                    peaks.trouble.get_or_insert(why);
                }
                drop(peaks);
                thread::park_timeout(LOOK);
            }
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        looker.thread().unpark();
        outcome
    })
}

fn give_up_in_trouble(peaks: &Mutex<Peaks>) -> Result<(), String> {
    let trouble = &peaks.lock().expect("looking does not panic").trouble;
    trouble.as_ref().map_or(Ok(()), |why| Err(why.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_exact_if_it_adds_up_to_what_was_published() {
        let account = |matched, queued, end: Option<&str>| {
            let end = end.map(str::to_owned);
            Account { matched, queued, lost: 7, end, ..Account::default() }
        };
        assert!(is_exact(&account(9, 2, None), 9));
        assert!(!is_exact(&account(9, 1, None), 9), "one unaccounted for");
        assert!(!is_exact(&account(9, 2, None), 10), "one not matched");
        assert!(is_exact(&account(9, 2, Some("memory_pressure")), 10));
        assert!(!is_exact(&account(9, 2, Some("memory_pressure")), 8), "more than published");
    }

    #[test]
    fn a_crowd_that_is_ended_is_measured_after_its_end_too() {
        let second = Duration::from_secs(1);
        let crowd =
            |policy| Crowd { stalled: 10, policy, rate: None, alone: second, beside: second };
        let window = |delivered| Window { seconds: 2.0, delivered, cpu: 1.0 };
        let beside =
            Beside { window: window(100.0), ended: Some((3.0, 95.0)), exact: 10, stayed: 0 };
        let figures = crowd(Policy::Disconnect).figures(window(200.0), &beside);
        assert_eq!(figures[2], (Metric::ShareKept, 50.0));
        assert_eq!(figures[3..], [(Metric::AllEnded, 3.0), (Metric::ShareAfter, 95.0)]);
        let bars = |policy| crowd(policy).bars();
        assert!(bars(Policy::Disconnect).contains(&(Metric::ShareAfter, Bar::AtLeast(90.0))));
        assert!(bars(Policy::DropOldest).contains(&(Metric::ShareKept, Bar::AtLeast(90.0))));
        assert!(bars(Policy::DropOldest).contains(&(Metric::Exact, Bar::Exactly(10.0))));
    }
}
