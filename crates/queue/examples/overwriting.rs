//! A sensor that never waits, and a screen that shows one reading in a thousand, and how many
//! it missed.

use floodway_queue::overwriting::{self, CapacityError};

fn main() -> Result<(), CapacityError> {
    let (mut sensor, mut screen) = overwriting::ring(16)?;
    std::thread::scope(|scope| {
        // Fails when the screen is gone. What is overwritten comes back, and is dropped here.
        scope.spawn(move || (0..1_000_000_u64).try_for_each(|n| sensor.push(n).map(drop)));
        let mut shown = 0;
        while let Ok(reading) = screen.read_blocking(None) {
            shown += 1;
            if reading.lost > 0 && shown % 1_000 == 0 {
                println!("{} (missed {:?})", reading.item, reading.lost_range());
            }
        }
        println!("{shown} shown, {} missed", screen.lost());
    });
    Ok(())
}
