//! What is a number, and what folds make of payloads that are none.

use super::*;
use crate::budget::Budget;
use crate::digest::Digest;
use crate::message::SharedMessage;
use crate::topic::Topic;

fn at(key: &str) -> NumberSource {
    NumberSource::At(key.parse().unwrap())
}

#[test]
fn a_payload_is_a_number_if_all_of_it_is_one_and_finite() {
    let number = |payload: &[u8]| NumberSource::Payload.of(&Message::new(b"s", payload));
    let numbers: [(&[u8], f64); 8] = [
        (b"17", 17.0),
        (b"-17.25", -17.25),
        (b" +1e3\r\n", 1000.0),
        (b".5", 0.5),
        (b"-0", 0.0),
        (b"1.7976931348623157e308", f64::MAX),
        (b"5e-324", f64::from_bits(1)),
        (b"1e-999", 0.0),
    ];
    for (payload, expected) in numbers {
        assert_eq!(number(payload), Some(expected), "{}", payload.escape_ascii());
    }
    let others: [&[u8]; 14] = [
        b"",
        b" ",
        b"1,5",
        b"1 2",
        b"0x10",
        b"1_000",
        b"five",
        b"17 EUR",
        b"\xff",
        b"\xef\xbc\x91",
        b"NaN",
        b"inf",
        b"-Infinity",
        b"1e999",
    ];
    for payload in others {
        assert_eq!(number(payload), None, "{}", payload.escape_ascii());
    }
}

#[test]
fn a_number_may_be_in_a_header_or_at_a_place_of_the_payload() {
    let payload = br#"{"bid": 17.5, "text": " 16 ", "no": [null, true, "NaN", {}, 1e999, ""]}"#;
    let message = Message::new(b"3", payload).with_headers(b"NATS/1.0\r\nBid: 18\r\nNo: x\r\n\r\n");
    assert_eq!(NumberSource::Payload.of(&message), None);
    assert_eq!(at("subject").of(&message), Some(3.0));
    assert_eq!(at("header:bid").of(&message), Some(18.0));
    assert_eq!(at("json:/bid").of(&message), Some(17.5));
    assert_eq!(at("json:/text").of(&message), Some(16.0));
    let nothing = (0..7).map(|place| format!("json:/no/{place}"));
    for nothing in
        nothing.chain(["header:no", "header:ask", "json:/ask", "json:/bid/x"].map(Into::into))
    {
        assert_eq!(at(&nothing).of(&message), None, "{nothing}");
    }
    assert_eq!(at("json:/bid").of(&Message::new(b"s", b"17")), None);
}

#[test]
fn values_are_the_numbers_that_they_are() {
    fn of<T: Payload>(value: T) -> Option<f64> {
        let topic = Topic::new(b"s", &Budget::new(1 << 20));
        let shared = SharedMessage::<T>::charging(topic, None, value, 0);
        NumberSource::Payload.of(&Message::from(&Arc::new(shared)))
    }
    assert_eq!(
        (of(-7_i8), of(u64::MAX), of(0.1_f32)),
        (Some(-7.0), Some(2_f64.powi(64)), Some(0.1_f32.into()))
    );
    assert_eq!(of(u128::MAX), Some(2_f64.powi(128)));
    assert_eq!(of(String::from(" 4.5 ")), Some(4.5));
    assert_eq!(of(bytes::Bytes::from_static(b"4")), Some(4.0));
    assert_eq!((of(f64::NAN), of(f64::INFINITY), of(f32::NEG_INFINITY)), (None, None, None));
    assert_eq!((of(true), of(()), of(vec![1])), (None, None, None));
}

#[test]
fn what_has_no_number_changes_no_sum_and_a_huge_sum_is_infinite() {
    let (now, budget) = (std::time::Instant::now(), Budget::new(1 << 20));
    let mut digest = Digest::of(None, now, &budget);
    assert_eq!((digest.count(), digest.without_number(), digest.numbers()), (1, 1, None));
    digest.add(Some(-f64::MAX), now);
    let first = digest.numbers().unwrap();
    assert_eq!(
        (first.min, first.max, first.sum, first.last),
        (-f64::MAX, -f64::MAX, -f64::MAX, -f64::MAX)
    );
    digest.add(None, now);
    assert_eq!(digest.numbers(), Some(first));
    digest.add(Some(-f64::MAX), now);
    digest.add(Some(f64::MAX), now);
    let all = digest.numbers().unwrap();
    assert_eq!((all.count, all.sum, all.mean()), (3, f64::NEG_INFINITY, f64::NEG_INFINITY));
    assert_eq!((all.min, all.max, all.last), (-f64::MAX, f64::MAX, f64::MAX));
    assert_eq!((digest.count(), digest.without_number()), (5, 2));
}

#[test]
fn a_function_is_equal_only_to_its_clones() {
    let newer = |_: &[u8], newer: &[u8]| newer.to_vec();
    let fold = Fold::by(newer);
    assert!(fold == fold.clone() && fold != Fold::by(newer) && fold != Fold::Last);
    assert_eq!(format!("{fold:?}"), "By(FoldBy)");
}
