//! What messages are about.

use std::fmt;
use std::sync::Arc;

use crate::budget::Budget;

/// A subject as messages share it, with the budget that they count against: who keeps a message has
/// one reference for both, and no two subjects meet in it.
pub struct Topic {
    subject: Box<[u8]>,
    budget: Budget,
}

impl Topic {
    pub(crate) fn new(subject: &[u8], budget: &Budget) -> Arc<Self> {
        Arc::new(Self { subject: subject.into(), budget: budget.clone() })
    }

    #[inline]
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }
}

/// The topic of a message that is kept. The bytes of that message count until this is dropped.
pub(crate) struct Label {
    topic: Arc<Topic>,
    bytes: usize,
}

impl Label {
    #[inline]
    pub(crate) fn new(topic: Arc<Topic>, bytes: usize) -> Self {
        topic.budget.count(bytes as i64);
        Self { topic, bytes }
    }

    #[inline]
    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }
}

impl Drop for Label {
    #[inline]
    fn drop(&mut self) {
        self.topic.budget.count(-(self.bytes as i64));
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({:?})", String::from_utf8_lossy(&self.topic.subject))
    }
}
