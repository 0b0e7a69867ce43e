//! From one publisher to many readers: what a contender has to be able to do.

use super::tally::Tally;

/// How it is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) readers: usize,
    /// What each reader may leave unread.
    pub(super) capacity: usize,
    /// Whether readers that leave more unread lose messages; else none has to be lost.
    pub(super) may_lose: bool,
}

/// A way to publish to many readers.
pub(super) trait Fan: 'static {
    type Publisher: Publish;
    type Reader: Read;

    fn open(opening: Opening) -> Result<(Self::Publisher, Vec<Self::Reader>), String>;
}

/// Both ends of each subject.
pub(super) type Ends<P, R> = Result<Vec<(P, R)>, String>;

/// A way to publish on many subjects, with one reader each. What finds a subject's readers is
/// shared by all.
pub(super) trait Subjects: 'static {
    type Publisher: Publish;
    type Reader: Read;

    fn open(opening: Opening) -> Ends<Self::Publisher, Self::Reader>;
}

/// The publishing end.
pub(super) trait Publish: Send + 'static {
    /// Publishes the content of that number to all readers, without waiting for any.
    fn publish(&mut self, number: u64) -> Result<(), String>;
}

/// The end of one reader.
pub(super) trait Read: Send + 'static {
    /// Waits until there is something, and shows one or more messages to the tally.
    fn read(&mut self, tally: &mut Tally) -> impl Future<Output = Result<(), String>> + Send;

    /// The same, blocking the thread.
    fn read_blocking(&mut self, tally: &mut Tally) -> Result<(), String>;

    /// The same of what is there now, without waiting.
    fn drain(&mut self, tally: &mut Tally) -> Result<(), String>;
}
