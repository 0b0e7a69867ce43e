//! Burst credit by the vectors of the queue it is taken from.
// checklist: A6

use std::time::Duration;

use floodway_queue::Limits;
use floodway_queue::overflow::{Buffer, BurstCredit, CreditError, Limit, SendError, When};

type Queue = Buffer<u64, BurstCredit>;

fn queue(soft: u32, hard: u32, credit: f64) -> Queue {
    let policy = BurstCredit::new(soft, hard, credit).unwrap();
    Buffer::new(Limits::messages(1_000_000).unwrap(), policy)
}

fn add(queue: &mut Queue) -> Result<(), SendError<u64>> {
    queue.offer(7, When::default(), drop).map(drop)
}

fn remove(queue: &mut Queue) {
    assert!(queue.take(Duration::ZERO, drop).is_some());
}

#[test]
fn what_cannot_be_is_an_error() {
    use CreditError::{BadCredit, NoHardLimit, SoftBeyondHard};
    assert_eq!(BurstCredit::new(1, 0, 0.0), Err(NoHardLimit));
    assert_eq!(BurstCredit::new(0, 0, 0.0), Err(NoHardLimit));
    assert_eq!(BurstCredit::new(3, 2, 0.0), Err(SoftBeyondHard));
    assert_eq!(BurstCredit::new(1, 2, -1.0), Err(BadCredit));
    assert_eq!(BurstCredit::new(1, 2, f64::NAN), Err(BadCredit));
    let filled_in = BurstCredit::new(0, 5, 0.0).unwrap();
    assert_eq!((filled_in.soft_quota(), filled_in.credit()), (5, 5.0));
    assert_eq!(BurstCredit::new(2, 5, 0.0).unwrap().credit(), 2.0);
}

#[test]
fn one_and_one() {
    let mut queue = queue(1, 1, 0.0);
    add(&mut queue).unwrap();
    assert_eq!(add(&mut queue), Err(SendError::Ended(7, Limit::Messages)));
    remove(&mut queue);
    assert_eq!(add(&mut queue), Err(SendError::Ended(7, Limit::Messages)), "it stays ended");
}

#[test]
fn one_and_four() {
    let mut queue = queue(1, 4, 0.0);
    (0..2).for_each(|_| add(&mut queue).unwrap());
    assert_eq!(add(&mut queue), Err(SendError::Ended(7, Limit::Credit)));
    (0..2).for_each(|_| remove(&mut queue));
    assert!(queue.take(Duration::ZERO, drop).is_none());
}

#[test]
fn two_and_five() {
    let mut queue = queue(2, 5, 0.0);
    (0..2).for_each(|_| add(&mut queue).unwrap());
    assert!(queue.policy().credit() >= 2.0);
    remove(&mut queue);
    assert!(queue.policy().credit() > 2.0);
    for _ in 0..100 {
        add(&mut queue).unwrap();
        remove(&mut queue);
        let policy = queue.policy();
        assert!(policy.credit() <= (5 - policy.soft_quota()) as f64, "{policy:?}");
    }
}

#[test]
fn ten_and_a_thousand() {
    let mut queue = queue(10, 1000, 0.0);
    (0..20).for_each(|_| add(&mut queue).unwrap());
    (0..20).for_each(|_| remove(&mut queue));
    for _ in 0..5000 {
        add(&mut queue).unwrap();
        remove(&mut queue);
    }
    assert_eq!((queue.policy().soft_quota(), queue.policy().credit()), (1, 999.0));
    (0..1000).for_each(|_| add(&mut queue).unwrap());
    assert_eq!(add(&mut queue), Err(SendError::Ended(7, Limit::Messages)));
}

#[test]
fn a_fresh_queue_takes_no_more_than_its_credit() {
    let mut queue = queue(10, 1000, 0.0);
    (0..20).for_each(|_| add(&mut queue).unwrap());
    assert_eq!(add(&mut queue), Err(SendError::Ended(7, Limit::Credit)));
}

/// Nine are taken while ten come: whatever was earned before is used up.
#[test]
fn a_reader_at_nine_tenths_of_the_input_is_ended() {
    let mut queue = queue(10, 1000, 0.0);
    for _ in 0..5000 {
        add(&mut queue).unwrap();
        remove(&mut queue);
    }
    let ended = (0..100_000).find(|n| {
        let ended = add(&mut queue).is_err();
        if n % 10 > 0 && queue.depth().messages > 0 {
            remove(&mut queue);
        }
        ended
    });
    let after = ended.expect("ended in finite time");
    assert!(after > 1000, "not while it lives on what it earned: {after}");
    assert!(queue.account().is_conserved());
}

/// One that takes all in bursts, each as large as it may be, lives on.
#[test]
fn a_good_reader_survives_bursts() {
    let mut queue = queue(10, 1000, 0.0);
    for round in 0..100 {
        let burst = if round < 50 { 10 } else { 15 };
        (0..burst).for_each(|_| add(&mut queue).unwrap());
        (0..burst).for_each(|_| remove(&mut queue));
    }
    assert_eq!(queue.ended(), None);
}
