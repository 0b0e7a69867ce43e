//! Runs tables of transcripts: what a client sends, what exactly comes back, and how it ends.
//!
//! Every row is played three ways: in one write, one byte per write, and cut in two at each
//! position. The answer must be the same bytes every time: a parser has to be resumable anywhere.
//! Rows that join a queue group leave it again: the next play must not share with this one.

use std::borrow::Cow;

use crate::raw::Client;
use crate::server::{Server, is_aimed_at_nats};

/// How a connection opens: what it sends, and what that brings back.
pub(crate) type Hello = (&'static str, &'static str);

/// No CONNECT at all: verbose and pedantic, without headers.
pub(crate) const NO_HELLO: Hello = ("", "");
pub(crate) const PLAIN: Hello = ("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n", "");
pub(crate) const VERBOSE: Hello = ("CONNECT {\"verbose\":true,\"pedantic\":false}\r\n", "+OK\r\n");
pub(crate) const PEDANTIC: Hello = ("CONNECT {\"verbose\":false,\"pedantic\":true}\r\n", "");
pub(crate) const HEADERS: Hello = (
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n",
    "",
);
pub(crate) const NO_ECHO: Hello =
    ("CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n", "");

pub(crate) const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'\r\n";

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on: a PING sent behind the row is answered.
    Stays,
    /// The server closes it.
    Closes,
}
pub(crate) use End::{Closes, Stays};

/// One transcript.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) hello: Hello,
    pub(crate) send: Cow<'static, str>,
    pub(crate) reply: Cow<'static, str>,
    pub(crate) end: End,
}

pub(crate) fn row(
    hello: Hello,
    send: impl Into<Cow<'static, str>>,
    reply: impl Into<Cow<'static, str>>,
    end: End,
) -> Row {
    Row { hello, send: send.into(), reply: reply.into(), end }
}

/// Positions to cut a row at: all of them, or a spread when the row is long.
fn cuts(from: usize, len: usize) -> Vec<usize> {
    const ALL_BELOW: usize = 200;
    let step = (len - from).div_ceil(ALL_BELOW).max(1);
    // The last bytes are always tried one by one: that is where CRLF and sizes meet.
    (from.max(1)..len).filter(|at| (at - from).is_multiple_of(step) || len - at < 12).collect()
}

/// Plays all rows against an open server; the panic of a failed row names it.
pub(crate) fn play(server: &Server, rows: &[Row]) {
    for row in rows {
        println!("row: {:?} {:?}", row.hello.0, shortened(&row.send));
        play_whole(server, row);
        play_bytes(server, row);
        play_cuts(server, row);
    }
}

/// As [`play`], but a stock nats-server gets each row in one write: these are rows it answers
/// differently when they are cut (2.9.10 parses the arguments of a split payload twice, and so
/// says 'Invalid Publish Subject' twice). Ours has to answer the same however they are cut.
pub(crate) fn play_whole_on_nats(server: &Server, rows: &[Row]) {
    if is_aimed_at_nats() {
        rows.iter().for_each(|row| play_whole(server, row));
    } else {
        play(server, rows);
    }
}

fn play_whole(server: &Server, row: &Row) {
    let mut client = server.connect();
    client.send(&whole(row));
    check(&mut client, row);
}

fn play_bytes(server: &Server, row: &Row) {
    let mut client = server.connect();
    for byte in whole(row) {
        if !client.send_if_open(&[byte]) {
            break;
        }
    }
    check(&mut client, row);
}

fn play_cuts(server: &Server, row: &Row) {
    let bytes = whole(row);
    // CONNECT itself is cut by the rows that have none in their hello. One connection after the
    // other: two at a time would hear each other's messages.
    for at in cuts(row.hello.0.len(), bytes.len()) {
        let mut client = server.connect();
        client.send(&bytes[..at]);
        // A connection that is greeted meanwhile: the server has been round its loop since.
        server.connect();
        client.send_if_open(&bytes[at..]);
        println!("  cut at {at}");
        check(&mut client, row);
    }
}

fn whole(row: &Row) -> Vec<u8> {
    let sync = if row.end == Stays { "PING\r\n" } else { "" };
    [row.hello.0, &row.send, sync].concat().into_bytes()
}

fn check(client: &mut Client, row: &Row) {
    client.expect(row.hello.1.as_bytes());
    client.expect(row.reply.as_bytes());
    match row.end {
        Stays => client.expect(b"PONG\r\n"),
        Closes => client.expect_closed(),
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= 120 {
        text.to_owned()
    } else {
        format!("{}... ({} bytes)", &text[..80], text.len())
    }
}
