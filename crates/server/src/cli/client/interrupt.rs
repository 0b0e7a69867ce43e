//! Ctrl-C as a flag that loops look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Failure;

/// Set once a person or the system asked the command to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C and SIGTERM; the second one ends the process at once.
    ///
    /// # Errors
    ///
    /// When the system refuses to install the handler.
    pub(crate) fn listen() -> Result<Interrupt, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Order matters: the first signal must find the flag still unset here.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
                .map_err(|error| Failure::failed(format!("cannot handle Ctrl-C: {error}")))?;
        }
        Ok(Interrupt(flag))
    }

    /// Whether it is time to end.
    pub(crate) fn is_set(&self) -> bool {
        // Nothing is published with the flag, so no ordering is needed.
        self.0.load(Ordering::Relaxed)
    }

    /// One that no signal sets, for tests: handlers are of the whole process.
    #[cfg(test)]
    pub(crate) fn never() -> Interrupt {
        Interrupt(Arc::new(AtomicBool::new(false)))
    }
}
