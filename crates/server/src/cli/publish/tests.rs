use floodway_wire::nats::ClientOp;

use super::{Envelope, Job, Sent, Source, read_lines};
use crate::cli::client::failure::Failure;
use crate::cli::client::fake::{Fake, INFO, Then};
use crate::cli::client::interrupt::Interrupt;
use crate::cli::client::payload::{header_block, parse_header};

fn job(fake: &Fake, source: Source) -> Job {
    let headers = header_block(&[parse_header("k:v").unwrap()]);
    let envelope = Envelope { subject: "a".to_owned(), reply: Some("r".to_owned()), headers };
    Job { envelope, source, rate: None, connect: fake.connect_args() }
}

fn repeat(payload: &[u8], left: u64) -> Source {
    Source::Repeat { payload: payload.to_owned(), left }
}

#[test]
fn every_message_goes_out_before_the_confirmation() {
    let fake = Fake::quiet();
    let job = job(&fake, repeat(b"hello", 3));
    let sent = job.publish_to(&mut fake.connect(), &Interrupt::never()).unwrap();
    assert_eq!(sent, Sent { messages: 3, bytes: 15 });
    let message = "PUB a r [NATS/1.0|k: v||] hello";
    assert_eq!(fake.said()[2..], [message, message, message, "PING"]);
}

#[test]
fn lines_become_messages() {
    let fake = Fake::quiet();
    let mut job = job(&fake, Source::Lines(read_lines(Box::new(&b"1\n\n3"[..]))));
    job.envelope.headers.clear();
    let sent = job.publish_to(&mut fake.connect(), &Interrupt::never()).unwrap();
    assert_eq!(sent, Sent { messages: 3, bytes: 2 });
    assert_eq!(fake.said()[2..], ["PUB a r [] 1", "PUB a r [] ", "PUB a r [] 3", "PING"]);
}

#[test]
fn an_error_from_the_server_fails() {
    let fake = Fake::start(INFO, |op, out| {
        if let ClientOp::Publish(_) = op {
            out.extend_from_slice(b"-ERR 'no'\r\n");
        }
        Then::Continue
    });
    let job = job(&fake, repeat(b"hello", 1));
    let failure = job.publish_to(&mut fake.connect(), &Interrupt::never()).unwrap_err();
    let why = "the server answered -ERR 'no' (not confirmed: 1 message)".to_owned();
    assert_eq!(failure, Failure::Failed(why));
}

#[test]
fn the_limit_of_the_server_counts_headers() {
    // The fake takes 1000 bytes, 18 of which are the header block.
    for (size, fits) in [(982, true), (983, false)] {
        let fake = Fake::quiet();
        let job = job(&fake, repeat(&vec![b'x'; size], 1));
        let outcome = job.publish_to(&mut fake.connect(), &Interrupt::never());
        assert_eq!(outcome.is_ok(), fits, "{size}: {outcome:?}");
    }
}
