//! Messages without an end: one publisher and its healthy subscribers go on for as long as a
//! script likes, and the script looks at them through windows. So the same run is measured with
//! and without whatever the script puts beside it, in turn, and a noisy minute hurts both.
//!
//! At the end every message is accounted for, as in a run of a given length.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::flow::subject;
use super::form::Form;
use super::ledger::{ENDLESS, Ledger};
use super::link::{Link, Target};
use super::payload;
use super::publish::Load;
use super::receive::Receiver;
use super::usage;
use super::watch::Watch;
use super::wish::{self, Policy, Wish};

/// Who publishes what, and who hears it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) subscribers: usize,
    /// Subjects the publisher takes in turn; each subscriber hears all.
    pub(crate) subjects: usize,
    pub(crate) form: Form,
    /// Bytes of a payload.
    pub(crate) size: usize,
    /// Messages per second, with latency recorded; `None` is flat out.
    pub(crate) rate: Option<f64>,
    /// So many of them together.
    pub(crate) burst: u64,
    /// What the healthy subscribers ask for; `None` is a plain subscription.
    pub(crate) wish: Option<Wish>,
}

/// Subscribed connections, each with what it is to receive.
type Seats = Vec<(Link, Ledger)>;

/// What is known when it is over.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) latency: Option<Histogram<u64>>,
}

/// A moment, to look back at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    at: u64,
    delivered: u64,
    cpu: f64,
}

/// What happened between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// Deliveries to the healthy subscribers.
    pub(crate) delivered: f64,
    /// CPU seconds of the server.
    pub(crate) cpu: f64,
}

impl Window {
    pub(crate) fn rate(&self) -> f64 {
        self.delivered / self.seconds
    }

    /// CPU seconds of the server per million deliveries to the healthy.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu / self.delivered * 1e6
    }
}

/// A stream while it flows.
#[derive(Debug)]
pub(crate) struct Flowing {
    pub(crate) watch: Arc<Watch>,
    /// The healthy subscribers' ports.
    pub(crate) ports: Vec<u16>,
    target: Target,
    publisher: mpsc::Receiver<io::Result<u64>>,
    /// How it ended, once it has.
    published: Option<Result<u64, String>>,
}

impl Stream {
    /// What a subscriber subscribes to that is to hear all.
    pub(crate) fn filter(&self) -> String {
        if self.subjects == 1 { subject(0) } else { "bench.flow.*".to_owned() }
    }

    /// Lets it flow while `script` runs.
    pub(crate) fn run<T>(
        &self,
        target: Target,
        script: impl FnOnce(&mut Flowing) -> Result<T, String>,
    ) -> Result<(T, Summary), String> {
        self.flow(target, script).map_err(|error| error.to_string())?
    }

    fn flow<T>(
        &self,
        target: Target,
        script: impl FnOnce(&mut Flowing) -> Result<T, String>,
    ) -> io::Result<Result<(T, Summary), String>> {
        let (links, ports) = self.subscribe(target)?;
        let watch = Arc::new(Watch::default());
        let (receiver, done) = Receiver::new(links, self.rate.is_some())?;
        let lossy = self.wish.is_some_and(|wish| wish.policy == Policy::Conflate);
        let receiver = receiver.watched(Arc::clone(&watch)).lossy(lossy);
        let mut link = Link::open(target)?;
        let load = self.load(Arc::clone(&watch));
        thread::scope(|scope| {
            let receiver = scope.spawn(|| receiver.run());
            let (report, publisher) = mpsc::channel();
            // Nobody listens any more if the script has panicked.
            scope.spawn(move || report.send(load.run(&mut link)));
            let mut flowing = Flowing { watch, ports, target, publisher, published: None };
            let outcome = script(&mut flowing);
            let stopped = flowing.stop();
            done.wake()?;
            let received = receiver.join().expect("the receiver does not panic")?;
            Ok((|| {
                let trouble = received.trouble.map_or(String::new(), |t| format!(" ({t})"));
                stopped.map_err(|error| format!("{error}{trouble}"))?;
                if !received.faults.is_clean() || !trouble.is_empty() {
                    return Err(format!("{}{trouble}", received.faults));
                }
                Ok((outcome?, Summary { latency: received.latency }))
            })())
        })
    }

    fn subscribe(&self, target: Target) -> io::Result<(Seats, Vec<u16>)> {
        let (mut links, mut ports) = (Vec::new(), Vec::new());
        for _ in 0..self.subscribers {
            let mut link = Link::open(target)?;
            match &self.wish {
                None => link.subscribe(&[self.filter()])?,
                Some(wish) => {
                    let deliver = wish.ask(&mut link, &self.filter())?;
                    wish::subscribe(&mut link, &deliver)?;
                    link.sync()?;
                }
            }
            ports.push(link.port()?);
            links.push((link, Ledger::open_ended(self.size).of(self.form)));
        }
        Ok((links, ports))
    }

    fn load(&self, watch: Arc<Watch>) -> Load {
        Load {
            publisher: 0,
            subjects: (0..self.subjects).map(subject).collect(),
            form: self.form,
            size: self.size,
            count: ENDLESS,
            rate: self.rate,
            burst: self.burst,
            watch: Some(watch),
        }
    }
}

impl Flowing {
    pub(crate) fn mark(&self) -> Mark {
        let cpu = self.target.pid.and_then(usage::cpu_seconds_of_threads).unwrap_or_default();
        Mark { at: payload::now(), delivered: self.watch.delivered(), cpu }
    }

    pub(crate) fn since(&self, mark: Mark) -> Window {
        let now = self.mark();
        Window {
            seconds: (now.at - mark.at) as f64 / 1e9,
            delivered: (now.delivered - mark.delivered) as f64,
            cpu: now.cpu - mark.cpu,
        }
    }

    /// Lets it flow for so long, and says what happened.
    pub(crate) fn window(&self, length: Duration) -> Window {
        let mark = self.mark();
        thread::sleep(length);
        self.since(mark)
    }

    /// Ends the publisher and waits until the server has taken all; how many messages that were.
    pub(crate) fn stop(&mut self) -> Result<u64, String> {
        if let Some(published) = &self.published {
            return published.clone();
        }
        self.watch.stop();
        let sent = match self.publisher.recv() {
            Ok(Ok(sent)) => Ok(sent),
            Ok(Err(error)) => Err(format!("the publisher failed: {error}")),
            Err(_) => Err("the publisher broke down".to_owned()),
        };
        self.watch.end_at(sent.as_ref().copied().unwrap_or_default());
        self.published = Some(sent.clone());
        sent
    }
}

impl Drop for Flowing {
    fn drop(&mut self) {
        // A script that panics must not leave the publisher running for ever.
        self.watch.stop();
    }
}

#[cfg(test)]
mod tests;
