//! Starts a server process for one test and ends it with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::http::{self, Response};
use crate::raw::{Client, PATIENCE};

/// The binary under test.
pub(crate) const FLOODWAY: &str = env!("CARGO_BIN_EXE_floodway");

/// Whether the tests are being checked against a stock nats-server.
pub(crate) fn is_aimed_at_nats() -> bool {
    std::env::var("FLOODWAY_TEST_SERVER").as_deref() == Ok("nats")
}

/// How to start a server; the default is an open one on free ports.
#[derive(Debug, Default)]
pub(crate) struct Launch {
    toml: String,
    nats_conf: String,
    args: Vec<String>,
    listen: Option<SocketAddr>,
}

impl Launch {
    pub(crate) fn new() -> Launch {
        Launch::default()
    }

    /// The configuration file's text, for floodway.
    pub(crate) fn config(mut self, toml: &str) -> Launch {
        self.toml = toml.to_owned();
        self
    }

    /// The same wishes in nats-server's syntax.
    pub(crate) fn nats_conf(mut self, conf: &str) -> Launch {
        self.nats_conf = conf.to_owned();
        self
    }

    /// One more argument after `serve`.
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Launch {
        self.args.push(arg.into());
        self
    }

    /// A fixed client address instead of a free port: to come back after a restart.
    pub(crate) fn listen(mut self, addr: SocketAddr) -> Launch {
        self.listen = Some(addr);
        self
    }

    /// Starts the process and waits until it says that it is ready.
    pub(crate) fn start(self) -> Server {
        let dir = tempfile::tempdir().expect("a folder for the server's files");
        let ports_file = dir.path().join("ports.json");
        let mut command = if is_aimed_at_nats() {
            self.nats_command(dir.path())
        } else {
            self.floodway_command(dir.path(), &ports_file)
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server binary starts");
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        drain(child.stdout.take().expect("stdout is piped"));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, log, dir, nats: any, http: any };
        assert!(
            server.log.wait_for("Server is ready").is_some(),
            "the server ended before it was ready"
        );
        server.read_addresses(&ports_file);
        server
    }

    fn floodway_command(&self, dir: &Path, ports_file: &Path) -> Command {
        let mut command = Command::new(FLOODWAY);
        let listen = self.listen.map_or("127.0.0.1:0".to_owned(), |addr| addr.to_string());
        command.args(["serve", "--listen", &listen, "--http", "127.0.0.1:0", "--ports-file"]);
        command.arg(ports_file).args(&self.args);
        if !self.toml.is_empty() {
            command.arg("--config").arg(write(dir, "floodway.toml", &self.toml));
        }
        command
    }

    fn nats_command(&self, dir: &Path) -> Command {
        let mut command = Command::new("nats-server");
        let port = self.listen.map_or(-1, |addr| i32::from(addr.port()));
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-m", "-1"]);
        if !self.nats_conf.is_empty() {
            command.arg("-c").arg(write(dir, "nats.conf", &self.nats_conf));
        }
        command
    }
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the folder takes files");
    path
}

/// A running server; dropping it kills the process and waits for its end.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    dir: TempDir,
    nats: SocketAddr,
    http: SocketAddr,
}

impl Server {
    /// An open server with default settings.
    pub(crate) fn start() -> Server {
        Launch::new().start()
    }

    fn read_addresses(&mut self, ports_file: &Path) {
        if is_aimed_at_nats() {
            let address = |after: &str| {
                let line = self.log.wait_for(after).expect("the start-up lines");
                line.rsplit(' ').next().and_then(|addr| addr.parse().ok()).expect("an address")
            };
            self.nats = address("Listening for client connections on");
            self.http = address("Starting http monitor on");
            return;
        }
        let text = std::fs::read_to_string(ports_file).expect("the ports file is there when ready");
        let ports: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let address = |key: &str, scheme: &str| {
            let url = ports[key][0].as_str().expect("a URL");
            url.strip_prefix(scheme).and_then(|addr| addr.parse().ok()).expect("scheme://host:port")
        };
        self.nats = address("nats", "nats://");
        self.http = address("http", "http://");
    }

    /// Where NATS clients connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.nats
    }

    /// A raw client that has read INFO.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.nats)
    }

    /// A raw client that has said CONNECT with headers and no-responders.
    pub(crate) fn client(&self) -> Client {
        Client::ready(self.nats)
    }

    /// Where the status pages are.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(self.http, path)
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        // The end of stderr is the event to wait for with a limit: `Child::wait` has none.
        assert!(self.log.wait_end(PATIENCE), "the server did not end within {PATIENCE:?}");
        self.child.wait().expect("the child can be waited for")
    }

    /// Kills the process at once, as a crash would, and waits for its end.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        self.child.wait().expect("the child can be waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("--- the server's stderr ---");
            for line in self.log.tail(60) {
                println!("{line}");
            }
        }
    }
}

/// Runs the binary to its end, for command lines that must be refused: exit code and stderr.
pub(crate) fn run_to_end<A: AsRef<OsStr>>(args: &[A]) -> (i32, Vec<String>) {
    let mut command = Command::new(FLOODWAY);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let log = Log::follow(child.stderr.take().expect("stderr is piped"));
    if !log.wait_end(PATIENCE) {
        child.kill().expect("it still runs");
        child.wait().expect("it can be waited for");
        panic!("it was to be refused, but runs: {:?}", log.lines());
    }
    let status = child.wait().expect("it can be waited for");
    (status.code().expect("it ended by itself"), log.lines())
}

/// What the process wrote to stderr so far, line by line.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<LogState>,
    grew: Condvar,
}

#[derive(Debug, Default)]
struct LogState {
    lines: Vec<String>,
    is_ended: bool,
}

impl Log {
    fn follow(stderr: ChildStderr) -> Arc<Log> {
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                shared.state.lock().unwrap().lines.push(line);
                shared.grew.notify_all();
            }
            shared.state.lock().unwrap().is_ended = true;
            shared.grew.notify_all();
        });
        log
    }

    /// The first line that contains `text`, waiting for it; None when the process ended without.
    pub(crate) fn wait_for(&self, text: &str) -> Option<String> {
        let start = Instant::now();
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(line) = state.lines.iter().find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            if state.is_ended {
                return None;
            }
            let left = PATIENCE.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("no log line with {text:?} in {PATIENCE:?}"));
            state = self.grew.wait_timeout(state, left).unwrap().0;
        }
    }

    fn wait_end(&self, limit: Duration) -> bool {
        let state = self.state.lock().unwrap();
        self.grew.wait_timeout_while(state, limit, |state| !state.is_ended).unwrap().0.is_ended
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.state.lock().unwrap().lines.clone()
    }

    fn tail(&self, count: usize) -> Vec<String> {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

/// Reads a pipe to its end so that the process never blocks on it.
fn drain(mut pipe: impl Read + Send + 'static) {
    std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()));
}
