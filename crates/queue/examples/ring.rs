//! One thread that counts, one that adds up what there is, batch by batch: the shortest way between
//! two threads, and nothing is lost on it.

use floodway_queue::ring::{self, CapacityError};

fn main() -> Result<(), CapacityError> {
    let (mut producer, mut consumer) = ring::ring(1_024)?;
    std::thread::scope(|scope| {
        // Waits when 1,024 are there; fails, and has its item back, when the consumer is gone.
        scope.spawn(move || (0..200_000_u64).try_for_each(|n| producer.push_blocking(n, None)));
        let (mut items, mut batches, mut sum) = (0, 0, 0);
        while consumer.wait(None).is_ok() {
            items += consumer.drain(usize::MAX, |n| sum += n);
            batches += 1;
        }
        println!("{items} items in {batches} batches, {sum} in all");
    });
    Ok(())
}
