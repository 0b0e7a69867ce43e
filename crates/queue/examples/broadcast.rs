//! Entries that a journal keeps before two workers act on them; all read them where they are.

use floodway_queue::broadcast::{self, WaitStrategy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (producer, ring) = broadcast::ring(1_024, WaitStrategy::Yield)?;
    let mut journal = ring.join();
    let workers = [ring.join_after(&[&journal])?, ring.join_after(&[&journal])?];
    std::thread::scope(|scope| {
        // Waits when the slowest is 1,024 behind; fails when the ring is closed.
        scope.spawn(move || (1..=100_000_u64).try_for_each(|n| producer.publish_blocking(n, None)));
        scope.spawn(move || while journal.read_blocking(256, None).is_ok() {});
        for (number, mut worker) in workers.into_iter().enumerate() {
            scope.spawn(move || {
                let mut sum = 0;
                while let Ok(batch) = worker.read_blocking(256, None) {
                    sum += batch.iter().sum::<u64>();
                }
                println!("worker {number}: {sum}");
            });
        }
    });
    Ok(())
}
