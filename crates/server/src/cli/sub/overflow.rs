//! The options of `floodway sub` that say what happens when it is too slow.

use clap::builder::{PossibleValue, PossibleValuesParser};
use floodway::{Fallback, Key, Policy};
use serde_json::{Map, Value};

use crate::cli::client::failure::Failure;
use crate::config::{parse_bytes, parse_duration};

/// Every limit by name, with how its value is written.
const LIMITS: [(&str, &str); 4] =
    [("messages", "1000"), ("bytes", "8MiB"), ("behind", "5s"), ("ttl", "5s")];
/// The largest number that every reader of JSON keeps exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What the server does when we are too slow.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Slow consumer (needs a floodway server)")]
pub(crate) struct OverflowArgs {
    /// What the server does when more is queued for us than a limit allows [default with --limit:
    /// disconnect].
    #[arg(long, value_name = "POLICY", value_parser = policies())]
    pub(super) overflow: Option<String>,

    /// With --overflow conflate: what makes two messages the same thing: subject, header:NAME or
    /// json:/POINTER (a place in the payload) [default: subject].
    #[arg(long, value_name = "KEY", requires = "overflow")]
    pub(super) key: Option<Key>,

    /// With --overflow conflate: what happens to more keys than the limits allow [default:
    /// drop-oldest].
    #[arg(long, value_name = "POLICY", requires = "overflow", value_parser = fallbacks())]
    pub(super) fallback: Option<String>,

    /// A limit, may be repeated: messages=1000 or bytes=8MiB (queued for us), behind=5s (time in
    /// which we take nothing; then the subscription ends), ttl=5s (time a message may be queued;
    /// then it is skipped).
    #[arg(long = "limit", value_name = "WHAT=VALUE", value_parser = parse_limit)]
    pub(super) limits: Vec<Limit>,
}

/// One `--limit what=value`, as the control request has it: a number of messages, of bytes, or of
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    what: &'static str,
    value: u64,
}

fn policies() -> PossibleValuesParser {
    Policy::NAMES.map(|name| PossibleValue::new(name).help(effect(name))).into()
}

fn fallbacks() -> PossibleValuesParser {
    Fallback::ALL.map(|fallback| PossibleValue::new(fallback.name())).into()
}

fn effect(policy: &str) -> &'static str {
    match policy {
        "disconnect" => "the subscription ends; what is queued is still delivered",
        "drop-newest" => "messages that come are not queued until there is room",
        "drop-oldest" => "the message that waits longest makes room",
        "conflate" => "always: a message replaces the queued one of the same key",
        _ => "",
    }
}

impl OverflowArgs {
    /// Whether the server has to be asked for any of it.
    pub(super) fn is_given(&self) -> bool {
        self.overflow.is_some() || !self.limits.is_empty()
    }

    /// Checks what the options mean together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.overflow.as_deref() != Some("conflate") {
            for (given, option) in
                [(self.key.is_some(), "--key"), (self.fallback.is_some(), "--fallback")]
            {
                if given {
                    let text = format!("{option} goes with --overflow conflate only");
                    return Err(Failure::usage(text));
                }
            }
        }
        for (index, limit) in self.limits.iter().enumerate() {
            if self.limits[..index].iter().any(|earlier| earlier.what == limit.what) {
                let text = format!("--limit {} is given twice: write it once", limit.what);
                return Err(Failure::usage(text));
            }
        }
        Ok(())
    }

    /// The limits as the control request has them.
    pub(super) fn limits(&self) -> Map<String, Value> {
        self.limits.iter().map(|limit| (limit.what.to_owned(), limit.value.into())).collect()
    }
}

/// Parses `what=value` for clap.
pub(super) fn parse_limit(text: &str) -> Result<Limit, String> {
    let examples = || LIMITS.map(|(what, value)| format!("{what}={value}")).join(", ");
    let (what, value) = text
        .split_once('=')
        .map(|(what, value)| (what.trim(), value.trim()))
        .ok_or_else(|| format!("a limit is written WHAT=VALUE: {}", examples()))?;
    let (what, example) = LIMITS
        .into_iter()
        .find(|(name, _)| *name == what)
        .ok_or_else(|| format!("there is no limit {what:?}; there are {}", examples()))?;
    let number = match what {
        "messages" => count(value),
        "bytes" => Some(parse_bytes(value)?),
        _ => Some(time(value)?),
    };
    match number {
        Some(0) => Err(format!("{what} must be more than 0; leave it out for no limit")),
        Some(number) if number > MAX_NUMBER => Err(format!("{value} is too large")),
        Some(value) => Ok(Limit { what, value }),
        None => Err(format!("{value:?} is not right; write for example {what}={example}")),
    }
}

/// A whole number; too many digits make the largest one.
fn count(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Milliseconds.
fn time(text: &str) -> Result<u64, String> {
    let time = parse_duration(text)?;
    if !time.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(format!("`{text}` is too fine: time is counted in whole milliseconds"));
    }
    Ok(time.as_millis() as u64)
}
