//! Files that exist while the server runs: its process id, its addresses.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files of this process; dropping it removes them.
#[derive(Debug, Default)]
pub(super) struct RunFiles {
    files: Mutex<Vec<(PathBuf, String)>>,
}

impl RunFiles {
    /// Writes a file, replacing what a crashed server left there. Whoever sees it sees all of it.
    pub(super) fn create(&self, path: &Path, text: &str) -> io::Result<()> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // The first error is the one to tell; the draft may not even exist.
            let _untold = fs::remove_file(&draft);
        }
        written?;
        self.lock().push((path.to_owned(), text.to_owned()));
        Ok(())
    }

    /// Removes what was written; called again, it does nothing.
    pub(super) fn remove_all(&self) {
        for (path, text) in self.lock().drain(..) {
            // A successor that was given the same path may have replaced it meanwhile.
            let is_ours = fs::read_to_string(&path).is_ok_and(|found| found == text);
            if is_ours && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "A file could not be removed");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(PathBuf, String)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        self.remove_all();
    }
}

#[cfg(test)]
mod tests;
