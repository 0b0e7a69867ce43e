//! One thread that reads, one that adds up: as fast as two threads can be, and nothing is lost.

use floodway_queue::ring::{self, CapacityError};

fn main() -> Result<(), CapacityError> {
    let (mut producer, mut consumer) = ring::ring(1_024)?;
    std::thread::scope(|scope| {
        // Waits when 1,024 are there; fails, with what is left, when the consumer is gone.
        scope.spawn(move || {
            (0..100_000_u64).try_for_each(|n| producer.push_blocking(n, None))?;
            producer
                .push_many_blocking(&mut (100_000..200_000_u32).map(u64::from), None)
                .map_err(|refused| refused.map(|()| 0))
        });
        let (mut items, mut batches, mut sum) = (0, 0, 0);
        while consumer.wait(None).is_ok() {
            items += consumer.drain(usize::MAX, |n| sum += n);
            batches += 1;
        }
        println!("{items} items in {batches} batches, {sum} in all");
    });
    Ok(())
}
