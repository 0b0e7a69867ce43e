//! Request/reply: requesters ask one question at a time, responders send it back.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp, encode_pub, encode_sub};
use hdrhistogram::Histogram;

use super::plan::Plan;
use super::publisher::{Heads, pace};
use super::report::{Report, ServerName};
use super::stamp::Stamp;
use super::subscriber::new_histogram;
use super::{Live, Working, connect_as, join, progress};
use crate::cli::client::failure::Failure;
use crate::cli::client::{ANSWER_WAIT, Client, ClientError, ConnectArgs, TICK};
use crate::cli::client::{new_inbox, printable};

/// Without a group every responder would answer every request.
const QUEUE: &str = "floodway-bench";

/// What a requester did.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) requests: u64,
    pub(super) replies: u64,
    /// Replies to no open request: a second answer, or one of somebody else.
    pub(super) extra: u64,
    pub(super) elapsed: Duration,
    pub(super) error: Option<String>,
    /// From request to reply, in nanoseconds.
    pub(super) latency: Histogram<u64>,
}

/// What a responder did.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) replies: u64,
    pub(super) elapsed: Duration,
    pub(super) error: Option<String>,
}

struct Requester<'a> {
    client: Client,
    plan: &'a Plan,
    index: u32,
    heads: Heads,
    tail: Vec<u8>,
    asked: Asked,
}

/// Runs the whole benchmark. Without subscribers, somebody else has to answer.
pub(super) fn run(plan: &Plan, connect: &ConnectArgs) -> Result<Report, Failure> {
    let mut responders = Vec::new();
    for index in 0..plan.subs {
        let mut client = connect_as(connect, "responder", index)?;
        let queue = plan.queue.as_deref().unwrap_or(QUEUE);
        let queue = Some(queue.as_bytes());
        encode_sub(&mut client.out, plan.filter().as_bytes(), queue, b"1");
        client.confirm(ANSWER_WAIT)?;
        responders.push(client);
    }
    let mut requesters = Vec::new();
    for index in 0..plan.pubs {
        let client = connect_as(connect, "requester", index)?;
        requesters.push(Requester::new(client, plan, index)?);
    }
    let server = ServerName::of(&requesters[0].client);
    let live = Live::new(plan);
    let (asked, answered) = std::thread::scope(|scope| {
        let live = &live;
        let answering: Vec<_> = responders
            .into_iter()
            .map(|client| scope.spawn(move || respond(client, live)))
            .collect();
        let asking: Vec<_> = requesters
            .into_iter()
            .map(|requester| scope.spawn(move || requester.run(live)))
            .collect();
        progress::show(plan, live, || {
            asking.iter().all(ScopedJoinHandle::is_finished)
                && answering.iter().all(ScopedJoinHandle::is_finished)
        });
        (join(asking), join(answering))
    });
    Ok(Report::of_request(plan, server, asked, answered))
}

/// Sends every request back until the requesters are done.
fn respond(mut client: Client, live: &Live) -> Answered {
    let (mut replies, mut elapsed, mut error) = (0, Duration::ZERO, None);
    while !live.is_settled() {
        let before = replies;
        let polled = client.poll(TICK, |out, op| {
            match op {
                ServerOp::Message(Delivered { reply: Some(reply), payload, .. }) => {
                    encode_pub(out, reply, None, payload);
                    replies += 1;
                }
                ServerOp::Err(text) => {
                    error.get_or_insert_with(|| format!("-ERR '{}'", printable(text)));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
        if replies > before {
            elapsed = live.start.elapsed();
        }
        if let Err(lost) = polled {
            error.get_or_insert_with(|| lost.to_string());
            break;
        }
    }
    Answered { replies, elapsed, error }
}

/// What came back while a requester waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    Open,
    Got,
    NoResponders,
}

impl<'a> Requester<'a> {
    fn new(mut client: Client, plan: &'a Plan, index: u32) -> Result<Requester<'a>, Failure> {
        let inbox = new_inbox();
        encode_sub(&mut client.out, inbox.as_bytes(), None, b"1");
        client.confirm(ANSWER_WAIT)?;
        let mut tail = vec![b'.'; plan.size];
        tail.extend_from_slice(b"\r\n");
        let asked = Asked {
            requests: 0,
            replies: 0,
            extra: 0,
            elapsed: Duration::ZERO,
            error: None,
            latency: new_histogram()?,
        };
        let heads = Heads::new(plan, index, &format!("{inbox} "));
        Ok(Requester { client, plan, index, heads, tail, asked })
    }

    fn run(mut self, live: &Live) -> Asked {
        let _working = Working(live);
        let pace = pace(self.plan, self.index, live.start);
        for seq in 0..self.plan.share(self.index) {
            while pace.due(Instant::now()) <= seq {
                let left = pace.time_of(seq).saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(TICK));
            }
            let sent = Instant::now();
            match self.ask(seq, sent) {
                Ok(()) => {
                    let took = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.asked.latency.saturating_record(took);
                    live.received.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    self.asked.error = Some(why);
                    break;
                }
            }
        }
        self.asked.elapsed = live.start.elapsed();
        self.asked
    }

    fn ask(&mut self, seq: u64, sent: Instant) -> Result<(), String> {
        let stamp = Stamp { run: self.plan.run, publisher: self.index, seq, nanos: 0 };
        stamp.write(&mut self.tail[..self.plan.size]);
        self.client.out.extend_from_slice(self.heads.next());
        self.client.out.extend_from_slice(&self.tail);
        self.asked.requests += 1;
        let mut reply = Reply::Open;
        while reply == Reply::Open {
            let left = self.plan.timeout.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Err(format!("no reply within {:?}", self.plan.timeout));
            }
            // One fixed wait instead of the exact rest: a changing socket timeout would cost a
            // system call for each request.
            self.wait(&stamp, &mut reply).map_err(|error| error.to_string())?;
        }
        match reply {
            Reply::NoResponders => Err("no responders".to_owned()),
            _ => {
                self.asked.replies += 1;
                Ok(())
            }
        }
    }

    fn wait(&mut self, stamp: &Stamp, reply: &mut Reply) -> Result<(), ClientError> {
        let (extra, mut refusal) = (&mut self.asked.extra, None);
        self.client.poll(TICK, |_, op| {
            match op {
                ServerOp::Message(message) if is_no_responders(&message) => {
                    *reply = Reply::NoResponders;
                }
                ServerOp::Message(message) => match Stamp::read(message.payload) {
                    Some(found) if found.seq == stamp.seq && *reply == Reply::Open => {
                        *reply = Reply::Got;
                    }
                    _ => *extra += 1,
                },
                ServerOp::Err(text) => refusal = Some(printable(text)),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        refusal.map_or(Ok(()), |text| Err(ClientError::Server(text)))
    }
}

fn is_no_responders(message: &Delivered<'_>) -> bool {
    !message.headers.is_empty()
        && HeaderView::new(message.headers).status().is_some_and(|(code, _)| code == 503)
}
