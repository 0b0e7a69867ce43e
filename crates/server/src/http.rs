//! The status pages: what the broker does, for people, for tools of NATS and for Prometheus.
//!
//! | page | what it shows |
//! | --- | --- |
//! | `/` | links to the others |
//! | `/healthz` | 200 while the process serves |
//! | `/varz` | the process: settings, sums, memory |
//! | `/connz` | the connections, open or closed, and each of their subscriptions |
//! | `/slowz` | which subscriptions are slow, or were, and what was done |
//! | `/metrics` | sums and the busiest subscriptions as Prometheus text |
//!
//! They run on a thread of their own with a runtime of their own, so a scrape takes no time from
//! the threads that move messages; all it shares with them is the short lock of each session it
//! looks at. The numbers of one session come from one such look, so the law of conservation
//! (matched = delivered + lost + conflated + expired + queued) can be checked on every page.

mod clock;
mod connz;
mod door;
mod limits;
mod loss;
mod metrics;
mod parameter;
mod pieces;
mod process;
mod selection;
mod series;
mod slowz;
mod varz;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use floodway_broker::Broker;
use serde::Serialize;
use tokio::sync::oneshot;

use door::{Door, Patience};
use selection::Selection;

/// How long answers under way may take when the server stops; the rest of the second that
/// [`HttpServer::stop`] promises is for the thread to end.
const STOP_WITHIN: Duration = Duration::from_millis(900);

const INDEX: &str = "<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>floodway</title></head><body>
<h1>floodway</h1>
<ul>
<li><a href=\"/healthz\">/healthz</a>: is it up</li>
<li><a href=\"/varz\">/varz</a>: the process</li>
<li><a href=\"/connz\">/connz</a>: connections
(<a href=\"/connz?subs=detail\">with subscriptions</a>,
<a href=\"/connz?sort=pending\">slowest first</a>,
<a href=\"/connz?state=closed&amp;sort=stop\">closed</a>)</li>
<li><a href=\"/slowz\">/slowz</a>: slow consumers, now and lately
(<a href=\"/slowz?since=10m\">of the last ten minutes</a>)</li>
<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>
</ul>
</body></html>
";

/// What the pages are about.
#[derive(Debug)]
pub(crate) struct StatusSource {
    /// Whose sessions they show.
    pub(crate) broker: Arc<Broker>,
    /// The id that INFO carries.
    pub(crate) server_id: String,
    /// The name that INFO carries.
    pub(crate) server_name: String,
    /// The version of this program.
    pub(crate) version: &'static str,
    /// Where NATS clients connect.
    pub(crate) client_addr: SocketAddr,
    /// The largest payload accepted, in bytes.
    pub(crate) max_payload: usize,
    /// Connections accepted at once.
    pub(crate) max_connections: usize,
    /// How often an idle client is asked whether it is there.
    pub(crate) ping_interval: Duration,
    /// After how many unanswered questions it is gone.
    pub(crate) ping_max: u32,
    /// Whether a client has to show who it is.
    pub(crate) auth_required: bool,
    /// Threads that serve clients.
    pub(crate) threads: usize,
    /// When the process started.
    pub(crate) started: SystemTime,
    /// When its configuration was read.
    pub(crate) config_load_time: SystemTime,
}

/// What the handlers share.
#[derive(Debug)]
struct Status {
    source: StatusSource,
    addr: SocketAddr,
    cpu: process::CpuMeter,
}

/// The running status pages. Dropping it stops them as well, without waiting for that.
#[derive(Debug)]
pub(crate) struct HttpServer {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Listens on `addr` and serves the pages until told otherwise.
///
/// # Errors
///
/// The address cannot be listened on, or the system has no more threads or pollers.
pub(crate) fn start(addr: SocketAddr, source: StatusSource) -> io::Result<HttpServer> {
    start_with(addr, source, Patience::default())
}

fn start_with(
    addr: SocketAddr,
    source: StatusSource,
    patience: Patience,
) -> io::Result<HttpServer> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let door = Door::new(listener, patience);
    let status = Status { source, addr, cpu: process::CpuMeter::start() };
    let router = router(Arc::new(status));
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("floodway-http".into())
        .spawn(move || runtime.block_on(serve(door, router, stopped)))?;
    Ok(HttpServer { addr, stop, thread })
}

impl HttpServer {
    /// Where the pages are (the real port, also when 0 was asked for).
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: no more connections are accepted, and answers under way are finished.
    ///
    /// # Blocking
    ///
    /// Up to a second, while a reader is slow to take its answer; after that it is cut off.
    pub(crate) fn stop(self) {
        // Nobody to tell if the thread has ended already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread of the status pages had panicked");
        }
    }
}

async fn serve(door: Door, router: Router, stopped: oneshot::Receiver<()>) {
    let (begin, begun) = oneshot::channel();
    // An error means that the sender was dropped, which is to stop as well.
    let told = async move {
        stopped.await.ok();
        begin.send(()).ok();
    };
    let deadline = async {
        begun.await.ok();
        tokio::time::sleep(STOP_WITHIN).await;
    };
    let served = async { axum::serve(door, router).with_graceful_shutdown(told).await };
    tokio::select! {
        result = served => {
            if let Err(error) = result {
                tracing::error!(%error, "the status pages ended");
            }
        }
        () = deadline => tracing::debug!("a reader of a status page was cut off at the stop"),
    }
}

fn router(status: Arc<Status>) -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/healthz", get(async || json(StatusCode::OK, &Health { status: "ok" })))
        .route("/varz", get(varz_page))
        .route("/connz", get(connz_page))
        .route("/slowz", get(slowz_page))
        .route("/metrics", get(metrics_page))
        .fallback(async || wrong(StatusCode::NOT_FOUND, "no such page"))
        .method_not_allowed_fallback(async || {
            wrong(StatusCode::METHOD_NOT_ALLOWED, "the pages can only be read: use GET")
        })
        .with_state(status)
}

async fn varz_page(State(status): State<Arc<Status>>) -> Response {
    json(StatusCode::OK, &varz::Varz::of(&status))
}

async fn connz_page(
    State(status): State<Arc<Status>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    match Selection::parse(&parameters) {
        Ok(selection) => {
            pieces::answer(move |paper| {
                paper.write(&connz::Connz::of(&status.source, &selection));
            })
            .await
        }
        Err(error) => json(StatusCode::BAD_REQUEST, &Failure { error }),
    }
}

async fn slowz_page(
    State(status): State<Arc<Status>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    match slowz::Request::parse(&parameters, SystemTime::now()) {
        Ok(request) => json(StatusCode::OK, &slowz::Slowz::of(&status.source, &request)),
        Err(error) => json(StatusCode::BAD_REQUEST, &Failure { error }),
    }
}

async fn metrics_page(State(status): State<Arc<Status>>) -> Response {
    match metrics::text(&status.source) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the page"),
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Failure<E> {
    error: E,
}

#[derive(Serialize)]
struct Wrong {
    problem: &'static str,
    expected: &'static str,
}

fn wrong(code: StatusCode, problem: &'static str) -> Response {
    let expected = "GET of one of /, /healthz, /varz, /connz, /slowz, /metrics";
    json(code, &Failure { error: Wrong { problem, expected } })
}

/// An answer in JSON, indented for those who read it in a terminal.
fn json(code: StatusCode, page: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(page) {
        Ok(body) => (code, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "a status page could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
