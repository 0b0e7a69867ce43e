use super::*;

const SUBJECT: &[u8] = b"quotes.ACME";

/// What one `read` of a socket may have brought: subject and payload of each message, in a buffer.
fn read(buffer: &mut ReadBuffer, payloads: &[&[u8]]) -> Vec<Range<usize>> {
    let memory = buffer.writable();
    memory[..SUBJECT.len()].copy_from_slice(SUBJECT);
    let mut at = SUBJECT.len();
    let mut place = |payload: &&[u8]| {
        memory[at..at + payload.len()].copy_from_slice(payload);
        at += payload.len();
        at - payload.len()..at
    };
    payloads.iter().map(&mut place).collect()
}

fn messages<'m>(buffer: &'m ReadBuffer, payloads: &[Range<usize>]) -> Vec<Message<'m>> {
    let bytes = buffer.filled();
    let one = |at: &Range<usize>| Message::new(&bytes[..SUBJECT.len()], &bytes[at.clone()]);
    payloads.iter().map(one).collect()
}

fn keeper(buffer: &ReadBuffer, messages: &[Message<'_>], fan_out: usize) -> Keeper {
    let counted = Keeper::of(messages, fan_out);
    Keeper { memory: Keeper::lying_in(buffer).memory, ..counted }
}

fn payloads(part: &KeptPart) -> Vec<Vec<u8>> {
    let one = |at| part.batch.message(at as usize).payload.to_vec();
    (part.from..part.to).map(one).collect()
}

#[test]
fn a_batch_that_fills_a_good_part_of_the_buffer_is_kept_where_it_was_read() {
    let budget = Budget::new(1 << 20);
    let mut buffer = ReadBuffer::new(1000);
    for (size, held) in [(10, false), (24, false), (25, true), (90, true)] {
        let payload = vec![b'x'; size];
        let ranges = read(&mut buffer, &[&payload[..]; 10]);
        let before = buffer.filled().as_ptr();
        let part = {
            let messages = messages(&buffer, &ranges);
            let keeper = keeper(&buffer, &messages, 1);
            // Subjects count: 10 of 11 bytes each lie in the same place here.
            assert_eq!(keeper.size, 10 * (SUBJECT.len() + size));
            let keeper = Keeper { size: 10 * size, ..keeper };
            keeper.keep(&messages, 0..10, &budget).unwrap()
        };
        assert_eq!(matches!(part.batch.bytes, Bytes::Held(_)), held, "{size}");
        assert!(budget.used() >= if held { 1000 } else { 10 * size as u64 });
        // What is read next does not disturb it.
        read(&mut buffer, &[&[b'y'; 900]]);
        assert_eq!(buffer.filled().as_ptr() == before, !held);
        assert_eq!(payloads(&part), vec![payload; 10]);
        assert_eq!(part.first().subject, SUBJECT);
        drop(part);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn memory_that_nobody_holds_any_more_is_read_into_again() {
    let budget = Budget::new(1 << 20);
    let mut buffer = ReadBuffer::new(1000);
    let mut seen = std::collections::HashSet::new();
    let mut held = std::collections::VecDeque::new();
    for _ in 0..100 {
        let ranges = read(&mut buffer, &[&[b'x'; 100][..]; 8]);
        seen.insert(buffer.filled().as_ptr());
        let messages = messages(&buffer, &ranges);
        held.push_back(keeper(&buffer, &messages, 1).keep(&messages, 0..8, &budget).unwrap());
        if held.len() > 3 {
            held.pop_front();
        }
    }
    assert!(seen.len() <= 6, "{} buffers for 4 batches at a time", seen.len());
}

#[test]
fn few_or_large_messages_and_small_shares_are_left_to_be_copied() {
    let budget = Budget::new(1 << 20);
    let kept = |messages: &[Message<'_>], fan_out, range: Range<usize>| {
        Keeper::of(messages, fan_out).keep(messages, range, &budget).is_some()
    };
    let small: Vec<_> = (0..100).map(|_| Message::new(SUBJECT, b"17.00")).collect();
    assert!(kept(&small[..8], 1, 0..8) && !kept(&small[..7], 1, 0..7));
    assert!(kept(&small[..1], 8, 0..1), "the same for eight consumers");
    assert!(kept(&small, 1, 10..35) && !kept(&small, 1, 10..34), "a quarter");
    let large = vec![b'x'; SHARE_FROM_BYTES];
    let mut mixed = small[..8].to_vec();
    mixed.push(Message::new(SUBJECT, &large));
    assert!(!kept(&mixed, 8, 0..9), "a large one is shared by itself");
}

#[test]
fn parts_have_the_sizes_and_the_contents_of_their_messages() {
    let budget = Budget::new(1 << 20);
    let texts: Vec<_> = (0..20).map(|n| "p".repeat(n)).collect();
    let subjects: Vec<_> = (0..20).map(|n| format!("s.{}", n / 3)).collect();
    let message = |n: usize| {
        let plain = Message::new(subjects[n].as_bytes(), texts[n].as_bytes());
        match n % 3 {
            0 => plain.with_reply(Some(b"r")).with_headers(b"NATS/1.0\r\n\r\n"),
            1 => plain.with_reply(Some(b"")),
            _ => plain,
        }
    };
    let all: Vec<_> = (0..20).map(message).collect();
    let keeper = Keeper::of(&all, 1);
    let mut rest = keeper.keep(&all, 4..20, &budget).unwrap();
    for take in [1, 5, 2] {
        let from = rest.from as usize;
        let first = rest.split(take);
        for part in [&first, &rest] {
            let range = part.from as usize..part.to as usize;
            let size = all[range.clone()].iter().map(|one| one.size() as u64).sum::<u64>();
            assert_eq!((part.size(), part.count()), (size, range.len()));
            let (one, other) = (part.first(), &all[range.start]);
            assert_eq!((one.subject, one.reply), (other.subject, other.reply));
            assert_eq!((one.headers, one.payload), (other.headers, other.payload));
        }
        assert_eq!((first.from as usize, rest.from as usize), (from, from + take));
    }
    assert!(Arc::ptr_eq(&rest.batch, &keeper.keep(&all, 0..20, &budget).unwrap().batch));
}
