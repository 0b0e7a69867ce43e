//! The servers that are compared: where they are, how each is started fresh, and how it ends.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::link::{Link, Target};
use super::pages::Pages;
use super::wire::Protocol;

const START_LIMIT: Duration = Duration::from_secs(10);
const START_STEP: Duration = Duration::from_millis(10);

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Floodway,
    Nats,
    Redis,
}

impl Kind {
    pub(crate) const PEERS: [Kind; 2] = [Kind::Nats, Kind::Redis];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Kind::Floodway => "floodway",
            Kind::Nats => "nats-server",
            Kind::Redis => "redis-server",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Kind::Floodway | Kind::Nats => Protocol::Nats,
            Kind::Redis => Protocol::Redis,
        }
    }
}

/// Settings beyond the defaults.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Serve the status pages.
    pub(crate) pages: bool,
    /// The memory budget.
    pub(crate) memory: Option<&'static str>,
    /// A configuration file with this in it.
    pub(crate) config: Option<&'static str>,
}

impl Extras {
    fn arguments(&self, command: &mut Command, folder: &Path) -> std::io::Result<()> {
        if self.pages {
            command.args(["--http", "127.0.0.1:0"]);
        }
        if let Some(memory) = self.memory {
            command.args(["--memory", memory]);
        }
        if let Some(text) = self.config {
            let file = folder.join("floodway.toml");
            fs::write(&file, text)?;
            command.arg("--config").arg(file);
        }
        Ok(())
    }
}

/// One server that takes part.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    /// What it says about its version, on one line.
    pub(crate) version: String,
    path: PathBuf,
}

impl Contender {
    /// The program at `path`, if it runs at all.
    pub(crate) fn new(kind: Kind, path: PathBuf) -> Result<Contender, String> {
        let failed = |why: String| format!("{} --version: {why}", path.display());
        let output = Command::new(&path)
            .arg("--version")
            .output()
            .map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().trim().to_owned();
        if !output.status.success() || version.is_empty() {
            return Err(failed(format!("ended with {} and said nothing", output.status)));
        }
        Ok(Contender { kind, version, path })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.kind.program()
    }

    /// Starts it with default settings on a free port of the loopback address, on one CPU if
    /// `cpu` says which.
    pub(crate) fn start(&self, cpu: Option<usize>) -> Result<Running, String> {
        self.start_with(cpu, &Extras::default())
    }

    /// As [`Contender::start`], with settings that only floodway has; a peer gets none of them.
    pub(crate) fn start_with(
        &self,
        cpu: Option<usize>,
        extras: &Extras,
    ) -> Result<Running, String> {
        let failed =
            |what: &str, error: std::io::Error| format!("{}: {what}: {error}", self.name());
        let folder = TempDir::new().map_err(|error| failed("no temporary folder", error))?;
        let log = File::create(folder.path().join("log")).map_err(|e| failed("no log file", e))?;
        let errors = log.try_clone().map_err(|error| failed("no log file", error))?;
        let mut command = match cpu {
            None => Command::new(&self.path),
            Some(cpu) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["-c", &cpu.to_string()]).arg(&self.path);
                taskset
            }
        };
        let port = self.arguments(&mut command, folder.path())?;
        if self.kind == Kind::Floodway {
            extras.arguments(&mut command, folder.path()).map_err(|e| failed("no settings", e))?;
        }
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| failed("cannot be started", error))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_default()));
        let target = Target { addr, protocol: self.kind.protocol(), pid: Some(child.id()) };
        let mut running = Running { child, target, folder };
        running.await_ready(self.kind)?;
        Ok(running)
    }

    /// Adds the arguments; returns the port where it is not for the server to choose.
    fn arguments(&self, command: &mut Command, folder: &Path) -> Result<Option<u16>, String> {
        match self.kind {
            Kind::Floodway => {
                command.args(["serve", "--listen", "127.0.0.1:0", "--ports-file"]);
                command.arg(folder.join("floodway.ports"));
                Ok(None)
            }
            Kind::Nats => {
                command.args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"]).arg(folder);
                Ok(None)
            }
            Kind::Redis => {
                // Redis cannot choose a port, so one is taken and given back just before.
                let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .and_then(|listener| listener.local_addr())
                    .map_err(|error| format!("no free port: {error}"))?
                    .port();
                command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
                // Nothing on disk, and as many clients as the idle case has.
                command.args(["--save", "", "--appendonly", "no", "--maxclients", "20000"]);
                Ok(Some(port))
            }
        }
    }
}

/// A server that answers; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    target: Target,
    folder: TempDir,
}

impl Running {
    pub(crate) fn target(&self) -> Target {
        self.target
    }

    /// Its status pages, if it serves any.
    pub(crate) fn pages(&self) -> Option<Pages> {
        let text = self.announcement()?;
        Some(Pages { addr: address_in(&text, "http")? })
    }

    /// Waits until a client is served.
    fn await_ready(&mut self, kind: Kind) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < START_LIMIT {
            if self.target.addr.port() == 0 {
                self.target.addr.set_port(self.announced_port().unwrap_or_default());
            }
            if self.target.addr.port() != 0 && Link::open(self.target).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.complaint(kind, &format!("ended with {status} at once")));
            }
            thread::sleep(START_STEP);
        }
        let limit = START_LIMIT.as_secs();
        Err(self.complaint(kind, &format!("served no client within {limit} s")))
    }

    /// The port in the file the server wrote; `None` while there is none, or half of one.
    fn announced_port(&self) -> Option<u16> {
        address_in(&self.announcement()?, "nats").map(|addr| addr.port())
    }

    fn announcement(&self) -> Option<String> {
        let entries = fs::read_dir(self.folder.path()).ok()?.flatten();
        let file = entries
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "ports"))?;
        fs::read_to_string(file).ok()
    }

    fn complaint(&self, kind: Kind, what: &str) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let last = log.lines().rev().take(5).collect::<Vec<_>>();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
        format!("{} {what}; the end of its log:\n  {last}", kind.program())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and only the wait matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in JSON such as `{"nats": ["nats://127.0.0.1:PORT"], "http": []}`.
fn address_in(text: &str, what: &str) -> Option<SocketAddr> {
    let ports: serde_json::Value = serde_json::from_str(text).ok()?;
    ports[what][0].as_str()?.strip_prefix(what)?.strip_prefix("://")?.parse().ok()
}

/// The program in a folder of PATH, or where Debian puts servers.
pub(crate) fn find(kind: Kind) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/local/bin", "/usr/sbin", "/usr/bin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(kind.program())).find(|file| file.is_file())
}

/// Builds floodway as it is shipped, and says where Cargo put it.
pub(crate) fn build_floodway() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "-p", "floodway-server"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("building floodway ended with {}", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "floodway")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo built no executable called floodway".to_owned())
}

#[cfg(test)]
mod tests;
