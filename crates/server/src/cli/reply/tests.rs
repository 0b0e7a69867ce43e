use std::time::{Duration, Instant};

use floodway_wire::nats::ClientOp;

use super::command::Shell;
use super::{Answer, Responder};
use crate::cli::client::fake::{Fake, INFO, Then};
use crate::cli::client::interrupt::Interrupt;

const LONG: Duration = Duration::from_secs(60);

/// What is published for the requests that the server sends after the SUB.
fn replies(answer: Answer, requests: &'static str, count: u64) -> (Vec<String>, String) {
    let fake = Fake::start(INFO, move |op, out| {
        if let ClientOp::Subscribe { .. } = op {
            out.extend_from_slice(requests.as_bytes());
        }
        Then::Continue
    });
    let mut responder = Responder {
        answer,
        greeting: String::new(),
        confirmed: true,
        max_payload: 1000,
        stop_after: Some(count),
        replies: 0,
        unanswerable: 0,
        failure: None,
    };
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB a 1\r\n");
    responder.run(&mut client, &Interrupt::never()).unwrap();
    drop(client);
    let said = fake.said().into_iter().filter(|line| line.starts_with("PUB ")).collect();
    (said, responder.summary())
}

#[test]
fn a_fixed_reply_goes_to_whoever_wants_one() {
    let requests = "MSG a 1 r1 1\r\nx\r\nMSG a 1 1\r\ny\r\nMSG a 1 r2 1\r\nz\r\n";
    let (said, summary) = replies(Answer::Fixed(b"pong".to_vec()), requests, 2);
    assert_eq!(said, ["PUB r1 [] pong", "PUB r2 [] pong"]);
    assert_eq!(summary, "2 replies, 1 message without a reply subject");
}

#[test]
fn an_echo_keeps_headers() {
    let requests = "HMSG a 1 r 18 19\r\nNATS/1.0\r\nk: v\r\n\r\nx\r\nMSG a 1 r 1\r\ny\r\n";
    let (said, _) = replies(Answer::Echo, requests, 2);
    assert_eq!(said, ["PUB r [NATS/1.0|k: v||] x", "PUB r [] y"]);
}

#[test]
fn a_command_answers_or_says_that_it_failed() {
    let request = "MSG a.b 1 r 2\r\nhi\r\n";
    let shell = |text| Answer::Command(Shell::new(text, LONG));
    let (said, _) = replies(shell("printf $FLOODWAY_SUBJECT:; tr a-z A-Z"), request, 1);
    assert_eq!(said, ["PUB r [] a.b:HI"]);
    let (said, _) = replies(shell("head -c 1001 /dev/zero"), request, 1);
    assert!(said[0].contains("Nats-Service-Error: the output is larger"), "{said:?}");
    let (said, _) = replies(shell("exit 3"), request, 1);
    assert!(said[0].contains("Nats-Service-Error-Code: 500"), "{said:?}");
}

#[test]
fn a_command_gets_more_than_a_pipe_holds() {
    let payload = vec![b'x'; 1 << 20];
    let output = Shell::new("cat", LONG).answer(b"a", &payload, &Interrupt::never());
    assert!(output.unwrap() == payload);
    // Not reading it is fine too.
    let output = Shell::new("echo done", LONG).answer(b"a", &payload, &Interrupt::never());
    assert_eq!(output.unwrap(), b"done\n");
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_its_children() {
    let start = Instant::now();
    // The child holds the pipes open: unless it is ended too, this takes a minute.
    let shell = Shell::new("sleep 60 & sleep 60", Duration::from_millis(10));
    let why = shell.answer(b"a", b"", &Interrupt::never()).unwrap_err();
    assert_eq!(why, "took longer than 10ms");
    // Closing the output early does not get around the limit.
    let shell = Shell::new("exec >&-; sleep 60", Duration::from_millis(10));
    assert!(shell.answer(b"a", b"", &Interrupt::never()).is_err());
    assert!(start.elapsed() < Duration::from_secs(30));
}
