//! A NATS server of a hundred lines, with one fault built in: what the load must notice.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::link::Target;
use super::wire::Protocol;

/// What goes wrong at the delivery with this number, counted from 0 over all subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Lose(u64),
    Repeat(u64),
    /// Delivered again, but only just before the next PONG.
    Linger(u64),
    /// Delivered after the next one.
    Swap(u64),
    Damage(u64),
    /// The subscriber is disconnected instead.
    Cut(u64),
}

/// A running stub; its threads end with the connections.
#[derive(Debug)]
pub(crate) struct Stub {
    addr: SocketAddr,
}

#[derive(Debug)]
struct Subscription {
    id: String,
    out: Arc<Mutex<TcpStream>>,
}

#[derive(Debug)]
struct Shared {
    fault: Fault,
    deliveries: AtomicU64,
    by_subject: Mutex<HashMap<String, Vec<Subscription>>>,
    held: Mutex<Option<Vec<u8>>>,
}

impl Stub {
    pub(crate) fn start(fault: Fault) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            fault,
            deliveries: AtomicU64::new(0),
            by_subject: Mutex::default(),
            held: Mutex::default(),
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                // A client that is gone ends its thread; that is how every connection ends here.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Stub { addr }
    }

    /// This very process is the one to watch: the stub is a thread of it.
    pub(crate) fn target(&self) -> Target {
        let pid = Some(std::process::id());
        Target { addr: self.addr, protocol: Protocol::Nats, pid }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let out = Arc::new(Mutex::new(stream.try_clone().ok()?));
        out.lock().unwrap().write_all(b"INFO {\"server_id\":\"stub\"} \r\n").ok()?;
        let mut input = BufReader::new(stream);
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PING"] => {
                    let mut answer = self.held.lock().unwrap().take().unwrap_or_default();
                    answer.extend_from_slice(b"PONG\r\n");
                    out.lock().unwrap().write_all(&answer).ok()?;
                }
                ["SUB", subject, id] => {
                    let subscription = Subscription { id: id.to_owned(), out: Arc::clone(&out) };
                    let mut all = self.by_subject.lock().unwrap();
                    all.entry(subject.to_owned()).or_default().push(subscription);
                }
                ["PUB", subject, ref reply @ .., size] => {
                    let mut body = vec![0; size.parse::<usize>().unwrap() + 2];
                    input.read_exact(&mut body).ok()?;
                    self.publish(subject, reply, &body);
                }
                _ => {}
            }
        }
    }

    fn publish(&self, subject: &str, reply: &[&str], body: &[u8]) {
        let by_subject = self.by_subject.lock().unwrap();
        for Subscription { id, out } in by_subject.get(subject).into_iter().flatten() {
            let (size, reply) = (body.len() - 2, reply.first().copied().unwrap_or_default());
            let mut bytes = format!("MSG {subject} {id} {reply} {size}\r\n").into_bytes();
            bytes.extend_from_slice(body);
            let number = self.deliveries.fetch_add(1, Ordering::Relaxed);
            let mut out = out.lock().unwrap();
            match self.fault {
                Fault::Lose(n) if n == number => continue,
                Fault::Repeat(n) if n == number => bytes.extend_from_within(..),
                Fault::Swap(n) if n == number => {
                    *self.held.lock().unwrap() = Some(bytes);
                    continue;
                }
                Fault::Damage(n) if n == number => {
                    let last = bytes.len() - 3;
                    bytes[last] ^= 1;
                }
                Fault::Cut(n) if n == number => {
                    let _ = out.shutdown(std::net::Shutdown::Both);
                }
                _ => {}
            }
            if let Some(held) = self.held.lock().unwrap().take() {
                bytes.extend_from_slice(&held);
            }
            if self.fault == Fault::Linger(number) {
                *self.held.lock().unwrap() = Some(bytes.clone());
            }
            // The subscriber may have been cut.
            let _ = out.write_all(&bytes);
        }
    }
}
