//! A page in JSON that is written while it is read: ten thousand connections with their
//! subscriptions are thirty megabytes, which nobody has budgeted for.

use std::convert::Infallible;
use std::io;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// What is written at a time.
const PIECE: usize = 64 * 1024;
/// Pieces that the writer may be ahead of a slow reader.
const AHEAD: usize = 2;

/// Takes a page, and passes it on in pieces.
struct Pieces {
    piece: Vec<u8>,
    out: mpsc::Sender<Bytes>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        // The reader is gone: there is nothing to write for.
        self.out.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece.reserve_exact(PIECE + bytes.len());
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}

/// Something to write a page to.
pub(super) struct Paper<'a>(&'a mut Pieces);

impl Paper<'_> {
    /// Writes the page, indented for those who read it in a terminal.
    pub(super) fn write(self, page: &impl Serialize) {
        let written = serde_json::to_writer_pretty(&mut *self.0, page);
        let flushed = written.map_err(io::Error::from).and_then(|()| io::Write::flush(self.0));
        if let Err(error) = flushed
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            tracing::error!(%error, "a status page could not be written as JSON");
        }
    }
}

/// The answer that `page` writes, on a thread of its own: a slow reader holds up nobody else.
pub(super) async fn answer(page: impl FnOnce(Paper<'_>) + Send + 'static) -> Response {
    let (out, mut pieces) = mpsc::channel(AHEAD);
    spawn_blocking(move || page(Paper(&mut Pieces { piece: Vec::new(), out })));
    let Some(first) = pieces.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let body = match pieces.recv().await {
        None => Body::from(first),
        Some(second) => {
            let rest = stream::unfold(pieces, async |mut pieces| {
                pieces.recv().await.map(|piece| (piece, pieces))
            });
            let begun = stream::iter([first, second]);
            let all = stream::StreamExt::chain(begun, rest);
            Body::from_stream(stream::StreamExt::map(all, Ok::<_, Infallible>))
        }
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
