//! Where log lines go: standard error, or a file that can be rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use super::client::failure::Failure;
use crate::config::LogConfig;

/// Target of the lines that tell that the server is there. They are written whatever the level,
/// and to standard error even beside a log file, because scripts wait for them.
pub(super) const START: &str = "floodway_server::start";

/// The log of this process.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<Arc<LogFile>>,
}

impl Log {
    /// Sends the log of the whole process where the configuration says; the error is one line.
    pub(super) fn start(config: &LogConfig) -> Result<Log, String> {
        let file = match &config.file {
            None => None,
            Some(path) => match LogFile::open(path) {
                Ok(file) => Some(Arc::new(file)),
                Err(error) => {
                    return Err(format!("cannot open the log file {}: {error}", path.display()));
                }
            },
        };
        let in_file = file.as_ref().map(|file| {
            let lines = layer().with_writer(Arc::clone(file)).with_ansi(false);
            lines.with_target(false).with_filter(filter(config.level))
        });
        let on_stderr = match &file {
            None => filter(config.level),
            Some(_) => Targets::new().with_target(START, Level::INFO),
        };
        let stderr = layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
            .with_filter(on_stderr);
        let started = registry().with(stderr).with(in_file).try_init();
        started.map_err(|error| format!("cannot start the log: {error}"))?;
        if file.is_some() {
            log_panics();
        }
        Ok(Log { file })
    }

    /// Writes why the server did not start into the log file, if there is one. Standard error is
    /// told by whoever ends the process.
    pub(super) fn tell_file(&self, why: &Failure) {
        if self.file.is_some()
            && let Failure::Usage(text) | Failure::Failed(text) = why
        {
            tracing::error!("{text}");
        }
    }

    /// Opens the log file again, after it was moved away; false if the log is not in a file.
    pub(super) fn reopen(&self) -> io::Result<bool> {
        match &self.file {
            Some(file) => file.reopen().map(|()| true),
            None => Ok(false),
        }
    }
}

/// Ours at the level asked for; of the libraries only what may need attention, because their
/// inner workings at debug level drown everything else.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::from_level(level).min(LevelFilter::WARN))
        .with_target("floodway", level)
        .with_target(START, level.max(Level::INFO))
}

/// A panic is told on standard error, which nobody may be reading beside a log file.
fn log_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        usual(panic);
    }));
}

/// A file that is appended to, and can be opened anew while others write.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), file: Mutex::new(append_to(path)?) })
    }

    /// On failure the old file stays: lines in a rotated file are better than none.
    fn reopen(&self) -> io::Result<()> {
        let fresh = append_to(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests;
