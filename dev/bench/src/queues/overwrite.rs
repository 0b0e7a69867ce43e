//! Rings that overwrite their oldest.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::payload::Payload;
use super::shape::{CAPACITY, Overwriting, Reader, Writer};
use super::tally::{Tally, identity};
use super::work::{Outcome, Work, nanos_each};

/// One thread pushes onto a ring with room, and pops.
pub(crate) fn pairs<R: Overwriting<T>, T: Payload>(work: &Work) -> Outcome {
    let (mut writer, mut reader) = R::open(CAPACITY);
    let (mint, mut lost, mut tally) = (T::mint(work.payload), 0, Tally::new(1));
    let start = Instant::now();
    for number in 0..work.messages {
        lost += writer.push(T::make(mint, identity(0, number)));
        if let Some(item) = reader.pop() {
            tally.see(black_box(&item).identity(mint));
        }
    }
    let time = start.elapsed();
    tally.overwritten(work.messages, lost + reader.missed())?;
    tally.complete(work.messages)?;
    Ok(nanos_each(time, work.messages))
}

/// One thread pushes onto a ring that is always full; what is in it at the end must be the newest.
pub(crate) fn full<R: Overwriting<T>, T: Payload>(work: &Work) -> Outcome {
    let (mut writer, mut reader) = R::open(CAPACITY);
    let (mint, mut lost, mut tally) = (T::mint(work.payload), 0, Tally::new(1));
    let first = CAPACITY as u64;
    for number in 0..first {
        lost += writer.push(T::make(mint, identity(0, number)));
    }
    let sent = first + work.messages;
    let start = Instant::now();
    for number in first..sent {
        lost += writer.push(T::make(mint, identity(0, number)));
    }
    let time = start.elapsed();
    while let Some(item) = reader.pop() {
        tally.see(item.identity(mint));
    }
    tally.overwritten(sent, lost + reader.missed())?;
    if tally.count() != first {
        return Err(format!("{} of {first} slots were of use", tally.count()));
    }
    Ok(nanos_each(time, work.messages))
}

/// One thread pushes as fast as it can, another pops; per message pushed.
pub(crate) fn across<R: Overwriting<T>, T: Payload>(work: &Work) -> Outcome {
    let (mut writer, mut reader) = R::open(CAPACITY);
    let (mint, mut tally) = (T::mint(work.payload), Tally::new(1));
    let (begin, ended) = (&Barrier::new(2), &AtomicBool::new(false));
    let (time, lost) = thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            begin.wait();
            let (start, mut lost) = (Instant::now(), 0);
            for number in 0..work.messages {
                lost += writer.push(T::make(mint, identity(0, number)));
            }
            let time = start.elapsed();
            // Release: whoever sees it finds everything pushed before.
            ended.store(true, Ordering::Release);
            (time, lost)
        });
        begin.wait();
        loop {
            // Looked at first: empty afterwards is then empty for good.
            let last = ended.load(Ordering::Acquire);
            while let Some(item) = reader.pop() {
                tally.see(black_box(&item).identity(mint));
            }
            if last {
                break;
            }
            std::hint::spin_loop();
        }
        pushing.join().map_err(|_| "the writer broke down, see above".to_owned())
    })?;
    tally.overwritten(work.messages, lost + reader.missed())?;
    Ok(nanos_each(time, work.messages))
}
