//! Four producers, one consumer that takes whole batches, and a limit that holds all the while.

use floodway_queue::{LimitError, Limits, mailbox};

fn main() -> Result<(), LimitError> {
    let (sender, mut receiver) = mailbox(Limits::messages(1_000)?);
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let sender = sender.clone();
            // Waits when 1,000 messages are queued; fails when the consumer is gone.
            scope.spawn(move || {
                (0..100_000).try_for_each(|n| sender.send_blocking((producer, n), None))
            });
        }
        drop(sender);
        let (mut messages, mut batches) = (0, 0);
        while receiver.wait(None).is_ok() {
            messages += receiver.drain(usize::MAX, |(_producer, _number)| {});
            batches += 1;
        }
        println!("{messages} messages in {batches} batches");
        println!("at most {} were queued", receiver.high_water());
    });
    Ok(())
}
