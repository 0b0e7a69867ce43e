//! What a server is told to do: defaults, then a TOML file, then flags, checked as a whole.
//!
//! [`Config`] has only values that can be used as they are: addresses are resolved, sizes are
//! bytes, "no limit" is `None`, and the rules between keys hold. Nobody downstream checks again.
//! Every key is one row of the table in `keys`, which reads it from a file or a flag and
//! prints it, so the file, the flags, `--print-config` and the hints in errors cannot drift apart.
//!
//! A mistake is an error with its place, never a warning: a misspelt limit that silently keeps
//! its default is found only when the limit is needed.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use floodway::{Filter, Limits, Overflow, Policy, Query};
use tracing::Level;

pub use self::draft::Overrides;
pub use self::extract::{Declared, ExtractConfig};
pub use self::problem::ConfigError;

mod address;
mod draft;
mod duration;
mod extract;
mod keys;
mod memory;
mod overflow_rule;
mod problem;
mod rules;
mod size;
mod value;

pub(crate) use self::duration::parse as parse_duration;
pub(crate) use self::size::{about as about_bytes, parse as parse_bytes};

/// Everything a server is told; made by [`Config::load`], [`Config::parse`] or the defaults.
///
/// # Examples
///
/// ```
/// use floodway_server::config::{Config, Overrides};
///
/// let config = Config::parse("f.toml", "listen = ':4300'", &Overrides::default())?;
/// assert_eq!(config.listen.port(), 4300);
///
/// let error = Config::parse("f.toml", "lissten = ':4300'", &Overrides::default()).unwrap_err();
/// assert!(error.to_string().contains("f.toml:1:1: unknown key `lissten`; did you mean `listen`"));
/// # Ok::<(), floodway_server::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where NATS clients connect; port 0 lets the system choose one. Default 127.0.0.1:4222.
    pub listen: SocketAddr,
    /// Where the status pages are served. Default none.
    pub http: Option<SocketAddr>,
    /// The name INFO carries; `None` means the server's id. Default none.
    pub server_name: Option<String>,
    /// Event-loop threads; `None` means half the CPUs, from 1 to 8. Default `None`.
    pub threads: Option<NonZeroUsize>,
    /// What is taken out of payloads for queries to ask for; of those whose filter matches a
    /// subject, the first counts. None can never apply. Default none.
    pub extract: Vec<ExtractConfig>,
    /// Where the log goes and how much of it.
    pub log: LogConfig,
    /// File that holds the process id while the server runs. Default none.
    pub pid_file: Option<PathBuf>,
    /// File that holds the real addresses while the server runs. Default none.
    pub ports_file: Option<PathBuf>,
    /// Who may connect.
    pub auth: AuthConfig,
    /// What one client, and all of them, may ask for.
    pub limits: LimitsConfig,
    /// How a client that vanished is found.
    pub liveness: LivenessConfig,
    /// When a consumer is too slow, and what happens then.
    pub overflow: OverflowConfig,
    /// When publishers are slowed down.
    pub pushback: PushbackConfig,
    /// Bytes that the process may take; the larger part of it is for what is queued and buffered.
    pub memory_budget: u64,
    /// How the server ends.
    pub shutdown: ShutdownConfig,
}

/// The `[log]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogConfig {
    /// File the log is appended to; `None` means standard error.
    pub file: Option<PathBuf>,
    /// The least severe level that is written.
    pub level: Level,
}

/// The `[auth]` section; with neither a token nor users, everybody may connect.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthConfig {
    /// A client that presents this token may connect.
    pub token: Option<String>,
    /// A client that presents one of these may connect too.
    pub users: Vec<UserConfig>,
    /// How long a client may take to present its credentials.
    pub timeout: Duration,
}

/// One entry of `auth.users`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserConfig {
    /// The name; unique, never empty.
    pub user: String,
    /// The password as the client sends it; never empty.
    pub password: String,
}

/// The `[limits]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Connections at once; at least one.
    pub connections: usize,
    /// Subscriptions per connection; `None` means no limit.
    pub subscriptions: Option<usize>,
    /// Bytes of one message, headers included.
    pub payload: usize,
    /// Bytes of one protocol line.
    pub control_line: usize,
}

/// The `[liveness]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LivenessConfig {
    /// A client that is silent this long is sent a PING.
    pub ping_interval: Duration,
    /// Unanswered PINGs after which a client is taken for dead; at least one.
    pub ping_max: u32,
}

/// The `[overflow]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverflowConfig {
    /// What happens at a limit of a subscription that no rule is for. Default disconnect.
    pub policy: Policy,
    /// How long a consumer that was ended may still read what was queued for it.
    pub linger: Duration,
    /// Bytes of the socket's send buffer where a subscription may drop, replace or expire; `None`
    /// is the system's choice. Default 128 KiB.
    pub send_buffer: Option<u64>,
    /// What some subscriptions get instead; the first that fits counts, none can never apply.
    pub rules: Vec<OverflowRule>,
    /// Limits of everything queued for one connection; at one of them it ends.
    pub connection: ConnectionLimits,
    /// Bytes beyond its limit that a connection may earn by keeping up. Default 112 MiB.
    pub burst: u64,
    /// Limits of what is queued for one subscription that no rule is for.
    pub subscription: Limits,
}

/// One entry of `overflow.rules`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverflowRule {
    /// It is for subscriptions to this, or to a part of it.
    pub subject: Filter,
    /// Only for those of this user; `None` means everybody's.
    pub user: Option<String>,
    /// What they get. A limit that the rule does not set is that of `overflow.subscription`.
    pub overflow: Overflow,
    /// They get only the messages that it matches; `None` means all.
    pub query: Option<RuleQuery>,
}

/// The query of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleQuery {
    /// As it was written: its canonical text may be longer than what may be written.
    pub written: String,
    /// What it means.
    pub query: Query,
}

/// When a connection is over its limit; `None` means that this one does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// Messages that may be queued.
    pub messages: Option<u64>,
    /// Bytes that may be queued.
    pub bytes: Option<u64>,
    /// How long a consumer may make no progress while something is queued for it.
    pub behind: Option<Duration>,
}

/// The `[pushback]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushbackConfig {
    /// How many consumers must be over the mark before a publisher is slowed.
    pub mode: PushbackMode,
    /// Queued bytes above which a consumer is over its mark; at most half its bytes limit.
    pub mark: u64,
}

/// Which consumers slow their publishers down. The set is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushbackMode {
    /// More than half of those a publisher touched lately.
    Most,
    /// A single one.
    Any,
    /// None: publishers are always read as fast as they send.
    None,
}

/// The `[shutdown]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownConfig {
    /// How long a stop may take to flush what was accepted.
    pub deadline: Duration,
    /// How long lame duck mode lasts, its grace included.
    pub lame_duck_duration: Duration,
    /// How long lame duck mode waits before it closes the first client; less than the duration.
    pub lame_duck_grace: Duration,
}

impl Config {
    /// What of [`Config::memory_budget`] is for what is queued and buffered.
    pub fn queue_budget(&self) -> u64 {
        memory::for_queues(self.memory_budget)
    }

    /// Reads the file, if there is one, and lets the flags win over it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the configuration is wrong: then the error names every mistake
    /// with its place.
    ///
    /// # Blocking
    ///
    /// Reads a file, and asks the system's resolver when an address has a host name.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, ConfigError> {
        let Some(path) = file else { return Config::parse("", "", overrides) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&name, &text, overrides),
            Err(error) => Err(ConfigError::unreadable(&name, &error)),
        }
    }

    /// Reads TOML text, called `name` in errors, and lets the flags win over it.
    ///
    /// # Errors
    ///
    /// The configuration is wrong: the error names every mistake with its place.
    ///
    /// # Blocking
    ///
    /// Asks the system's resolver when an address has a host name.
    pub fn parse(name: &str, text: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
        let mut draft = draft::Draft::new(name, text);
        draft.read_file();
        draft.read_flags(overrides);
        if draft.is_sound() {
            rules::check(&mut draft);
        }
        draft.finish()
    }

    /// The whole configuration as TOML that means the same, except that secrets are `"***"`,
    /// which is refused when read back: a printed configuration may be shared.
    pub fn to_toml(&self) -> String {
        keys::print(self)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4222)),
            http: None,
            server_name: None,
            threads: None,
            log: LogConfig { file: None, level: Level::INFO },
            pid_file: None,
            ports_file: None,
            extract: Vec::new(),
            auth: AuthConfig { token: None, users: Vec::new(), timeout: Duration::from_secs(2) },
            limits: LimitsConfig {
                connections: 65_536,
                subscriptions: None,
                payload: 1024 * 1024,
                control_line: 4096,
            },
            liveness: LivenessConfig { ping_interval: Duration::from_secs(120), ping_max: 2 },
            overflow: OverflowConfig {
                policy: Policy::Disconnect,
                linger: Duration::from_secs(2),
                send_buffer: Some(128 * 1024),
                rules: Vec::new(),
                connection: ConnectionLimits {
                    messages: None,
                    bytes: Some(16 * 1024 * 1024),
                    behind: Some(Duration::from_secs(10)),
                },
                burst: 112 * 1024 * 1024,
                subscription: Limits::NONE,
            },
            pushback: PushbackConfig { mode: PushbackMode::Most, mark: 1024 * 1024 },
            memory_budget: memory::share(50),
            shutdown: ShutdownConfig {
                deadline: Duration::from_secs(10),
                lame_duck_duration: Duration::from_secs(120),
                lame_duck_grace: Duration::from_secs(10),
            },
        }
    }
}

impl AuthConfig {
    /// True if a client must present credentials.
    pub fn required(&self) -> bool {
        self.token.is_some() || !self.users.is_empty()
    }
}

// By hand, because a derived one would put secrets into the first log line that shows a config.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("token", &self.token.as_ref().map(|_| value::HIDDEN))
            .field("users", &self.users)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConfig")
            .field("user", &self.user)
            .field("password", &value::HIDDEN)
            .finish()
    }
}

#[cfg(test)]
mod tests;
