use super::*;

/// Pops all there is.
fn rest<T: Payload>(reader: &mut impl Reader<T>) -> Vec<T> {
    std::iter::from_fn(|| reader.pop()).collect()
}

/// Both rings lose what was overwritten and nothing else, at every number of writes around full.
fn loses_only_what_was_overwritten<R: Overwriting<u64>>() {
    for capacity in 1..6_u64 {
        for writes in 0..4 * capacity {
            let (mut writer, mut reader) = R::open(capacity as usize);
            let lost: u64 = (0..writes).map(|number| writer.push(number)).sum();
            assert_eq!(lost, writes.saturating_sub(capacity), "{writes} into {capacity}");
            assert_eq!(rest(&mut reader), (lost..writes).collect::<Vec<_>>());
            assert_eq!(writer.push(writes), 0, "there is room again");
            assert_eq!(reader.pop(), Some(writes));
        }
    }
}

/// Reads in between, so that writer and reader are anywhere in the ring when it overflows.
fn keeps_its_order_when_it_is_read_now_and_then<R: Overwriting<u64>>() {
    for capacity in 1..5_usize {
        for every in 1..9 {
            let (mut writer, mut reader) = R::open(capacity);
            let (mut lost, mut seen) = (0, Vec::new());
            for number in 0..100 {
                lost += writer.push(number);
                if number % every == 0 {
                    seen.extend(reader.pop());
                }
            }
            seen.extend(rest(&mut reader));
            assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
            assert_eq!(seen.len() as u64 + lost, 100, "{capacity} read every {every}");
            assert_eq!(seen.last(), Some(&99));
        }
    }
}

#[test]
fn the_mutex_ring_knows_when_it_is_full() {
    loses_only_what_was_overwritten::<MutexRing>();
    keeps_its_order_when_it_is_read_now_and_then::<MutexRing>();
}

#[test]
fn the_atomic_ring_is_neither_stale_nor_out_of_order() {
    loses_only_what_was_overwritten::<AtomicRing>();
    keeps_its_order_when_it_is_read_now_and_then::<AtomicRing>();
}

#[test]
fn the_channel_gives_back_what_it_does_not_take() {
    let (mut sender, mut receiver) = sync_channel(1);
    assert_eq!((sender.offer(1_u64), sender.offer(2)), (Ok(()), Err(2)));
    assert_eq!((Exit::take(&mut receiver), Exit::take(&mut receiver)), (Some(1), None));
}
