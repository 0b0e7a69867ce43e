//! The mailbox against a plain `VecDeque` with the same limits.

use std::collections::VecDeque;
use std::time::Instant;

use floodway_queue::{Limits, Permit, Receiver, RecvError, SendError, Sender, Weigh, mailbox_by};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Send(u64),
    SendMany(Vec<u64>),
    Reserve(u64),
    UsePermit(u64),
    DropPermit,
    Recv,
    RecvInVain,
    Drain(usize),
    Limits(u32, Option<u64>),
    Shrink,
    Close,
}

/// An item weighs what it is.
struct Itself;

impl Weigh<u64> for Itself {
    fn bytes(item: &u64) -> u64 {
        *item
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        8 => (0..12_u64).prop_map(Op::Send),
        4 => prop::collection::vec(0..6_u64, 0..40).prop_map(Op::SendMany),
        2 => (0..12_u64).prop_map(Op::Reserve),
        2 => (0..12_u64).prop_map(Op::UsePermit),
        1 => Just(Op::DropPermit),
        6 => Just(Op::Recv),
        1 => Just(Op::RecvInVain),
        2 => (0..50_usize).prop_map(Op::Drain),
        1 => (1..80_u32, prop::option::of(1..200_u64)).prop_map(|(m, b)| Op::Limits(m, b)),
        1 => Just(Op::Shrink),
        // Rarely, as little happens afterwards.
        1 => prop::bool::weighted(0.1).prop_map(|close| if close { Op::Close } else { Op::Recv }),
    ];
    prop::collection::vec(one, 0..300)
}

/// What a mailbox is, said plainly.
struct Oracle {
    queue: VecDeque<u64>,
    promised: Vec<u64>,
    messages: u32,
    bytes: Option<u64>,
    closed: bool,
}

impl Oracle {
    fn check(&self, weight: u64) -> Result<(), SendError<()>> {
        if self.closed {
            return Err(SendError::Closed(()));
        }
        if self.queue.len() + self.promised.len() >= self.messages as usize {
            return Err(SendError::Full(()));
        }
        let Some(limit) = self.bytes else { return Ok(()) };
        let held = self.queue.iter().sum::<u64>() + self.promised.iter().sum::<u64>();
        match () {
            () if weight > limit => Err(SendError::TooLarge(())),
            () if held + weight > limit => Err(SendError::Full(())),
            () => Ok(()),
        }
    }

    fn send(&mut self, item: u64, weight: u64) -> Result<(), SendError<u64>> {
        self.check(weight).map_err(|refused| refused.map(|()| item))?;
        self.queue.push_back(item);
        Ok(())
    }

    fn recv(&mut self) -> Result<u64, RecvError> {
        let none = if self.closed { RecvError::Closed } else { RecvError::Empty };
        self.queue.pop_front().ok_or(none)
    }
}

/// A mailbox and its oracle.
struct Twins<'a, W: Weigh<u64>> {
    sender: &'a Sender<u64, W>,
    receiver: Receiver<u64, W>,
    permits: Vec<Permit<'a, u64, W>>,
    oracle: Oracle,
}

fn weight<W: Weigh<u64>>(item: u64) -> u64 {
    if W::WEIGHS { item } else { 0 }
}

fn limits(messages: u32, bytes: Option<u64>) -> Limits {
    let limits = Limits::messages(messages).unwrap();
    bytes.map_or(limits, |bytes| limits.and_bytes(bytes).unwrap())
}

impl<W: Weigh<u64>> Twins<'_, W> {
    fn send_many(&mut self, mut items: Vec<u64>) -> Result<(), TestCaseError> {
        let first = items.first().map_or(Ok(()), |item| self.oracle.check(weight::<W>(*item)));
        let fits = |item: &&u64| self.oracle.send(**item, weight::<W>(**item)).is_ok();
        let fit = items.iter().take_while(fits).count();
        let rest = items[fit..].to_vec();
        let sent = self.sender.try_send_many(&mut items);
        // Nothing to send is sent, unless it is closed.
        let expected = match first {
            Ok(()) if rest.is_empty() && fit == 0 && self.oracle.closed => {
                Err(SendError::Closed(()))
            }
            first => first.map(|()| fit),
        };
        prop_assert_eq!(sent, expected);
        prop_assert_eq!(items, rest);
        Ok(())
    }

    fn use_permit(&mut self, item: u64) -> Result<(), TestCaseError> {
        let (Some(permit), Some(promised)) = (self.permits.pop(), self.oracle.promised.pop())
        else {
            return Ok(());
        };
        let expected = if self.oracle.closed {
            Err(SendError::Closed(item))
        } else if weight::<W>(item) > promised {
            Err(SendError::TooLarge(item))
        } else {
            self.oracle.queue.push_back(item);
            Ok(())
        };
        prop_assert_eq!(permit.send(item), expected);
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let (sender, receiver, oracle) = (self.sender, &mut self.receiver, &mut self.oracle);
        match op {
            Op::Send(item) => {
                prop_assert_eq!(sender.try_send(item), oracle.send(item, weight::<W>(item)));
            }
            Op::SendMany(items) => self.send_many(items)?,
            Op::Reserve(bytes) => {
                match (sender.try_reserve(bytes), oracle.check(weight::<W>(bytes))) {
                    (Ok(permit), Ok(())) => {
                        self.permits.push(permit);
                        oracle.promised.push(weight::<W>(bytes));
                    }
                    (permit, expected) => prop_assert_eq!(permit.map(drop), expected),
                }
            }
            Op::UsePermit(item) => self.use_permit(item)?,
            Op::DropPermit => {
                self.permits.pop();
                oracle.promised.pop();
            }
            Op::Recv => prop_assert_eq!(receiver.try_recv(), oracle.recv()),
            Op::RecvInVain => {
                prop_assert_eq!(receiver.recv_blocking(Some(Instant::now())), oracle.recv());
            }
            Op::Drain(most) => {
                let mut items = Vec::new();
                prop_assert_eq!(receiver.drain_into(&mut items, most), items.len());
                let n = most.min(oracle.queue.len());
                prop_assert_eq!(items, oracle.queue.drain(..n).collect::<Vec<_>>());
            }
            Op::Limits(messages, bytes) => {
                sender.set_limits(limits(messages, bytes));
                (oracle.messages, oracle.bytes) = (messages, bytes.filter(|_| W::WEIGHS));
            }
            Op::Shrink => receiver.shrink(),
            Op::Close => {
                receiver.close();
                oracle.closed = true;
            }
        }
        Ok(())
    }
}

fn run<W: Weigh<u64>>(
    ops: Vec<Op>,
    messages: u32,
    bytes: Option<u64>,
) -> Result<(), TestCaseError> {
    let (sender, receiver): (Sender<u64, W>, Receiver<u64, W>) =
        mailbox_by(limits(messages, bytes));
    let oracle = Oracle {
        queue: VecDeque::new(),
        promised: Vec::new(),
        messages,
        bytes: bytes.filter(|_| W::WEIGHS),
        closed: false,
    };
    let mut twins = Twins { sender: &sender, receiver, permits: Vec::new(), oracle };
    for op in ops {
        twins.apply(op)?;
        prop_assert_eq!(sender.len(), twins.oracle.queue.len());
        let bytes = twins.oracle.queue.iter().map(|item| weight::<W>(*item)).sum::<u64>();
        prop_assert_eq!(twins.receiver.bytes(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_deque(ops in ops(), messages in 1..80_u32) {
        run::<floodway_queue::Unweighed>(ops, messages, None)?;
    }

    #[test]
    fn agrees_with_a_deque_by_weight(
        ops in ops(),
        messages in 1..80_u32,
        bytes in prop::option::of(1..200_u64),
    ) {
        run::<Itself>(ops, messages, bytes)?;
    }
}
