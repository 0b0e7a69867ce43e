use super::super::payload::blank;
use super::*;

fn faults(lost: u64, late: u64, duplicated: u64, damaged: u64) -> Faults {
    Faults { lost, late, duplicated, damaged }
}

fn payload(publisher: u16, sequence: u64) -> Vec<u8> {
    let mut payload = blank(16);
    Stamp { publisher, sequence, sent_at: 0 }.write(&mut payload);
    payload
}

/// What a ledger that expects ten messages says about these.
fn account(sequences: &[u64]) -> Faults {
    let mut ledger = Ledger::new(0, 1, 10, 16);
    for sequence in sequences {
        ledger.book(&payload(0, *sequence));
    }
    ledger.faults()
}

#[test]
fn all_in_order_is_clean() {
    let all: Vec<u64> = (0..10).collect();
    assert!(account(&all).is_clean());
    assert_eq!(account(&all[..9]), faults(1, 0, 0, 0));
    assert_eq!(account(&[]), faults(10, 0, 0, 0));
}

#[test]
fn every_kind_of_fault_is_counted_exactly() {
    assert_eq!(account(&[0, 1, 4, 5, 9]), faults(5, 0, 0, 0));
    assert_eq!(account(&[1, 0, 2, 3, 4, 5, 6, 7, 8, 9]), faults(0, 1, 0, 0));
    assert_eq!(account(&[0, 5, 3, 1, 2, 4, 6, 7, 8, 9]), faults(0, 4, 0, 0));
    assert_eq!(account(&[0, 0, 1, 2, 1, 5, 5]), faults(6, 0, 3, 0));
    assert_eq!(account(&[0, 9, 4, 4, 0]), faults(7, 1, 2, 0));
    assert_eq!(account(&[0, 10]), faults(9, 0, 0, 1), "never sent");
}

#[test]
fn publishers_have_separate_accounts() {
    let mut ledger = Ledger::new(2, 2, 2, 16);
    for (publisher, sequence) in [(3, 0), (2, 0), (3, 1)] {
        assert!(ledger.book(&payload(publisher, sequence)).is_some());
    }
    assert!(!ledger.is_complete());
    assert!(ledger.book(&payload(2, 1)).is_some());
    assert!(ledger.is_complete());
    assert!(ledger.book(&payload(2, 1)).is_none());
    assert!(ledger.book(&payload(1, 0)).is_none(), "not for this subscriber");
    assert!(ledger.book(&payload(4, 0)).is_none());
    assert_eq!((ledger.received(), ledger.faults()), (4, faults(0, 0, 1, 2)));
}

#[test]
fn a_ledger_without_an_end_is_complete_once_the_end_is_known() {
    let mut ledger = Ledger::open_ended(16);
    for sequence in [0, 1, 3] {
        ledger.book(&payload(0, sequence));
    }
    assert!(!ledger.is_complete());
    ledger.close(4);
    assert_eq!(ledger.faults(), faults(1, 0, 0, 0));
    ledger.book(&payload(0, 2));
    assert!(ledger.is_complete());
    assert_eq!(ledger.faults().forgiving(), Faults::default());
    ledger.close(3);
    assert_eq!(ledger.faults(), faults(0, 1, 0, 1), "one more than was sent");
}
