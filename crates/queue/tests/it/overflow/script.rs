//! One script of twenty operations, and what every policy makes of it.
// checklist: A7

use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    Account, Behind, Block, BurstCredit, Conflate, Disconnect, DropNewest, DropOldest, Fold, Limit,
    Policy, RecvError, SendError, TimeToLive,
};

use super::limited;

type Item = (u64, u64);

enum Op {
    Send,
    Take,
    Pass(u64),
}

use Op::{Pass, Send, Take};

const SCRIPT: [Op; 20] = [
    Send,
    Send,
    Send,
    Send,
    Send,
    Send,
    Take,
    Take,
    Send,
    Send,
    Send,
    Send,
    Pass(10),
    Take,
    Send,
    Pass(20),
    Send,
    Take,
    Send,
    Take,
];

/// What came of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// A letter for each send: `+` queued, `r` in the place of another, `o` the oldest went for it,
    /// `e` some had expired, `-` refused, `w` made to wait, `E` ended.
    sends: String,
    /// What was received: in the script, and afterwards.
    received: Vec<Item>,
    end: RecvError,
    /// Refused, dropped, replaced, expired.
    lost: [u64; 4],
    /// The numbers of each gap: how many, the first, the last.
    gaps: Vec<(u64, u64, u64)>,
}

fn run<P: Policy<Item>>(policy: P) -> Outcome {
    let (sender, mut receiver) = limited(4, policy);
    let (mut now, mut next, mut sends) = (Instant::now(), 0, String::new());
    let mut entries = Vec::new();
    for op in SCRIPT {
        match op {
            Send => {
                let item = (next % 3, next);
                next += 1;
                sends.push(match sender.try_send_at(item, now) {
                    Ok(sent) if sent.replaced > 0 => 'r',
                    Ok(sent) if sent.dropped > 0 => 'o',
                    Ok(sent) if sent.expired > 0 => 'e',
                    Ok(_) => '+',
                    Err(SendError::Refused(back)) if back == item => '-',
                    Err(SendError::Delayed(back, _)) if back == item => 'w',
                    Err(SendError::Ended(back, _)) if back == item => 'E',
                    Err(other) => panic!("{other:?}"),
                });
            }
            Take => entries.extend(receiver.try_recv_at(now).ok()),
            Pass(millis) => now += Duration::from_millis(millis),
        }
    }
    sender.close();
    let end = loop {
        match receiver.try_recv_at(now) {
            Ok(entry) => entries.push(entry),
            Err(end) => break end,
        }
    };
    let told = entries.iter().filter_map(|entry| entry.missed).chain(receiver.take_missed());
    let gaps: Vec<_> = told.map(|gap| (gap.total(), gap.first(), gap.last())).collect();
    let account = receiver.account();
    assert!(account.is_conserved() && account == sender.account());
    assert_eq!((account.queued, account.received), (0, entries.len() as u64));
    let Account { refused, dropped, replaced, expired, .. } = account;
    assert_eq!(gaps.iter().map(|gap| gap.0).sum::<u64>(), refused + dropped + expired);
    let received = entries.into_iter().map(|entry| entry.item).collect();
    Outcome { sends, received, end, lost: [refused, dropped, replaced, expired], gaps }
}

/// Items that are not folded, by their number.
fn plain(numbers: &[u64]) -> Vec<Item> {
    numbers.iter().map(|n| (n % 3, *n)).collect()
}

#[test]
fn disconnect() {
    let outcome = run(Disconnect);
    assert_eq!(outcome.sends, "++++EEEEEEEEE");
    assert_eq!(outcome.received, plain(&[0, 1, 2, 3]));
    assert_eq!(outcome.end, RecvError::Ended(Limit::Messages));
    // The one that ended it is told; what came later was never taken.
    assert_eq!((outcome.lost, outcome.gaps), ([1, 0, 0, 0], vec![(1, 4, 4)]));
}

#[test]
fn drop_newest() {
    let outcome = run(DropNewest);
    assert_eq!(outcome.sends, "++++--++--+-+");
    assert_eq!(outcome.received, plain(&[0, 1, 2, 3, 6, 7, 10, 12]));
    assert_eq!(outcome.end, RecvError::Closed);
    assert_eq!(outcome.lost, [5, 0, 0, 0]);
    assert_eq!(outcome.gaps, [(2, 4, 5), (2, 8, 9), (1, 11, 11)]);
}

#[test]
fn drop_oldest() {
    let outcome = run(DropOldest);
    assert_eq!(outcome.sends, "++++oo++oo+o+");
    assert_eq!(outcome.received, plain(&[2, 3, 6, 8, 9, 10, 11, 12]));
    assert_eq!(outcome.end, RecvError::Closed);
    assert_eq!(outcome.lost, [0, 5, 0, 0]);
    assert_eq!(outcome.gaps, [(2, 0, 1), (2, 4, 5), (1, 7, 7)]);
}

#[test]
fn block() {
    let outcome = run(Block { at_most: Duration::from_secs(1) });
    assert_eq!(outcome.sends, "++++ww++ww+w+");
    assert_eq!(outcome.received, plain(&[0, 1, 2, 3, 6, 7, 10, 12]));
    assert_eq!((outcome.end, outcome.lost), (RecvError::Closed, [0, 0, 0, 0]));
    let outcome = run(Block { at_most: Duration::ZERO });
    assert_eq!((outcome.sends.as_str(), outcome.lost), ("++++--++--+-+", [5, 0, 0, 0]));
}

#[test]
fn conflate() {
    let outcome = run(Conflate::by(|item: &Item| item.0));
    assert_eq!(outcome.sends, "+++rrr++rrr++");
    // Key 0 and 1 are taken as 3 and 4. Then 8 takes the place of 5, 9 of 6, 10 of 7.
    assert_eq!(outcome.received, plain(&[3, 4, 8, 9, 10, 11, 12]));
    assert_eq!(outcome.end, RecvError::Closed);
    assert_eq!((outcome.lost, outcome.gaps), ([0, 0, 6, 0], vec![]));
}

#[test]
fn fold() {
    let sum = |old: &mut Item, new: Item| old.1 += new.1;
    let outcome = run(Fold::by(|item: &Item| item.0, sum));
    assert_eq!(outcome.sends, "+++rrr++rrr++");
    let sums = [(0, 3), (1, 5), (2, 15), (0, 15), (1, 17), (2, 11), (0, 12)];
    assert_eq!((outcome.received, outcome.lost), (sums.to_vec(), [0, 0, 6, 0]));
}

#[test]
fn conflate_with_too_many_keys() {
    let outcome = run(Conflate::by(|item: &Item| item.1).or(DropOldest));
    assert_eq!((outcome.sends, outcome.lost), (run(DropOldest).sends, [0, 5, 0, 0]));
    let outcome = run(Conflate::by(|item: &Item| item.1));
    assert_eq!(outcome.end, RecvError::Ended(Limit::Messages));
}

#[test]
fn time_to_live() {
    let outcome = run(TimeToLive::new(Duration::from_millis(15), DropNewest));
    assert_eq!(outcome.sends, "++++--++--+e+");
    // 20 ms after 10 was queued, it has expired like all before it.
    assert_eq!(outcome.received, plain(&[0, 1, 2, 11, 12]));
    assert_eq!(outcome.lost, [4, 0, 0, 4]);
    assert_eq!(outcome.gaps, [(8, 3, 10)]);
    let alive = run(TimeToLive::new(Duration::from_millis(30), DropNewest));
    assert_eq!(alive, run(DropNewest), "the last moment that is good");
}

#[test]
fn behind() {
    let outcome = run(Behind::new(Duration::from_millis(19), DropNewest));
    assert_eq!(outcome.sends, "++++--++--+EE");
    assert_eq!(outcome.received, plain(&[0, 1, 2, 3, 6, 7, 10]));
    assert_eq!(outcome.end, RecvError::Ended(Limit::Behind));
    assert_eq!(run(Behind::new(Duration::from_millis(20), DropNewest)), run(DropNewest));
}

#[test]
fn burst_credit() {
    let outcome = run(BurstCredit::new(2, 4, 1.0).unwrap());
    assert_eq!(outcome.sends, "+++EEEEEEEEEE");
    assert_eq!(outcome.received, plain(&[0, 1, 2]));
    assert_eq!(outcome.end, RecvError::Ended(Limit::Credit));
    assert_eq!(outcome.gaps, [(1, 3, 3)]);
}
