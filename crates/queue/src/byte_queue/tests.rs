use std::io::IoSlice;

use super::*;

fn put(queue: &mut ByteQueue, pool: &BlockPool, bytes: &[u8], waiting: bool) {
    queue.append(bytes.len(), waiting, pool, |block| block.extend_from_slice(bytes));
}

fn read_through_slices(queue: &ByteQueue) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let used = queue.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect()
}

#[test]
fn keeps_order_across_blocks_shared_slices_and_joined_queues() {
    let pool = BlockPool::new(2);
    let mut queue = ByteQueue::new();
    let mut expected = Vec::new();
    for i in 0..40_u8 {
        let piece = vec![i; 1000 * usize::from(i)];
        expected.extend_from_slice(&piece);
        if i % 3 == 0 {
            queue.push_shared(Bytes::from(piece));
        } else {
            put(&mut queue, &pool, &piece, i % 2 == 0);
        }
    }
    let mut taken = std::mem::take(&mut queue);
    put(&mut queue, &pool, b"later", false);
    expected.extend_from_slice(b"later");
    taken.advance(1234, &pool);
    taken.append_queue(queue);
    queue = taken;
    assert_eq!(queue.len(), expected.len() - 1234);
    assert!(read_through_slices(&queue) == expected[1234..]);
    while !queue.is_empty() {
        let step = queue.len().min(777);
        queue.advance(step, &pool);
        expected.drain(..step);
        assert!(queue.to_vec().len() == queue.len());
    }
    assert_eq!(queue.block_bytes(), 0);
}

#[test]
fn a_waiting_queue_holds_memory_in_proportion_to_its_backlog() {
    let pool = BlockPool::new(2);
    let mut queue = ByteQueue::new();
    for _ in 0..10_000 {
        put(&mut queue, &pool, &[7; 100], true);
        assert!(queue.block_bytes() <= 2048 + queue.len() * 3 / 2, "{}", queue.len());
    }
    queue.clear(&pool);
    assert_eq!((queue.block_bytes(), queue.len()), (0, 0));
    assert!(pool.spare_blocks() <= 2);
}

#[test]
fn settling_exchanges_a_nearly_empty_block_for_a_small_one() {
    let pool = BlockPool::new(2);
    let mut queue = ByteQueue::new();
    put(&mut queue, &pool, &[1; 5000], false);
    queue.advance(4000, &pool);
    assert_eq!(queue.block_bytes(), BLOCK_BYTES);
    queue.settle(&pool);
    assert_eq!(queue.block_bytes(), 1024);
    assert_eq!(queue.to_vec(), [1; 1000]);
    assert_eq!(pool.spare_blocks(), 1);
}

#[test]
fn a_piece_larger_than_a_block_gets_one_of_its_own() {
    let pool = BlockPool::new(2);
    let mut queue = ByteQueue::new();
    put(&mut queue, &pool, &vec![9; BLOCK_BYTES + 1], false);
    assert_eq!(queue.block_bytes(), BLOCK_BYTES + 1);
    queue.advance(BLOCK_BYTES + 1, &pool);
    assert_eq!(pool.spare_blocks(), 0, "a block of an odd size is freed, not kept");
}

// checklist: A13
#[test]
fn a_shared_slice_is_let_go_exactly_when_its_last_byte_is_written() {
    struct Counted {
        bytes: Vec<u8>,
        _alive: std::sync::Arc<()>,
    }
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    let alive = std::sync::Arc::new(());
    let pool = BlockPool::new(2);
    let mut queues = [ByteQueue::new(), ByteQueue::new()];
    let shared = Bytes::from_owner(Counted { bytes: vec![1; 100], _alive: alive.clone() });
    queues.iter_mut().for_each(|queue| queue.push_shared(shared.clone()));
    drop(shared);
    queues[0].advance(99, &pool);
    queues[1].advance(100, &pool);
    assert_eq!(std::sync::Arc::strong_count(&alive), 2);
    queues[0].advance(1, &pool);
    assert_eq!(std::sync::Arc::strong_count(&alive), 1);
}
