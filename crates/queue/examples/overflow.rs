//! A dashboard that falls behind: it skips what is older than 50 ms, loses the oldest beyond 1000,
//! and knows exactly what it did not show.

use std::time::Duration;

use floodway_queue::overflow::{self, DropOldest, TimeToLive};
use floodway_queue::{LimitError, Limits};

fn main() -> Result<(), LimitError> {
    let policy = TimeToLive::new(Duration::from_millis(50), DropOldest);
    let (sender, mut dashboard) = overflow::queue(Limits::messages(1_000)?, policy);
    std::thread::scope(|scope| {
        // Fails when the dashboard is gone.
        scope.spawn(move || (0..1_000_000_u64).try_for_each(|n| sender.try_send(n).map(drop)));
        let mut shown = 0;
        while let Ok(entry) = dashboard.recv_blocking(None) {
            shown += 1;
            if let (Some(gap), 0) = (entry.missed, shown % 1_000) {
                println!("{} after {} missed from {} on", entry.item, gap.total(), gap.first());
            }
        }
        let account = dashboard.account();
        println!("{} shown, {} dropped, {} expired", shown, account.dropped, account.expired);
    });
    Ok(())
}
