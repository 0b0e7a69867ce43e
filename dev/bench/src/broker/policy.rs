//! What a policy costs the server: per delivery while the consumer keeps up, and per message that
//! is dropped, replaced or skipped when it does not.
//!
//! Everything is paced, so that both sides of a comparison do the same work in the same time, and
//! CPU time is read to the nanosecond.

use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Contender, Extras};
use super::form::Form;
use super::link::Link;
use super::outcome::{Bar, Metric, Outcome};
use super::pages::{Account, Pages};
use super::stream::{Flowing, Stream, Window};
use super::wish::{self, Policy, Wish};

const SIZE: usize = 128;
const RATE: f64 = 400_000.0;
/// One every millisecond, about as much as the server reads at once.
pub(crate) const BURST: u64 = 400;

/// So many that a consumer which keeps up gets each message before the next of its key comes:
/// else a policy that keeps the latest would have less to deliver than a plain subscription.
const MANY_KEYS: usize = 1_000;

/// Old enough for a consumer that keeps up.
const TTL_KEPT_MS: u64 = 1_000;
const TTL_MISSED_MS: u64 = 20;
/// What a stalled consumer may have queued.
const QUEUE: u64 = 1_000;
const SOCKET: usize = 64 * 1024;

const WARM_UP: Duration = Duration::from_millis(150);
/// A socket is full long before.
const FULL_LIMIT: Duration = Duration::from_secs(10);
const FULL_STEP: Duration = Duration::from_millis(20);

/// The cost of a policy for consumers that keep up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) subscribers: usize,
    pub(crate) policy: Policy,
    /// Messages that come together. The verdict may depend on it: what a policy costs once for each
    /// batch counts when batches are small, and what it costs for each message when they are large.
    pub(crate) burst: u64,
    pub(crate) length: Duration,
}

/// The cost of what a policy does for a consumer that is stalled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missed {
    pub(crate) subjects: usize,
    pub(crate) policy: Policy,
    pub(crate) length: Duration,
}

impl Kept {
    pub(crate) fn bars() -> Vec<(Metric, Bar)> {
        vec![(Metric::CostRatio, Bar::AtMost(1.5))]
    }

    /// Plain, with the policy, plain again, each exact to the message.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        let server = contender.start_with(cpu, &Extras { pages: true, ..Extras::default() })?;
        let pages = server.pages().ok_or("it has no status pages")?;
        let stream = |wish| Stream {
            subscribers: self.subscribers,
            subjects: if self.policy == Policy::Conflate { MANY_KEYS } else { 1 },
            form: Form::Bare,
            size: SIZE,
            rate: Some(RATE),
            burst: self.burst,
            wish,
        };
        let measure = |wish| -> Result<Window, String> {
            let script = |flowing: &mut Flowing| self.measure(flowing, pages);
            Ok(stream(wish).run(server.target(), script)?.0)
        };
        let before = measure(None)?;
        let chosen = measure(Some(self.wish()))?;
        let after = measure(None)?;
        let plain = f64::midpoint(before.cost(), after.cost());
        Ok(vec![
            (Metric::Plain, plain),
            (Metric::Chosen, chosen.cost()),
            (Metric::CostRatio, chosen.cost() / plain),
        ])
    }

    fn wish(&self) -> Wish {
        let wish = Wish::new(self.policy);
        match self.policy {
            Policy::Ttl => Wish { ttl_ms: Some(TTL_KEPT_MS), ..wish },
            _ => wish,
        }
    }

    fn measure(&self, flowing: &mut Flowing, pages: Pages) -> Result<Window, String> {
        flowing.window(WARM_UP);
        let window = flowing.window(self.length);
        let published = flowing.stop()?;
        let accounts = pages.accounts()?;
        for port in &flowing.ports {
            let account = accounts.get(port).ok_or("a subscriber has no account in /connz")?;
            account.check()?;
            if account.matched != published {
                return Err(format!("{} matched of {published}", account.matched));
            }
        }
        Ok(window)
    }
}

impl Missed {
    pub(crate) fn bars() -> Vec<(Metric, Bar)> {
        vec![(Metric::DropShare, Bar::AtMost(100.0 / 3.0))]
    }

    /// In bursts, for what is to be found is less than what small batches vary by:
    /// one healthy consumer alone, beside a stalled one, alone again, while the stream goes on.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        let server = contender.start_with(cpu, &Extras { pages: true, ..Extras::default() })?;
        let pages = server.pages().ok_or("it has no status pages")?;
        let (subjects, form, size) = (self.subjects, Form::Bare, SIZE);
        let (rate, burst, wish) = (Some(RATE), BURST, None);
        let stream = Stream { subscribers: 1, subjects, form, size, rate, burst, wish };
        let target = server.target();
        let script = |flowing: &mut Flowing| {
            let mut stalled = Link::open_narrow(target, SOCKET).map_err(|e| e.to_string())?;
            let asked = self.wish().ask(&mut stalled, &stream.filter());
            let subject = asked.map_err(|error| error.to_string())?;
            flowing.window(WARM_UP);
            let before = flowing.window(self.length);
            wish::subscribe(&mut stalled, &subject).map_err(|error| error.to_string())?;
            let (beside, dropped) = self.beside(flowing, &stalled, pages)?;
            drop(stalled);
            let after = flowing.window(self.length);
            Ok(cost(before, after, beside, dropped))
        };
        Ok(stream.run(target, script)?.0)
    }

    fn wish(&self) -> Wish {
        let wish = Wish::new(self.policy);
        match self.policy {
            Policy::Ttl => Wish { ttl_ms: Some(TTL_MISSED_MS), ..wish },
            Policy::Conflate => wish,
            _ => Wish { messages: Some(QUEUE), ..wish },
        }
    }

    /// A window while the socket is full, and messages a second that the stalled one missed.
    fn beside(
        &self,
        flowing: &Flowing,
        stalled: &Link,
        pages: Pages,
    ) -> Result<(Window, f64), String> {
        let port = stalled.port().map_err(|error| error.to_string())?;
        let account = || -> Result<(Instant, Account), String> {
            // Not there until the server has read the subscription.
            let account = pages.accounts()?.remove(&port).unwrap_or_default();
            account.check()?;
            Ok((Instant::now(), account))
        };
        let start = Instant::now();
        let (mut from, mut first) = account()?;
        while first.gone() == 0 {
            if start.elapsed() > FULL_LIMIT {
                return Err(format!("{} did nothing: {first:?}", self.policy.name()));
            }
            thread::sleep(FULL_STEP);
            (from, first) = account()?;
        }
        // Between the looks, so that these are not in it.
        let window = flowing.window(self.length);
        let (until, last) = account()?;
        if let Some(end) = &last.end {
            return Err(format!("the stalled one did not stay: {end}"));
        }
        let dropped = (last.gone() - first.gone()) as f64;
        Ok((window, dropped / until.duration_since(from).as_secs_f64()))
    }
}

/// What each of `dropped` messages a second costs beyond the delivery to the healthy one.
fn cost(before: Window, after: Window, beside: Window, dropped: f64) -> Vec<(Metric, f64)> {
    let busy = |window: Window| window.cpu / window.seconds;
    let alone = f64::midpoint(busy(before), busy(after));
    let plain = f64::midpoint(before.cost(), after.cost());
    let each = (busy(beside) - alone) / dropped;
    vec![
        (Metric::Plain, plain),
        (Metric::Dropped, each * 1e9),
        (Metric::DropShare, each * 1e6 / plain * 100.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_message_costs_what_the_server_works_more() {
        let window = |seconds: f64, delivered: f64, cpu| Window { seconds, delivered, cpu };
        // 20 % of a CPU for 400,000 deliveries a second: 0.5 s per million.
        let (before, after) = (window(1.0, 400_000.0, 0.1), window(2.0, 800_000.0, 0.6));
        // 24 % with 400,000 dropped a second beside them: 100 ns each.
        let figures = cost(before, after, window(0.5, 200_000.0, 0.12), 400_000.0);
        let near = |at: usize, right: f64| (figures[at].1 - right).abs() < 1e-6 * right;
        assert!(near(0, 0.5) && near(1, 100.0) && near(2, 20.0), "{figures:?}");
    }
}
