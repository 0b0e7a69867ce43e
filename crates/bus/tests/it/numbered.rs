//! Messages that say who sent them and as the how-manieth, so that a receiver can check the order.

use floodway::SharedMessage;

/// The payload of message `number` of `publisher`.
pub(crate) fn payload(publisher: u32, number: u32) -> [u8; 8] {
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&publisher.to_le_bytes());
    payload[4..].copy_from_slice(&number.to_le_bytes());
    payload
}

/// Publisher and number of a message.
pub(crate) fn read(message: &SharedMessage) -> (u32, u32) {
    let field = |at: usize| u32::from_le_bytes(message.payload()[at..at + 4].try_into().unwrap());
    (field(0), field(4))
}

/// What one receiver has seen: the number it expects next, per publisher.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    next: Vec<u32>,
}

impl Seen {
    /// Checks that `message` is the one after the last of its publisher.
    pub(crate) fn take(&mut self, message: &SharedMessage) {
        let (publisher, number) = read(message);
        let publisher = publisher as usize;
        if self.next.len() <= publisher {
            self.next.resize(publisher + 1, 0);
        }
        assert_eq!(number, self.next[publisher], "a hole or a reordering of {publisher}");
        self.next[publisher] += 1;
    }

    /// How many messages it has seen in all.
    pub(crate) fn total(&self) -> u64 {
        self.next.iter().map(|&next| u64::from(next)).sum()
    }
}
