//! Where readers of the status pages come in: how many at once, and how long each may take.
//!
//! Whoever connects holds one of a fixed number of places. Without limits in time a few clients
//! that send or read a byte now and then would hold all of them, and the pages would be gone just
//! when somebody needs them. HTTP runs over [`Visitor`], which keeps these limits for any protocol
//! of questions and answers: reading a question has a deadline and a size, and so has writing
//! the answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// How many clients at once, how long each may take, and how much it may ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Connections served at once; more wait in the backlog of the listening socket.
    pub(super) places: usize,
    /// From the start of a request to the start of its answer.
    pub(super) request: Duration,
    /// From the start of an answer to the start of the next request. Longer, for a page of many
    /// connections may go over a slow line, and scrapers ask every 15 s over one connection.
    pub(super) answer: Duration,
    /// Bytes of one request, its head included; the pages take no bodies.
    pub(super) request_bytes: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            places: 64,
            request: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            request_bytes: 16 * 1024,
        }
    }
}

/// A listener that lets in as many as there are places.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Patience,
}

impl Door {
    pub(super) fn new(listener: TcpListener, patience: Patience) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(patience.places)), patience }
    }
}

impl Listener for Door {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let place = self.places.clone().acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        // Retries by itself, after a pause where the system is out of file descriptors.
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        (Visitor::new(stream, place, self.patience), addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Request,
    Answer,
}

/// A connection that fails once its client takes too long or asks too much.
#[derive(Debug)]
pub(super) struct Visitor {
    stream: TcpStream,
    turn: Turn,
    deadline: Pin<Box<Sleep>>,
    /// Bytes read in this turn.
    asked: usize,
    patience: Patience,
    _place: OwnedSemaphorePermit,
}

impl Visitor {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, patience: Patience) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience.request));
        Self { stream, turn: Turn::Request, deadline, asked: 0, patience, _place: place }
    }

    /// Bytes of the other kind start a turn. The deadline is for all of it: a byte now and then
    /// does not move it.
    fn moved(&mut self, turn: Turn) {
        if self.turn == turn {
            return;
        }
        let patience = match turn {
            Turn::Request => self.patience.request,
            Turn::Answer => self.patience.answer,
        };
        (self.turn, self.asked) = (turn, 0);
        self.deadline.as_mut().reset(Instant::now() + patience);
    }

    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = result {
            self.moved(Turn::Answer);
        }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 {
            self.moved(Turn::Request);
            self.asked += read;
        }
        if self.asked > self.patience.request_bytes {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too long")));
        }
        result
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn there_are_only_so_many_places() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut door = Door::new(listener, Patience { places: 2, ..Patience::default() });
        let addr = Listener::local_addr(&door).unwrap();
        let _clients = [0; 3].map(|_| std::net::TcpStream::connect(addr).unwrap());
        let (first, _) = door.accept().await;
        let _second = door.accept().await;
        let mut third = pin!(door.accept());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert!(third.as_mut().poll(&mut cx).is_ready());
    }
}
