//! One subscriber beside 999 subscriptions whose queries do not match: what share it keeps of the
//! rate that it has without any query.
//!
//! One run alternates on one server: a plain subscription alone; the same with a query that every
//! message matches, beside the others; the plain one alone again.

use std::time::Duration;

use super::contender::{Contender, Extras, Running};
use super::flow::subject;
use super::form::{self, Form};
use super::link::Link;
use super::outcome::{Bar, Metric, Outcome};
use super::pages::Pages;
use super::stream::{Flowing, Stream, Window};
use super::wish::{self, Policy, Wish};
use crate::table::Spread;

/// Headers and payload together.
const SIZE: usize = 128;
/// What every message matches.
const WANTED: &str = "Symbol = 'S0000' AND Kind = 'quote' AND Price < 18";
/// The others, on so many connections.
const LINKS: usize = 9;
const OTHERS: usize = 999;

const WARM_UP: Duration = Duration::from_millis(150);

/// Who is there beside the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Subscriptions of the same subject with queries that no message matches; the one has a
    /// query, too.
    Queried,
    /// Plain subscriptions of other subjects, and the one is plain: what so many cost anyway.
    Plain,
}

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queries {
    pub(crate) form: Form,
    pub(crate) others: Others,
    pub(crate) length: Duration,
    pub(crate) rounds: usize,
}

impl Queries {
    /// The most it has open at once; those of a window before may still be on their way out.
    pub(crate) const CONNECTIONS: usize = 3 * LINKS;

    pub(crate) fn bars() -> Vec<(Metric, Bar)> {
        vec![(Metric::ShareKept, Bar::AtLeast(80.0))]
    }

    /// Runs it against a fresh server.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        let config = (self.form == Form::Json).then_some(form::EXTRACT);
        let extras = Extras { pages: true, config, ..Extras::default() };
        let server = contender.start_with(cpu, &extras)?;
        let pages = server.pages().ok_or("it has no status pages")?;
        let mut before = self.alone(&server, pages)?;
        let (mut alone, mut beside) = (vec![before], Vec::new());
        let (mut shares, mut shares_by_cpu) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let window = self.beside(&server, pages)?;
            let after = self.alone(&server, pages)?;
            let mean = |figure: fn(&Window) -> f64| f64::midpoint(figure(&before), figure(&after));
            shares.push(window.rate() / mean(Window::rate) * 100.0);
            shares_by_cpu.push(mean(Window::cost) / window.cost() * 100.0);
            alone.push(after);
            beside.push(window);
            before = after;
        }
        let median = |values| Spread::of(values).map_or(0.0, |spread| spread.median);
        let of = |windows: &[Window], figure: fn(&Window) -> f64| {
            median(windows.iter().map(figure).collect())
        };
        Ok(vec![
            (Metric::DeliveredAlone, of(&alone, Window::rate)),
            (Metric::DeliveredQueried, of(&beside, Window::rate)),
            (Metric::ShareKept, median(shares)),
            (Metric::Plain, of(&alone, Window::cost)),
            (Metric::Chosen, of(&beside, Window::cost)),
            (Metric::ShareByCpu, median(shares_by_cpu)),
        ])
    }

    fn alone(&self, server: &Running, pages: Pages) -> Result<Window, String> {
        self.window(server, pages, None)
    }

    /// A window beside the others, of whom none may get a message.
    fn beside(&self, server: &Running, pages: Pages) -> Result<Window, String> {
        let open = |link: usize| {
            let mut one = Link::open_small(server.target())?;
            let each = OTHERS / LINKS;
            let numbers = 1 + link * each..=(link + 1) * each;
            match self.others {
                Others::Queried => {
                    let queries: Vec<_> = numbers.map(unmatched).collect();
                    wish::subscribe_by_queries(&mut one, &subject(0), &queries)?;
                }
                Others::Plain => one.subscribe(&numbers.map(subject).collect::<Vec<_>>())?,
            }
            Ok(one)
        };
        let links: std::io::Result<Vec<Link>> = (0..LINKS).map(open).collect();
        let mut links = links.map_err(|error| error.to_string())?;
        let query = (self.others == Others::Queried).then_some(WANTED);
        let wish = query.map(|_| Wish { query, ..Wish::new(Policy::Disconnect) });
        let window = self.window(server, pages, wish)?;
        for link in &mut links {
            let mut heard = 0_usize;
            link.sync_with(|_| heard += 1).map_err(|error| error.to_string())?;
            if heard > 0 {
                return Err(format!("the others got {heard} messages"));
            }
        }
        Ok(window)
    }

    /// A stream to one subscriber, looked at for a while, and exact to the message.
    fn window(&self, server: &Running, pages: Pages, wish: Option<Wish>) -> Result<Window, String> {
        let stream = Stream {
            subscribers: 1,
            subjects: 1,
            form: self.form,
            size: SIZE - self.form.header().len(),
            rate: None,
            burst: 1,
            wish,
        };
        let script = |flowing: &mut Flowing| {
            flowing.window(WARM_UP);
            let window = flowing.window(self.length);
            let published = flowing.stop()?;
            let accounts = pages.accounts()?;
            for port in &flowing.ports {
                let account =
                    accounts.get(port).ok_or("the subscriber has no account in /connz")?;
                account.check()?;
                if account.matched != published {
                    return Err(format!("{} matched of {published}", account.matched));
                }
            }
            Ok(window)
        };
        Ok(stream.run(server.target(), script)?.0)
    }
}

/// A query that comes close and that no message matches: of another symbol, of another symbol with
/// a range, or of the same symbol with a range that its price is not in.
fn unmatched(number: usize) -> String {
    match number % 3 {
        0 => format!("Symbol = 'S0000' AND Kind = 'quote' AND Price > {}", 100 + number),
        1 => format!("Symbol = 'S{number:04}' AND Kind = 'quote'"),
        _ => format!("Symbol = 'S{number:04}' AND Price < 18"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_others_are_all_different_and_as_many_as_is_said() {
        assert_eq!(OTHERS % LINKS, 0);
        let all: HashSet<String> = (1..=OTHERS).map(unmatched).collect();
        assert_eq!(all.len(), 999);
        assert!(!all.contains(WANTED));
    }
}
