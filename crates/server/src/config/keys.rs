//! Every key of the configuration, one row each: its path, how it is read, how it is printed.
//!
//! Rows of one section stand together, in the order in which they are printed.

use std::num::NonZeroUsize;
use std::time::Duration;

use floodway::Policy;
use tracing::Level;

use super::value::{HIDDEN, Refusal, Value, quoted, quoted_path};
use super::{Config, PushbackMode, duration, extract, memory, overflow_rule, size};

/// One key.
pub(super) struct Key {
    /// Sections and name, joined by dots.
    pub(super) path: &'static str,
    /// Reads a value into the configuration.
    pub(super) set: fn(&mut Config, Value<'_>) -> Result<(), Refusal>,
    /// The value as TOML.
    pub(super) show: fn(&Config) -> String,
}

impl Key {
    /// True if the value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.path, "auth.token" | "auth.users")
    }
}

const MIB: u64 = 1024 * 1024;
/// The smallest budget that leaves connections anything to queue in.
const BUDGET_MIN: u64 = 16 * MIB;
/// Message sizes travel as signed 32-bit numbers in several clients; this is well below.
const PAYLOAD_MAX: u64 = 1024 * MIB;
/// Room for a SUB with a subject of ordinary length.
const CONTROL_LINE_MIN: u64 = 128;
/// About the least that systems grant; a smaller number would say what is not so.
const SEND_BUFFER_MIN: u64 = 4 * 1024;

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

const MODES: [(&str, PushbackMode); 3] =
    [("most", PushbackMode::Most), ("any", PushbackMode::Any), ("none", PushbackMode::None)];

/// Policies that are designed but not there yet: whoever asks for one is told so, rather than
/// that the word is unknown.
const LATER_POLICIES: [&str; 4] = ["merge", "block", "throttle", "spill"];

/// The table.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "listen",
        set: |config, value| {
            config.listen = value.address()?;
            Ok(())
        },
        show: |config| quoted(config.listen.to_string()),
    },
    Key {
        path: "http",
        set: |config, value| {
            config.http = value.optional_address()?;
            Ok(())
        },
        show: |config| quoted(config.http.map(|a| a.to_string()).unwrap_or_default()),
    },
    Key {
        path: "server_name",
        set: |config, value| {
            config.server_name = value.optional_name()?;
            Ok(())
        },
        show: |config| quoted(config.server_name.as_deref().unwrap_or_default()),
    },
    Key {
        path: "threads",
        set: |config, value| {
            config.threads = NonZeroUsize::new(fits(value.number(&(0..=256))?));
            Ok(())
        },
        show: |config| config.threads.map_or(0, NonZeroUsize::get).to_string(),
    },
    Key {
        path: "pid_file",
        set: |config, value| {
            config.pid_file = value.optional_path()?;
            Ok(())
        },
        show: |config| quoted_path(config.pid_file.as_ref()),
    },
    Key {
        path: "ports_file",
        set: |config, value| {
            config.ports_file = value.optional_path()?;
            Ok(())
        },
        show: |config| quoted_path(config.ports_file.as_ref()),
    },
    Key {
        path: extract::PATH,
        // Read by `extract`, from a file, for the places of what is wrong.
        set: |_, value| Err(format!("{value} does not fit; write it in a file").into()),
        show: |config| extract::show(&config.extract),
    },
    Key {
        path: "log.file",
        set: |config, value| {
            config.log.file = value.optional_path()?;
            Ok(())
        },
        show: |config| quoted_path(config.log.file.as_ref()),
    },
    Key {
        path: "log.level",
        set: |config, value| {
            config.log.level = value.choice(&LEVELS)?;
            Ok(())
        },
        show: |config| word(&LEVELS, config.log.level),
    },
    Key {
        path: "auth.token",
        set: |config, value| {
            config.auth.token = value.optional_secret()?;
            Ok(())
        },
        show: |config| quoted(config.auth.token.as_ref().map_or("", |_| HIDDEN)),
    },
    Key {
        path: "auth.users",
        set: |config, value| {
            config.auth.users = value.users()?;
            Ok(())
        },
        show: |config| show_users(config),
    },
    Key {
        path: "auth.timeout",
        set: |config, value| {
            config.auth.timeout = value.some_duration()?;
            Ok(())
        },
        show: |config| show_duration(config.auth.timeout),
    },
    Key {
        path: "limits.connections",
        set: |config, value| {
            config.limits.connections = fits(value.number(&(1..=u64::from(u32::MAX)))?);
            Ok(())
        },
        show: |config| config.limits.connections.to_string(),
    },
    Key {
        path: "limits.subscriptions",
        set: |config, value| {
            config.limits.subscriptions =
                value.limit(|v| v.number(&(0..=u64::from(u32::MAX))))?.map(fits);
            Ok(())
        },
        show: |config| config.limits.subscriptions.unwrap_or(0).to_string(),
    },
    Key {
        path: "limits.payload",
        set: |config, value| {
            config.limits.payload = fits(value.bytes(&(1..=PAYLOAD_MAX))?);
            Ok(())
        },
        show: |config| show_size(config.limits.payload as u64),
    },
    Key {
        path: "limits.control_line",
        set: |config, value| {
            config.limits.control_line = fits(value.bytes(&(CONTROL_LINE_MIN..=MIB))?);
            Ok(())
        },
        show: |config| show_size(config.limits.control_line as u64),
    },
    Key {
        path: "liveness.ping_interval",
        set: |config, value| {
            config.liveness.ping_interval = value.some_duration()?;
            Ok(())
        },
        show: |config| show_duration(config.liveness.ping_interval),
    },
    Key {
        path: "liveness.ping_max",
        set: |config, value| {
            config.liveness.ping_max =
                u32::try_from(value.number(&(1..=1000))?).unwrap_or(u32::MAX);
            Ok(())
        },
        show: |config| config.liveness.ping_max.to_string(),
    },
    Key {
        path: "overflow.policy",
        set: |config, value| {
            config.overflow.policy = policy(value)?;
            Ok(())
        },
        show: |config| quoted(config.overflow.policy.name()),
    },
    Key {
        path: "overflow.linger",
        set: |config, value| {
            config.overflow.linger = value.duration()?;
            Ok(())
        },
        show: |config| show_duration(config.overflow.linger),
    },
    Key {
        path: "overflow.send_buffer",
        set: |config, value| {
            config.overflow.send_buffer = send_buffer(value)?;
            Ok(())
        },
        show: |config| show_size(config.overflow.send_buffer.unwrap_or(0)),
    },
    Key {
        path: overflow_rule::PATH,
        // They are read by `overflow_rule`, from a file: that needs their places later on.
        set: |_, value| Err(format!("{value} does not fit; write rules in a file").into()),
        show: |config| overflow_rule::show(&config.overflow.rules),
    },
    Key {
        path: "overflow.connection.messages",
        set: |config, value| {
            config.overflow.connection.messages = value.limit(|v| v.number(&(0..=u64::MAX)))?;
            Ok(())
        },
        show: |config| config.overflow.connection.messages.unwrap_or(0).to_string(),
    },
    Key {
        path: "overflow.connection.bytes",
        set: |config, value| {
            config.overflow.connection.bytes = value.limit(|v| v.bytes(&(0..=u64::MAX)))?;
            Ok(())
        },
        show: |config| show_size(config.overflow.connection.bytes.unwrap_or(0)),
    },
    Key {
        path: "overflow.connection.burst",
        set: |config, value| {
            config.overflow.burst = value.bytes(&(0..=u64::MAX))?;
            Ok(())
        },
        show: |config| show_size(config.overflow.burst),
    },
    Key {
        path: "overflow.connection.behind",
        set: |config, value| {
            config.overflow.connection.behind = value.limit(Value::duration)?;
            Ok(())
        },
        show: |config| show_duration(config.overflow.connection.behind.unwrap_or_default()),
    },
    Key {
        path: "overflow.subscription.messages",
        set: |config, value| {
            config.overflow.subscription.messages = value.limit(|v| v.number(&(0..=u64::MAX)))?;
            Ok(())
        },
        show: |config| config.overflow.subscription.messages.unwrap_or(0).to_string(),
    },
    Key {
        path: "overflow.subscription.bytes",
        set: |config, value| {
            config.overflow.subscription.bytes = value.limit(|v| v.bytes(&(0..=u64::MAX)))?;
            Ok(())
        },
        show: |config| show_size(config.overflow.subscription.bytes.unwrap_or(0)),
    },
    Key {
        path: "overflow.subscription.behind",
        set: |config, value| {
            config.overflow.subscription.behind = value.limit(Value::duration)?;
            Ok(())
        },
        show: |config| show_duration(config.overflow.subscription.behind.unwrap_or_default()),
    },
    Key {
        path: "overflow.subscription.ttl",
        set: |config, value| {
            config.overflow.subscription.ttl = value.limit(Value::duration)?;
            Ok(())
        },
        show: |config| show_duration(config.overflow.subscription.ttl.unwrap_or_default()),
    },
    Key {
        path: "pushback.mode",
        set: |config, value| {
            config.pushback.mode = value.choice(&MODES)?;
            Ok(())
        },
        show: |config| word(&MODES, config.pushback.mode),
    },
    Key {
        path: "pushback.mark",
        set: |config, value| {
            config.pushback.mark = value.bytes(&(1..=u64::MAX))?;
            Ok(())
        },
        show: |config| show_size(config.pushback.mark),
    },
    Key {
        path: "memory.budget",
        set: |config, value| {
            config.memory_budget = budget(value)?;
            Ok(())
        },
        show: |config| show_size(config.memory_budget),
    },
    Key {
        path: "shutdown.deadline",
        set: |config, value| {
            config.shutdown.deadline = value.duration()?;
            Ok(())
        },
        show: |config| show_duration(config.shutdown.deadline),
    },
    Key {
        path: "shutdown.lame_duck_duration",
        set: |config, value| {
            config.shutdown.lame_duck_duration = value.some_duration()?;
            Ok(())
        },
        show: |config| show_duration(config.shutdown.lame_duck_duration),
    },
    Key {
        path: "shutdown.lame_duck_grace",
        set: |config, value| {
            config.shutdown.lame_duck_grace = value.duration()?;
            Ok(())
        },
        show: |config| show_duration(config.shutdown.lame_duck_grace),
    },
];

/// All keys with the values of `config`, as a TOML document.
pub(super) fn print(config: &Config) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        let (prefix, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if prefix != section {
            section = prefix;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&format!("{name} = {}\n", (key.show)(config)));
    }
    text
}

fn fits(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A policy by its name, with its defaults.
pub(super) fn policy(value: Value<'_>) -> Result<Policy, String> {
    let typed = value.text()?;
    if LATER_POLICIES.contains(&typed) {
        let names = Policy::NAMES.join("`, `");
        return Err(format!(
            "the policy `{typed}` is planned but not in this version; there are `{names}`"
        ));
    }
    let name = value.choice(&Policy::NAMES.map(|name| (name, name)))?;
    Policy::from_name(name).ok_or_else(|| format!("`{name}` is no policy"))
}

/// A size where zero means that the system chooses.
fn send_buffer(value: Value<'_>) -> Result<Option<u64>, String> {
    match value.bytes(&(0..=64 * MIB))? {
        0 => Ok(None),
        1..SEND_BUFFER_MIN => Err(format!(
            "{value} is too small; at least {}, or 0 for the system's choice",
            size::exact(SEND_BUFFER_MIN)
        )),
        bytes => Ok(Some(bytes)),
    }
}

fn budget(value: Value<'_>) -> Result<u64, String> {
    let percent = match value {
        Value::Text(text) | Value::Flag(text) => text.trim().strip_suffix('%'),
        _ => None,
    };
    let Some(percent) = percent else { return value.bytes(&(BUDGET_MIN..=u64::MAX)) };
    match percent.trim_end().parse::<u64>() {
        // A tiny machine gets the least that works instead of an error nobody asked for.
        Ok(percent @ 1..=100) => Ok(memory::share(percent).max(BUDGET_MIN)),
        _ => Err(format!("{value} is not a share of the memory; write \"1%\" to \"100%\"")),
    }
}

fn word<T: PartialEq>(choices: &[(&str, T)], value: T) -> String {
    let word = choices.iter().find(|(_, choice)| *choice == value).map(|(word, _)| *word);
    quoted(word.unwrap_or_default())
}

pub(super) fn show_duration(duration: Duration) -> String {
    quoted(duration::exact(duration))
}

/// A plain number stays one; with a unit it is a string.
pub(super) fn show_size(bytes: u64) -> String {
    let text = size::exact(bytes);
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text } else { quoted(text) }
}

fn show_users(config: &Config) -> String {
    let users =
        config.auth.users.iter().map(|user| {
            format!("{{ user = {}, password = {} }}", quoted(&user.user), quoted(HIDDEN))
        });
    format!("[{}]", users.collect::<Vec<_>>().join(", "))
}
