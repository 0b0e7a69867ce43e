//! Limits by messages and bytes, permits, and the two ends.

use std::time::{Duration, Instant};

use floodway_queue::{
    LimitError, Limits, Receiver, RecvError, SendError, Sender, Weigh, mailbox_by,
};

use super::limited;

struct Length;

impl Weigh<&'static str> for Length {
    fn bytes(item: &&'static str) -> u64 {
        item.len() as u64
    }
}

type Weighed = (Sender<&'static str, Length>, Receiver<&'static str, Length>);

fn weighed(messages: u32, bytes: u64) -> Weighed {
    mailbox_by(Limits::messages(messages).unwrap().and_bytes(bytes).unwrap())
}

/// checklist: A14
#[test]
fn every_capacity_is_legal_or_a_typed_error() {
    assert_eq!(Limits::messages(0), Err(LimitError::Zero));
    assert_eq!(Limits::messages(1).unwrap().and_bytes(0), Err(LimitError::Zero));
    for capacity in [1, 2, 3, 5, 7, 8, 31, 33, 100, 257, 1_000, 4_097] {
        let (sender, mut receiver) = limited(capacity);
        for round in 0..3 {
            (0..capacity).for_each(|n| sender.try_send((round, n)).unwrap());
            assert_eq!(sender.try_send((9, 9)), Err(SendError::Full((9, 9))), "{capacity}");
            let late = Some(Instant::now() + Duration::from_millis(1));
            assert_eq!(sender.send_blocking((9, 9), late), Err(SendError::Full((9, 9))));
            for n in 0..capacity {
                assert_eq!(receiver.try_recv(), Ok((round, n)));
                // A place that is free is free at once, and only once.
                sender.try_send((round, n)).unwrap();
                assert!(sender.try_send((9, 9)).is_err());
            }
            assert_eq!(receiver.drain(usize::MAX, drop), capacity as usize);
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        }
        assert_eq!(receiver.high_water(), capacity);
    }
    let (sender, mut receiver) = limited(u32::MAX);
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn items_of_no_size_are_counted() {
    let (sender, mut receiver) = limited(300);
    (0..300).for_each(|_| sender.try_send(()).unwrap());
    assert_eq!(sender.try_send(()), Err(SendError::Full(())));
    assert_eq!(receiver.drain(usize::MAX, drop), 300);
}

#[test]
fn bytes_are_a_limit_of_their_own() {
    let (sender, mut receiver) = weighed(10, 8);
    assert_eq!(sender.try_send("123456789"), Err(SendError::TooLarge("123456789")));
    let late = Some(Instant::now());
    assert_eq!(sender.send_blocking("123456789", late), Err(SendError::TooLarge("123456789")));
    sender.try_send("12345").unwrap();
    assert_eq!(sender.try_send("1234"), Err(SendError::Full("1234")));
    sender.try_send("123").unwrap();
    assert_eq!((sender.bytes(), sender.len()), (8, 2));
    sender.try_send("").unwrap();
    assert_eq!(receiver.try_recv(), Ok("12345"));
    assert_eq!(receiver.bytes(), 3);
    let mut many = vec!["12", "345", "6"];
    assert_eq!(sender.try_send_many(&mut many), Ok(2));
    assert_eq!((many, sender.bytes(), sender.high_water_bytes()), (vec!["6"], 8, 8));
    receiver.drain(usize::MAX, drop);
    assert_eq!((receiver.bytes(), receiver.high_water_bytes()), (0, 8));
}

#[test]
fn limits_change_while_it_runs() {
    let (sender, mut receiver) = limited(2);
    sender.try_send_many(&mut vec![1, 2]).unwrap();
    receiver.set_limits(Limits::messages(4).unwrap());
    sender.try_send_many(&mut vec![3, 4]).unwrap();
    sender.set_limits(Limits::messages(1).unwrap());
    assert_eq!(sender.limits(), Limits::messages(1).unwrap());
    for n in 1..=4 {
        assert_eq!(sender.try_send(5), Err(SendError::Full(5)), "lower, and nothing was lost");
        assert_eq!(receiver.try_recv(), Ok(n));
    }
    sender.try_send(5).unwrap();

    let (sender, _receiver) = weighed(10, 4);
    sender.try_send("1234").unwrap();
    let both = Limits::messages(10).unwrap().and_bytes(6).unwrap();
    sender.set_limits(both);
    assert_eq!(sender.limits(), both);
    sender.try_send("56").unwrap();
    sender.set_limits(Limits::messages(10).unwrap());
    sender.try_send("any length").unwrap();
}

/// checklist: E1
#[test]
fn a_permit_is_a_place_and_no_hole() {
    let (sender, mut receiver) = limited(3);
    let (first, second) = (sender.try_reserve(0).unwrap(), sender.try_reserve(0).unwrap());
    sender.try_send("between").unwrap();
    assert_eq!(sender.try_send("more"), Err(SendError::Full("more")));
    assert!(matches!(sender.try_reserve(0), Err(SendError::Full(()))));
    assert_eq!(receiver.len(), 1, "a permit is not an item");
    drop(first);
    sender.try_send("instead").unwrap();
    second.send("last").unwrap();
    let mut items = Vec::new();
    receiver.drain_into(&mut items, 10);
    assert_eq!(items, ["between", "instead", "last"]);
}

/// checklist: E1
#[test]
fn a_permit_reserves_bytes_too() {
    let (sender, mut receiver) = weighed(10, 8);
    let permit = sender.try_reserve(6).unwrap();
    assert_eq!(sender.try_send("123"), Err(SendError::Full("123")));
    assert!(matches!(sender.try_reserve(9), Err(SendError::TooLarge(()))));
    sender.try_send("12").unwrap();
    assert_eq!(permit.send("1234567"), Err(SendError::TooLarge("1234567")));
    sender.try_reserve(6).unwrap().send("3").unwrap();
    // Less than promised: the rest is free again.
    sender.try_send("45678").unwrap();
    assert_eq!(receiver.drain(usize::MAX, drop), 3);
}

#[test]
fn weighing_that_panics_leaves_nothing_behind() {
    struct Broken;
    impl Weigh<bool> for Broken {
        fn bytes(item: &bool) -> u64 {
            assert!(*item, "on purpose");
            1
        }
    }
    let (sender, mut receiver) =
        mailbox_by::<bool, Broken>(Limits::messages(2).unwrap().and_bytes(2).unwrap());
    let panics = |f: &dyn Fn()| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err());
    };
    panics(&|| assert!(sender.try_send(false).is_ok()));
    panics(&|| assert!(sender.try_reserve(1).unwrap().send(false).is_ok()));
    panics(&|| assert!(sender.try_send_many(&mut vec![true, false]).is_ok()));
    sender.try_send_many(&mut vec![true, true]).unwrap();
    assert_eq!(receiver.drain(usize::MAX, |item| assert!(item)), 2);
}

#[test]
fn after_a_close_what_is_queued_can_be_read_and_then_the_end() {
    for by_receiver in [false, true] {
        let (sender, mut receiver) = limited(10);
        sender.try_send_many(&mut vec![1, 2]).unwrap();
        if by_receiver {
            receiver.close();
        } else {
            sender.close();
        }
        assert!(sender.is_closed() && receiver.is_closed());
        assert_eq!(sender.try_send(3), Err(SendError::Closed(3)));
        assert_eq!(sender.send_blocking(3, None), Err(SendError::Closed(3)));
        assert!(matches!(sender.try_reserve(0), Err(SendError::Closed(()))));
        assert_eq!(receiver.recv_blocking(None), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
        assert_eq!(receiver.recv_blocking(None), Err(RecvError::Closed));
        assert_eq!(receiver.wait(None), Err(RecvError::Closed));
        // The end is told at once, not "nothing came in time".
        assert_eq!(receiver.recv_blocking(Some(Instant::now())), Err(RecvError::Closed));
    }
}

#[test]
fn the_high_water_is_never_too_high_and_little_too_low() {
    let (sender, mut receiver) = limited(1_000_000);
    let mut most = 0;
    for wave in [10_u32, 5, 300, 299, 40_000] {
        (0..wave).for_each(|n| sender.try_send(n).unwrap());
        most = most.max(sender.len() as u32);
        receiver.try_recv().unwrap();
        let high = sender.high_water();
        assert!(high <= most && high + high / 8 + 256 >= most, "{high} of {most}");
    }
    receiver.drain(usize::MAX, drop);
    assert!(sender.high_water() > 35_000);
}
