//! Push-back: not reading a client while its consumers cannot keep up.

use std::sync::Arc;
use std::time::Instant;

use floodway::{Consumer, Pace};

use super::Peer;
use crate::shard::ResumePublisher;

impl Peer {
    /// Pauses reading if most of the consumers fed lately are over their marks.
    pub(crate) fn pace(&mut self, now: Instant) {
        let session = self.connection.session();
        let own = session.consumer();
        // A publisher that does not read itself is not paused: two that only write to each other
        // would wait for each other.
        if let Pace::Paused(over) = self.pushback.after_batch(own, now)
            && !session.is_over_mark(false)
        {
            self.pause(&over);
        }
    }

    fn pause(&mut self, over: &[Arc<dyn Consumer>]) {
        if !self.paused {
            self.paused = true;
            let labels = over.iter().take(8).map(|consumer| consumer.label()).collect();
            self.connection.session().set_paced_by(labels);
        }
        let waker = self.resume.get_or_insert_with(|| {
            ResumePublisher::new(self.connection.shard(), self.connection.place()).into()
        });
        over.iter().for_each(|consumer| consumer.on_below_mark(waker.clone()));
    }

    /// Looks again whether to go on reading; true if so.
    pub(crate) fn try_resume(&mut self) -> bool {
        if !self.paused || self.stopping {
            return false;
        }
        let session = self.connection.session();
        match self.pushback.still_paused(session.consumer()) {
            Pace::Paused(over) if !session.is_over_mark(false) => {
                self.pause(&over);
                false
            }
            _ => {
                self.paused = false;
                session.set_paced_by(Vec::new());
                true
            }
        }
    }
}
