//! Stock clients, unchanged: async-nats in this process and nats-py through `nats_py.py`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::raw::PATIENCE;
use crate::server::{Launch, Server};

/// A Python that can `import nats`.
fn python() -> String {
    let named = std::env::var("FLOODWAY_TEST_PYTHON");
    let python = named.unwrap_or_else(|_| "python3".to_owned());
    let import = Command::new(&python)
        .args(["-c", "import nats"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        import.is_ok_and(|status| status.success()),
        "`{python}` cannot import nats: run the tests with `cargo xtask test`, which installs \
         nats-py, or set FLOODWAY_TEST_PYTHON to a Python that has it"
    );
    python
}

#[test]
fn nats_py() {
    run_python("nats_py.py", &Server::start());
}

/// Runs a script against a server; every check in it that fails fails the test.
pub(crate) fn run_python(script: &str, server: &Server) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let url = format!("nats://{}", server.addr());
    let output = Command::new(python()).arg(script).arg(url).output().expect("Python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.ends_with("all done\n"), "{stdout}\n{stderr}");
}

/// Runs a scenario with a limit: a client that waits for ever fails the test.
pub(crate) fn within_patience(scenario: impl Future<Output = ()>) {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        timeout(PATIENCE, scenario).await.expect("the scenario hangs");
    });
}

pub(crate) async fn connect(addr: SocketAddr) -> Client {
    async_nats::connect(addr.to_string()).await.expect("the client connects")
}

/// A client, and what it says about its connection.
async fn connect_with_events(addr: SocketAddr) -> (Client, UnboundedReceiver<Event>) {
    let (said, events) = unbounded_channel();
    let client = ConnectOptions::new()
        .event_callback(move |event| {
            // After the scenario nobody listens any more.
            let _ = said.send(event);
            async {}
        })
        .connect(addr.to_string())
        .await
        .expect("the client connects");
    (client, events)
}

/// Answers `count` requests on `subject` with what it got, headers included.
fn echo_responder(server: &Server, subject: &str, count: usize) -> thread::JoinHandle<()> {
    let mut responder = server.client();
    responder.subscribe(subject, "1");
    thread::spawn(move || {
        for _ in 0..count {
            let message = responder.next_message().expect("a request");
            let reply = message.reply.expect("a reply subject");
            let body = [message.headers.as_slice(), &message.payload].concat();
            let line = if message.headers.is_empty() {
                format!("PUB {reply} {}\r\n", body.len())
            } else {
                format!("HPUB {reply} {} {}\r\n", message.headers.len(), body.len())
            };
            responder.send(&[line.as_bytes(), &body, b"\r\n"].concat());
        }
        responder.ping();
    })
}

#[test]
fn async_nats_publishes_in_order() {
    let server = Server::start();
    let mut subscriber = server.client();
    subscriber.subscribe("rs.>", "1");
    within_patience(async {
        let (client, mut events) = connect_with_events(server.addr()).await;
        for number in 0..1000 {
            client.publish("rs.a", number.to_string().into()).await.unwrap();
        }
        client.flush().await.unwrap();
        // Drain flushes too, and then closes.
        client.publish("rs.last", "drained".into()).await.unwrap();
        client.drain().await.unwrap();
        while events.recv().await != Some(Event::Closed) {}
    });
    for number in 0..1000 {
        assert_eq!(subscriber.next_message().unwrap().payload, number.to_string().as_bytes());
    }
    assert_eq!(subscriber.next_message().unwrap().payload, b"drained");
}

#[test]
fn async_nats_requests_with_headers_and_large_payloads() {
    let server = Server::start();
    let responder = echo_responder(&server, "rs.echo", 3);
    within_patience(async {
        let client = connect(server.addr()).await;
        let answer = client.request("rs.echo", "hello".into()).await.unwrap();
        assert_eq!(answer.payload, "hello");
        assert!(answer.headers.is_none());

        let mut headers = HeaderMap::new();
        headers.insert("Trace-Id", "7");
        let answer = client.request_with_headers("rs.echo", headers, "x".into()).await.unwrap();
        assert_eq!(answer.payload, "x");
        assert_eq!(answer.headers.unwrap().get("Trace-Id").unwrap().as_str(), "7");

        let large = vec![b'l'; client.max_payload()];
        let answer = client.request("rs.echo", large.clone().into()).await.unwrap();
        assert_eq!(answer.payload, large);
    });
    responder.join().unwrap();
}

#[test]
fn async_nats_is_told_of_no_responders() {
    let server = Server::start();
    within_patience(async {
        let client = connect(server.addr()).await;
        let error = client.request("rs.nobody", "".into()).await.expect_err("nobody is there");
        assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    });
}

#[test]
fn async_nats_authenticates() {
    let config = "[auth]\nusers = [{ user = \"a\", password = \"b\" }]\n";
    let server = Launch::new().config(config).start();
    within_patience(async {
        let options = |password: &str| {
            ConnectOptions::with_user_and_password("a".to_owned(), password.to_owned())
        };
        let addr = server.addr().to_string();
        let client = options("b").connect(&addr).await.expect("the right password");
        client.flush().await.unwrap();
        let error = options("x").connect(&addr).await.expect_err("a wrong password");
        assert_eq!(error.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);
    });
}

#[test]
fn async_nats_comes_back_after_a_restart() {
    let mut server = Server::start();
    let addr = server.addr();
    within_patience(async {
        let (client, mut events) = connect_with_events(addr).await;
        assert_eq!(events.recv().await, Some(Event::Connected));
        server.kill();
        assert_eq!(events.recv().await, Some(Event::Disconnected));
        let server = Launch::new().listen(addr).start();
        while events.recv().await != Some(Event::Connected) {}
        let responder = echo_responder(&server, "rs.again", 1);
        let answer = client.request("rs.again", "here".into()).await.unwrap();
        assert_eq!(answer.payload, "here");
        responder.join().unwrap();
    });
}
