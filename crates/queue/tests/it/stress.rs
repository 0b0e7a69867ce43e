//! Many threads: every item once, each sender's in order, whatever calls they use.
// checklist: A2
// checklist: A15

use std::time::{Duration, Instant};

use floodway_queue::{Limits, Receiver, SendError, Sender};

use super::limited;

const SENDERS: u64 = 4;
const EACH: u64 = if cfg!(miri) { 50 } else { 20_000 };

/// Enough randomness to mix calls; the seed is in the failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

/// Sends its numbers in order, by a call chosen by lot.
fn send_all(sender: &Sender<(u64, u64)>, id: u64, dice: &mut Dice) {
    let mut next = 0;
    while next < EACH {
        match dice.roll(5) {
            0 => match sender.try_send((id, next)) {
                Ok(()) => next += 1,
                Err(SendError::Full(back)) => assert_eq!(back, (id, next)),
                Err(other) => panic!("{other:?}"),
            },
            1 => {
                sender.send_blocking((id, next), None).unwrap();
                next += 1;
            }
            2 => {
                let late = Some(Instant::now() + Duration::from_micros(dice.roll(100)));
                next += u64::from(sender.send_blocking((id, next), late).is_ok());
            }
            3 => {
                let end = EACH.min(next + dice.roll(40));
                let mut batch = (next..end).map(|n| (id, n)).collect();
                sender.send_many_blocking(&mut batch, None).unwrap();
                next = end;
            }
            _ => {
                let permit = sender.reserve_blocking(0, None).unwrap();
                if dice.roll(2) == 0 {
                    permit.send((id, next)).unwrap();
                    next += 1;
                }
            }
        }
    }
}

fn check(receiver: &mut Receiver<(u64, u64)>, dice: &mut Dice, seed: u64) {
    let mut next = [0; SENDERS as usize];
    let mut buffer = Vec::new();
    loop {
        match dice.roll(4) {
            0 => buffer.extend(receiver.try_recv().ok()),
            1 => buffer.extend(receiver.recv_blocking(None).ok()),
            2 => drop(receiver.drain_into(&mut buffer, dice.roll(100) as usize)),
            _ => drop(receiver.wait(Some(Instant::now() + Duration::from_micros(dice.roll(100))))),
        }
        for (id, number) in buffer.drain(..) {
            let expected = &mut next[id as usize];
            assert_eq!(number, *expected, "sender {id}, seed {seed}");
            *expected += 1;
        }
        if dice.roll(1_000) == 0 {
            receiver.set_limits(Limits::messages(1 + dice.roll(200) as u32).unwrap());
        }
        if receiver.is_closed() && receiver.is_empty() {
            break;
        }
    }
    assert_eq!(next, [EACH; SENDERS as usize], "seed {seed}");
}

#[test]
fn nothing_is_lost_repeated_or_reordered() {
    for seed in 1..=3 {
        for capacity in [1, 3, 64, 1_000_000] {
            let (sender, mut receiver) = limited(capacity);
            std::thread::scope(|scope| {
                for id in 0..SENDERS {
                    let sender = sender.clone();
                    scope.spawn(move || send_all(&sender, id, &mut Dice(seed * 1_000 + id)));
                }
                drop(sender);
                check(&mut receiver, &mut Dice(seed), seed);
            });
        }
    }
}
