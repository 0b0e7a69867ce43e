//! One value as it was typed, in a file or behind a flag, and the readers that check it.
//!
//! A flag is always text, so `--threads 4` is a number; in a file the quotes matter, and
//! `threads = "4"` is a mistake that says so.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeArray, DeValue};

use super::problem::nearest;
use super::{UserConfig, address, duration, size};

/// Stands for a secret where a configuration is printed, and is therefore never taken for one.
pub(super) const HIDDEN: &str = "***";

/// A value before it is checked.
#[derive(Debug, Clone)]
pub(super) enum Value<'v> {
    /// What was typed behind a flag.
    Flag(&'v str),
    /// The user and the password of a pair of flags.
    FlagUser(&'v str, &'v str),
    Text(&'v str),
    Integer(i128),
    Array(&'v DeArray<'v>),
    /// Something no key takes; its kind.
    Other(&'static str),
}

/// Why a value was refused, and where if that is narrower than the whole value.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal { message, span: None }
    }
}

impl<'v> From<&'v DeValue<'v>> for Value<'v> {
    fn from(value: &'v DeValue<'v>) -> Value<'v> {
        match value {
            DeValue::String(text) => Value::Text(text),
            // Too large even for this is too large for every key: the end of the range says so.
            DeValue::Integer(number) => Value::Integer(
                i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX),
            ),
            DeValue::Array(array) => Value::Array(array),
            other => Value::Other(other.type_str()),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(text) => write!(f, "`{text}`"),
            Value::FlagUser(..) => f.write_str("a user"),
            Value::Text(text) => write!(f, "the string `{text}`"),
            Value::Integer(number) => write!(f, "the number `{number}`"),
            Value::Array(_) => f.write_str("a list"),
            Value::Other(kind) => write!(f, "a value of type {kind}"),
        }
    }
}

impl<'v> Value<'v> {
    /// Any string.
    pub(super) fn text(self) -> Result<&'v str, String> {
        match self {
            Value::Flag(text) | Value::Text(text) => Ok(text),
            other => Err(format!("{other} is not a string; write it in quotes")),
        }
    }

    /// A string where the empty one means none.
    pub(super) fn optional_text(self) -> Result<Option<&'v str>, String> {
        self.text().map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// A path where the empty string means none.
    pub(super) fn optional_path(self) -> Result<Option<PathBuf>, String> {
        self.optional_text().map(|text| text.map(PathBuf::from))
    }

    /// A name without white space, which would break the lines and tables it is shown in.
    pub(super) fn optional_name(self) -> Result<Option<String>, String> {
        match self.optional_text()? {
            Some(name) if name.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                Err(format!("`{name}` has white space in it; write it without"))
            }
            name => Ok(name.map(str::to_owned)),
        }
    }

    /// A secret where the empty string means none.
    pub(super) fn optional_secret(self) -> Result<Option<String>, String> {
        self.optional_text()?.map(secret).transpose()
    }

    /// A whole number in a range.
    pub(super) fn number(self, range: &RangeInclusive<u64>) -> Result<u64, String> {
        let (least, most) = (range.start(), range.end());
        let wanted = if *most == u64::MAX {
            format!("a whole number, at least {least}")
        } else {
            format!("a whole number from {least} to {most}")
        };
        let number = match self {
            Value::Integer(number) => Some(number),
            Value::Flag(text) => text.trim().parse::<i128>().ok(),
            _ => None,
        };
        match number.and_then(|number| u64::try_from(number).ok()) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => {
                let quotes = matches!(&self, Value::Text(text) if text.parse::<u64>().is_ok());
                let quotes = if quotes { ", without quotes" } else { "" };
                Err(format!("{self} does not fit; write {wanted}{quotes}"))
            }
        }
    }

    /// A size in bytes, in a range.
    pub(super) fn bytes(self, range: &RangeInclusive<u64>) -> Result<u64, String> {
        let bytes = match self {
            Value::Text(text) | Value::Flag(text) => size::parse(text)?,
            Value::Integer(number) => u64::try_from(number)
                .map_err(|_| format!("`{number}` is not a size; write 0 or more bytes"))?,
            other => return Err(format!("{other} is not a size; write for example \"1MiB\"")),
        };
        let (least, most) = (*range.start(), *range.end());
        if bytes < least {
            return Err(format!("{self} is too small; at least {}", size::exact(least)));
        }
        if bytes > most {
            return Err(format!("{self} is too large; at most {}", size::exact(most)));
        }
        Ok(bytes)
    }

    /// A duration, which may be zero.
    pub(super) fn duration(self) -> Result<Duration, String> {
        match self {
            Value::Text(text) | Value::Flag(text) => duration::parse(text),
            Value::Integer(number) => duration::from_number(number),
            other => Err(format!("{other} is not a duration; write for example \"2s\"")),
        }
    }

    /// A duration longer than zero.
    pub(super) fn some_duration(self) -> Result<Duration, String> {
        match self.duration()? {
            Duration::ZERO => Err("it must be longer than zero".to_owned()),
            duration => Ok(duration),
        }
    }

    /// What `read` makes of it, where `"none"` and zero mean no limit.
    pub(super) fn limit<T: Default + PartialEq>(
        self,
        read: impl FnOnce(Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self {
            Value::Text("none") | Value::Flag("none") => Ok(None),
            value => read(value).map(|limit| Some(limit).filter(|limit| *limit != T::default())),
        }
    }

    /// `host:port`.
    pub(super) fn address(self) -> Result<SocketAddr, String> {
        match self {
            Value::Text(text) | Value::Flag(text) => address::parse(text),
            other => Err(format!(
                "{other} is not an address; write for example \"127.0.0.1:4222\", in quotes"
            )),
        }
    }

    /// `host:port`, where `""`, `"off"` and `"none"` mean none.
    pub(super) fn optional_address(self) -> Result<Option<SocketAddr>, String> {
        match self {
            Value::Text("" | "off" | "none") | Value::Flag("" | "off" | "none") => Ok(None),
            value => value.address().map(Some),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, String> {
        let typed = self.text()?;
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(typed))
        {
            return Ok(*chosen);
        }
        let words = choices.iter().map(|(word, _)| *word);
        let hint = nearest(typed, words.clone())
            .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
        Err(format!("`{typed}` is none of {}{hint}", words.join(", ")))
    }

    /// The list of users, or the one that two flags make.
    pub(super) fn users(self) -> Result<Vec<UserConfig>, Refusal> {
        match self {
            Value::FlagUser(user, password) => Ok(vec![checked_user(user, password)?]),
            Value::Array(list) => {
                let mut users: Vec<UserConfig> = Vec::with_capacity(list.len());
                for entry in list {
                    let at = |message| Refusal { message, span: Some(entry.span()) };
                    let user = user_entry(entry.get_ref()).map_err(at)?;
                    if users.iter().any(|earlier| earlier.user == user.user) {
                        return Err(at(format!("the user `{}` is listed twice", user.user)));
                    }
                    users.push(user);
                }
                Ok(users)
            }
            other => Err(format!("{other} is not a list; write {USERS_EXAMPLE}").into()),
        }
    }
}

impl Copy for Value<'_> {}

const USERS_EXAMPLE: &str = "[{ user = \"ann\", password = \"...\" }]";

fn user_entry(entry: &DeValue<'_>) -> Result<UserConfig, String> {
    let wanted = || "each user is { user = \"ann\", password = \"...\" }".to_owned();
    let table = entry.as_table().ok_or_else(wanted)?;
    let (mut user, mut password) = (None, None);
    for (key, value) in table {
        let text = value.get_ref().as_str().ok_or_else(wanted)?;
        match key.get_ref().as_ref() {
            "user" => user = Some(text),
            "password" => password = Some(text),
            other => return Err(format!("unknown key `{other}`; {}", wanted())),
        }
    }
    checked_user(user.ok_or_else(wanted)?, password.ok_or_else(wanted)?)
}

fn checked_user(user: &str, password: &str) -> Result<UserConfig, String> {
    if user.is_empty() || password.is_empty() {
        return Err("neither the user nor the password may be empty".to_owned());
    }
    Ok(UserConfig { user: user.to_owned(), password: secret(password)? })
}

/// Refuses what looks like a secret but would let in nobody, or everybody who saw a printout.
fn secret(text: &str) -> Result<String, String> {
    if text == HIDDEN {
        return Err(format!(
            "`{HIDDEN}` stands for a secret that was not printed; write the secret"
        ));
    }
    let hashed = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    if hashed {
        return Err("it is a bcrypt hash, and those are not understood yet; \
                    write it in plain, in a file that only the server can read"
            .to_owned());
    }
    Ok(text.to_owned())
}

/// A string as TOML writes it.
pub(super) fn quoted(text: impl AsRef<str>) -> String {
    toml::Value::String(text.as_ref().to_owned()).to_string()
}

/// A path as TOML writes it; none is the empty string.
pub(super) fn quoted_path(path: Option<&PathBuf>) -> String {
    quoted(path.map_or(Cow::Borrowed(""), |path| path.to_string_lossy()))
}
