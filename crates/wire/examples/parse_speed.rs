//! Prints what it costs to parse one PUB, and to write one MSG, at two payload sizes.
//!
//! `cargo run --release -p floodway-wire --example parse_speed`
//!
//! Each figure is the best of several rounds over a buffer as one read would bring it: a noisy
//! machine makes a round slower, never faster.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use floodway_wire::nats::{
    ClientOp, ParseLimits, Progress, encode_hpub, encode_msg, encode_pub, parse_client,
};

/// About what one socket read brings under load.
const READ_BYTES: usize = 64 * 1024;
/// 20 rounds of 50 reads: some 65 million bytes per figure, well under a second.
const ROUNDS: usize = 20;
const READS_PER_ROUND: usize = 50;

const SUBJECT: &[u8] = b"orders.eu.4711";
const HEADERS: &[u8] = b"NATS/1.0\r\nNats-Msg-Id: 12345\r\n\r\n";

fn main() {
    println!("{:<14} {:>12} {:>12}", "", "16 B", "128 B");
    report("PUB", |size| {
        let payload = vec![b'x'; size];
        time_parse(&filled(|out| encode_pub(out, SUBJECT, None, &payload)))
    });
    report("PUB reply", |size| {
        let payload = vec![b'x'; size];
        time_parse(&filled(|out| encode_pub(out, SUBJECT, Some(b"_INBOX.abc.1"), &payload)))
    });
    report("HPUB", |size| {
        let payload = vec![b'x'; size];
        time_parse(&filled(|out| encode_hpub(out, SUBJECT, None, HEADERS, &payload)))
    });
    report("write MSG", |size| time_write(&vec![b'x'; size]));
}

fn report(name: &str, nanos: impl Fn(usize) -> f64) {
    println!("{name:<14} {:>9.1} ns {:>9.1} ns", nanos(16), nanos(128));
}

fn filled(encode: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < READ_BYTES {
        encode(&mut out);
    }
    out
}

fn time_parse(input: &[u8]) -> f64 {
    let limits = ParseLimits::default();
    best(|| {
        let (mut at, mut ops) = (0, 0);
        while at < input.len() {
            match parse_client(black_box(&input[at..]), &limits) {
                Ok(Progress::Op { op: ClientOp::Publish(publish), used }) => {
                    black_box(publish);
                    at += used;
                }
                unexpected => panic!("the buffer holds whole publishes only: {unexpected:?}"),
            }
            ops += 1;
        }
        ops
    })
}

fn time_write(payload: &[u8]) -> f64 {
    let mut out = Vec::with_capacity(2 * READ_BYTES);
    best(|| {
        out.clear();
        let mut ops = 0;
        while out.len() < READ_BYTES {
            encode_msg(&mut out, black_box(SUBJECT), black_box(b"12"), None, black_box(payload));
            ops += 1;
        }
        black_box(&out);
        ops
    })
}

/// Nanoseconds per operation in the best round of `read`, which returns how many it did.
fn best(mut read: impl FnMut() -> u32) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (mut ops, start) = (0, Instant::now());
        for _ in 0..READS_PER_ROUND {
            ops += read();
        }
        best = best.min(nanos_each(start.elapsed(), ops));
    }
    best
}

fn nanos_each(took: Duration, ops: u32) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(ops)
}
