//! A price feed and a slow reader: a hundred prices, each the latest, and how many it stands for.

use std::time::Duration;

use floodway_queue::LimitError;
use floodway_queue::keyed;

fn main() -> Result<(), LimitError> {
    let (feed, mut screen) = keyed::queue(100)?;
    std::thread::scope(|scope| {
        // Fails when the screen is gone.
        scope.spawn(move || (0..5_000_000_u64).try_for_each(|n| feed.put(n % 100, n).map(drop)));
        let (mut shown, mut skipped) = (0_u64, 0);
        while let Ok(price) = screen.recv_blocking(None) {
            shown += 1;
            skipped += price.replaced;
            if shown % 100 == 0 {
                println!("instrument {} is at {}", price.key, price.value);
                std::thread::sleep(Duration::from_millis(10)); // draws
            }
        }
        println!("{shown} shown, {skipped} replaced by later ones");
    });
    Ok(())
}
