//! `floodway serve`: a checked configuration becomes a running server, until a signal ends it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use tracing::{info, warn};

use super::client::failure::{Failure, counted, exit_code, note, say};
use super::file_limit::{self, TooFew};
use super::logging::{self, Log};
use super::run_files::RunFiles;
use super::signals::{Signals, Wish};
use crate::config::{Config, Overrides, about_bytes};
use crate::server::{Server, StartError};

/// Run a server. Without options it serves this machine, on 127.0.0.1:4222.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  floodway serve
  floodway serve --listen :4222 --http 127.0.0.1:8222
  floodway serve --config floodway.toml --log-level debug
  floodway serve --config floodway.toml --check
  floodway serve --token s3cret --memory 2GiB --pushback any

Options win over the file. Sizes are bytes or have a unit: 64KiB, 1MiB (1024), 1MB (1000).
Signals: TERM and INT stop after what was accepted is flushed, a second one stops at once;
USR2 is lame duck mode; USR1 and HUP open the log file again.")]
pub(crate) struct Args {
    /// Configuration file (TOML); config/default.toml explains every key.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where NATS clients connect; :PORT is every interface, port 0 any free port
    /// [default: 127.0.0.1:4222].
    #[arg(short, long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Where the status pages are served, e.g. 127.0.0.1:8222 [default: off].
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,

    /// Name that clients and status pages show [default: the server's id].
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,

    /// Event-loop threads; 0 is half the CPUs, 1 to 8 [default: 0].
    #[arg(short, long, value_name = "N")]
    threads: Option<String>,

    /// Append the log to this file [default: standard error].
    #[arg(long, value_name = "FILE", help_heading = "Log and files")]
    log_file: Option<String>,

    /// Least severe level: error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL", help_heading = "Log and files")]
    log_level: Option<String>,

    /// Hold the process id in this file while running.
    #[arg(long, value_name = "FILE", help_heading = "Log and files")]
    pid_file: Option<String>,

    /// Hold the real addresses in this file while running (JSON).
    #[arg(long, value_name = "FILE", help_heading = "Log and files")]
    ports_file: Option<String>,

    /// Let in who presents this token; others on this machine can see it in the process list.
    #[arg(long, value_name = "TOKEN", help_heading = "Access")]
    token: Option<String>,

    /// Let in this user, instead of those in the file.
    #[arg(long, value_name = "NAME", requires = "password", help_heading = "Access")]
    user: Option<String>,

    /// The password of --user.
    #[arg(long, value_name = "PASSWORD", requires = "user", help_heading = "Access")]
    password: Option<String>,

    /// Largest message, headers included [default: 1MiB].
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    max_payload: Option<String>,

    /// Connections at once [default: 65536].
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections: Option<String>,

    /// Memory for the process with all it queues: a size, or a share of the machine's
    /// [default: 50%].
    #[arg(long, value_name = "SIZE|PERCENT", help_heading = "Limits")]
    memory: Option<String>,

    /// Slow publishers down while consumers lag: most, any or none [default: most].
    #[arg(long, value_name = "MODE", help_heading = "Limits")]
    pushback: Option<String>,

    /// Check the configuration and exit.
    #[arg(long, conflicts_with = "print_config")]
    check: bool,

    /// Print the configuration that file and options amount to, as TOML, and exit.
    #[arg(long)]
    print_config: bool,
}

impl Args {
    fn overrides(&self) -> Overrides {
        let flags = [
            ("--listen", "listen", &self.listen),
            ("--http", "http", &self.http),
            ("--name", "server_name", &self.name),
            ("--threads", "threads", &self.threads),
            ("--log-file", "log.file", &self.log_file),
            ("--log-level", "log.level", &self.log_level),
            ("--pid-file", "pid_file", &self.pid_file),
            ("--ports-file", "ports_file", &self.ports_file),
            ("--token", "auth.token", &self.token),
            ("--max-payload", "limits.payload", &self.max_payload),
            ("--max-connections", "limits.connections", &self.max_connections),
            ("--memory", "memory.budget", &self.memory),
            ("--pushback", "pushback.mode", &self.pushback),
        ];
        let mut overrides = Overrides::default();
        for (flag, key, text) in flags {
            overrides.set(flag, key, text.as_deref());
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            overrides.set_user(user, password);
        }
        overrides
    }
}

/// Runs the server until a signal ends it, or only looks at its configuration.
pub(crate) fn run(args: &Args) -> ExitCode {
    exit_code(checked(args).and_then(|config| {
        if args.check {
            say("the configuration is valid")
        } else if args.print_config {
            say(config.to_toml().trim_end())
        } else {
            serve(config)
        }
    }))
}

fn checked(args: &Args) -> Result<Config, Failure> {
    Config::load(args.config.as_deref(), &args.overrides()).map_err(Failure::usage)
}

fn serve(config: Config) -> Result<(), Failure> {
    let log = Arc::new(Log::start(&config.log).map_err(Failure::Usage)?);
    let files = Arc::new(RunFiles::default());
    // Before anything is written: a signal that comes during the start must not leave files.
    let signals = listen_for_signals(&log, &files)?;
    let started = start(&config, &files);
    if let Err(why) = &started {
        log.tell_file(why);
    }
    let server = started?;

    if signals.wait() == Wish::LameDuck {
        info!("Entering lame duck mode");
        server.lame_duck(&|| signals.is_stop_wished());
    }
    let deadline = config.shutdown.deadline;
    info!("Stopping within {deadline:?}");
    if server.shutdown(deadline) {
        info!("Stopped; everything that was accepted has been written");
    } else {
        warn!("Stopped at the deadline; some consumers did not take what was queued for them");
    }
    files.remove_all();
    Ok(())
}

/// A server that listens, and has said so.
fn start(config: &Config, files: &RunFiles) -> Result<Server, Failure> {
    let open_files = file_limit::raise(config.limits.connections);
    let server = Server::start(config.clone()).map_err(|error| explain(&error, config))?;
    if let Err(text) = announce(config, &server, files) {
        // It is ready for clients already, though nobody was told where.
        server.shutdown(config.shutdown.deadline);
        return Err(Failure::Usage(text));
    }
    if let Err(TooFew(open_files)) = open_files {
        let connections = config.limits.connections;
        info!(open_files, connections, "The system allows fewer open files than connections");
    }
    Ok(server)
}

fn listen_for_signals(log: &Arc<Log>, files: &Arc<RunFiles>) -> Result<Signals, Failure> {
    let (log, files) = (Arc::clone(log), Arc::clone(files));
    let reopen = move || match log.reopen() {
        Ok(true) => info!("The log file was opened again"),
        Ok(false) => info!("The log is not in a file; the configuration is read only at the start"),
        Err(error) => warn!(%error, "The log file cannot be opened again; the old one goes on"),
    };
    let abort = move || {
        files.remove_all();
        note("error: stopped at once by a second signal");
        std::process::exit(1);
    };
    Signals::listen(reopen, abort)
        .map_err(|error| Failure::failed(format!("cannot handle signals: {error}")))
}

/// One line that says what to do about it.
fn explain(error: &StartError, config: &Config) -> Failure {
    let text = match error {
        StartError::Listen { what, addr, error } => {
            let flag = if config.http == Some(*addr) { "--http" } else { "--listen" };
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("; is another server running there? {flag} chooses another address")
                }
                _ => format!("; {flag} chooses another address"),
            };
            format!("cannot listen for {what} on {addr}: {error}{hint}")
        }
        StartError::System(error) => format!("cannot start: {error}"),
    };
    Failure::Usage(text)
}

/// Writes the files and the lines that tell people and scripts that the server is there.
fn announce(config: &Config, server: &Server, files: &RunFiles) -> Result<(), String> {
    let (client, http) = (server.client_addr(), server.http_addr());
    let pid = std::process::id();
    if let Some(path) = &config.pid_file {
        write_run_file(files, path, "pid file", &pid.to_string())?;
    }
    if let Some(path) = &config.ports_file {
        write_run_file(files, path, "ports file", &ports_json(client, http))?;
    }

    let threads = counted(server.thread_count() as u64, "thread");
    let budget = about_bytes(config.memory_budget);
    let version = env!("CARGO_PKG_VERSION");
    start_line(&format!("floodway {version}  (pid {pid}, {threads}, memory budget {budget})"));
    start_line(&format!("Listening for client connections on {client}"));
    if let Some(http) = http {
        start_line(&format!("Status pages on http://{http}"));
    }
    start_line("Server is ready");
    let server = server_option(client, config);
    start_line(&format!("Try: floodway sub{server} '>'"));
    start_line(&format!("Try: floodway pub{server} hello world"));
    Ok(())
}

fn start_line(text: &str) {
    info!(target: logging::START, "{text}");
}

fn write_run_file(files: &RunFiles, path: &Path, what: &str, text: &str) -> Result<(), String> {
    files
        .create(path, text)
        .map_err(|error| format!("cannot write the {what} {}: {error}", path.display()))
}

/// What a client command needs to find the server; nothing if it looks there anyway. Secrets are
/// not repeated: this ends up in logs.
fn server_option(listening: SocketAddr, config: &Config) -> String {
    let address = reachable(listening);
    let credentials = match (&config.auth.token, config.auth.users.first()) {
        (Some(_), _) => "TOKEN@",
        (None, Some(_)) => "USER:PASSWORD@",
        (None, None) if address == SocketAddr::from((Ipv4Addr::LOCALHOST, 4222)) => {
            return String::new();
        }
        (None, None) => "",
    };
    format!(" --server nats://{credentials}{address}")
}

/// An address that can be connected to: "every interface" is none, this machine is one of them.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[derive(Serialize)]
struct Ports {
    nats: Vec<String>,
    http: Vec<String>,
}

fn ports_json(client: SocketAddr, http: Option<SocketAddr>) -> String {
    let ports = Ports {
        nats: vec![format!("nats://{}", reachable(client))],
        http: http.map(|http| format!("http://{}", reachable(http))).into_iter().collect(),
    };
    serde_json::to_string(&ports).expect("strings in lists are always JSON")
}

#[cfg(test)]
mod tests;
