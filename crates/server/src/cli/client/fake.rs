//! A scripted server for tests: greets, records what the client says, and answers as told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use floodway_wire::nats::{ClientOp, ParseLimits, Progress, parse_client};

use super::address::Address;
use super::{Client, ConnectArgs};

/// INFO as a server without any extras sends it.
pub(crate) const INFO: &str = "INFO {\"server_id\":\"F\",\"server_name\":\"fake\",\
    \"version\":\"2.10.0\",\"proto\":1,\"go\":\"\",\"host\":\"h\",\"port\":1,\"headers\":true,\
    \"max_payload\":1000} \r\n";

/// Whether the fake goes on after an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Continue,
    /// Write what is queued, then close the connection.
    Close,
}

/// A server for one connection, on a port of its own.
pub(crate) struct Fake {
    pub(crate) address: Address,
    thread: JoinHandle<Vec<String>>,
}

impl Fake {
    /// Greets with `greeting`; then `answer` may queue bytes for every operation. PING is answered
    /// with PONG after what `answer` queued for it.
    pub(crate) fn start<F>(greeting: &str, mut answer: F) -> Fake
    where
        F: FnMut(&ClientOp<'_>, &mut Vec<u8>) -> Then + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let greeting = greeting.as_bytes().to_owned();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&greeting).unwrap();
            converse(&mut stream, &mut answer)
        });
        Fake { address: Address::parse(&place).unwrap(), thread }
    }

    /// One that only says PONG.
    pub(crate) fn quiet() -> Fake {
        Fake::start(INFO, |_, _| Then::Continue)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address, Duration::from_secs(10)).unwrap()
    }

    pub(crate) fn connect_args(&self) -> ConnectArgs {
        let connect_timeout = Duration::from_secs(10);
        ConnectArgs { server: Some(self.address.to_string()), connect_timeout }
    }

    /// What the client said, once it has closed the connection.
    pub(crate) fn said(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

fn converse<F>(stream: &mut TcpStream, answer: &mut F) -> Vec<String>
where
    F: FnMut(&ClientOp<'_>, &mut Vec<u8>) -> Then,
{
    let (mut said, mut input, mut chunk) = (Vec::new(), Vec::new(), vec![0; 65536]);
    loop {
        let (mut used_up, mut out, mut then) = (0, Vec::new(), Then::Continue);
        while let Ok(Progress::Op { op, used }) =
            parse_client(&input[used_up..], &ParseLimits::default())
        {
            used_up += used;
            said.push(written(&op));
            then = answer(&op, &mut out);
            if then == Then::Close {
                break;
            }
            if op == ClientOp::Ping {
                out.extend_from_slice(b"PONG\r\n");
            }
        }
        input.drain(..used_up);
        if stream.write_all(&out).is_err() || then == Then::Close {
            return said;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return said,
            Ok(count) => input.extend_from_slice(&chunk[..count]),
        }
    }
}

fn written(op: &ClientOp<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match op {
        ClientOp::Connect(json) => format!("CONNECT {}", text(json)),
        ClientOp::Publish(publish) => {
            let reply = publish.reply.map_or(String::new(), |reply| format!(" {}", text(reply)));
            let headers = text(publish.headers).replace("\r\n", "|");
            let payload = text(publish.payload);
            format!("PUB {}{reply} [{headers}] {payload}", text(publish.subject))
        }
        ClientOp::Subscribe { subject, queue, sid } => {
            let queue = queue.map_or(String::new(), |queue| format!("{} ", text(queue)));
            format!("SUB {} {queue}{}", text(subject), text(sid))
        }
        ClientOp::Unsubscribe { sid, max } => format!("UNSUB {} {max:?}", text(sid)),
        ClientOp::Ping => "PING".to_owned(),
        ClientOp::Pong => "PONG".to_owned(),
        _ => "other".to_owned(),
    }
}
