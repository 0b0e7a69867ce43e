//! The line against a naive one: vectors that are searched, and gaps that are sought.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq)]
struct Bulk {
    sizes: Vec<u64>,
}

/// Some items in a row; what is larger than one can be taken apart.
impl Item for Bulk {
    fn count(&self) -> usize {
        self.sizes.len()
    }

    fn split(&mut self, count: usize) -> Option<Self> {
        let rest = self.sizes.split_off(count);
        Some(Self { sizes: std::mem::replace(&mut self.sizes, rest) })
    }

    fn size(&self) -> u64 {
        self.sizes.iter().sum()
    }
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Seqs(Vec<u64>);

impl Gap for Seqs {
    fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
        self.0.sort_unstable();
    }
}

#[derive(Debug, Clone)]
struct Single {
    size: u64,
    stamp: Stamp,
    key: Option<u8>,
    /// What was missed before it.
    missed: Vec<u64>,
}

/// What a line is, said plainly.
#[derive(Debug, Default)]
struct Naive {
    items: Vec<Single>,
    missed_behind: Vec<u64>,
}

impl Naive {
    fn miss(&mut self, at: usize, mut seqs: Vec<u64>) {
        let gap = match self.items.get_mut(at) {
            Some(item) => &mut item.missed,
            None => &mut self.missed_behind,
        };
        gap.append(&mut seqs);
        gap.sort_unstable();
    }

    /// The first leaves without the consumer; what was missed before it is missed with it.
    fn lose_first(&mut self) {
        let Single { mut missed, stamp, .. } = self.items.remove(0);
        missed.push(stamp.seq);
        self.miss(0, missed);
    }

    fn gap_at_front(&mut self) -> Vec<u64> {
        match self.items.first_mut() {
            Some(first) => std::mem::take(&mut first.missed),
            None => std::mem::take(&mut self.missed_behind),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push(Vec<u64>),
    Put(u8, u64),
    Refuse,
    Take(usize),
    TakeGap,
    TakeAllGaps,
    DropFront(u64),
    Expire(u32),
    Free(usize),
    Lend(usize, Vec<Vec<u64>>),
    Pass(u32),
}

fn ops(keyed: bool) -> impl Strategy<Value = Vec<Op>> {
    let push = move |sizes: Vec<u64>| match sizes[..] {
        [size, ..] if keyed => Op::Push(vec![size]),
        _ => Op::Push(sizes),
    };
    let most = if keyed { 2 } else { 4 };
    let pushed = prop::collection::vec(prop::collection::vec(0..50_u64, 1..most), 0..8);
    let lend = (0..6_usize, pushed).prop_map(|(taken, pushed)| Op::Lend(taken, pushed));
    let one = prop_oneof![
        3 => prop::collection::vec(0..50_u64, 1..5).prop_map(push),
        if keyed { 5 } else { 0 } => (0..6_u8, 0..50_u64).prop_map(|(key, n)| Op::Put(key, n)),
        2 => Just(Op::Refuse),
        4 => (1..4_usize).prop_map(Op::Take),
        2 => prop_oneof![Just(Op::TakeGap), Just(Op::TakeAllGaps)],
        4 => lend,
        2 => (0..4_u64).prop_map(Op::DropFront),
        2 => (0..12_u32).prop_map(Op::Expire),
        1 => (0..3_usize).prop_map(Op::Free),
        4 => (0..6_u32).prop_map(Op::Pass),
    ];
    prop::collection::vec(one, 0..120)
}

struct Bench {
    line: Line<Bulk, Option<u8>, Seqs>,
    naive: Naive,
    seq: u64,
    now_ms: u32,
    /// Expired and not freed, at least in the number of their items.
    expired: u64,
}

impl Bench {
    fn stamp(&self) -> Stamp {
        Stamp { seq: self.seq, at_ms: self.now_ms, replaced: 0 }
    }

    fn append(&mut self, sizes: &[u64], key: Option<u8>) {
        let bulk = Bulk { sizes: sizes.to_vec() };
        match key {
            Some(key) => self.line.push_keyed(u64::from(key) % 3, Some(key), bulk, self.stamp()),
            None => self.line.push(bulk, self.stamp()),
        }
        for size in sizes {
            let missed = std::mem::take(&mut self.naive.missed_behind);
            let stamp = self.stamp();
            self.naive.items.push(Single { size: *size, stamp, key, missed });
            self.seq += 1;
        }
    }

    /// Few hashes, so that keys must be told apart.
    fn put(&mut self, key: u8, size: u64) {
        let found = self.line.find(u64::from(key) % 3, |own, _| *own == Some(key));
        assert_eq!(found, self.naive.items.iter().position(|item| item.key == Some(key)));
        let Some(at) = found else { return self.append(&[size], Some(key)) };
        let stamp = Stamp { replaced: 1, ..self.stamp() };
        assert_eq!(self.line.key(at), Some(&Some(key)));
        self.line.replace(at, stamp, |bulk| bulk.sizes = vec![size]);
        let item = &mut self.naive.items[at];
        let replaced = item.stamp.replaced + 1;
        (item.size, item.stamp) = (size, Stamp { replaced, ..stamp });
        assert_eq!(self.line.stamp(at), Some(item.stamp));
        self.seq += 1;
    }

    fn take(&mut self, most: usize) {
        let gap = self.line.take_gap();
        assert_eq!(gap.map_or(Vec::new(), |gap| gap.0), self.naive.gap_at_front());
        let Some((bulk, stamp)) = self.line.take_first(most) else {
            return assert!(self.naive.items.is_empty());
        };
        assert!(bulk.count() <= most);
        assert_eq!(stamp, self.naive.items[0].stamp);
        let taken: Vec<_> = self.naive.items.drain(..bulk.count()).collect();
        assert!(taken.iter().map(|item| item.size).eq(bulk.sizes));
        assert!(taken[1..].iter().all(|item| item.missed.is_empty()), "they would hide a gap");
    }

    fn drop_front(&mut self, count: u64) {
        self.line.drop_front(count, |gap, span, bulk| {
            assert_eq!((span.count, span.bytes), (bulk.count() as u64, bulk.size()));
            gap.merge(&Seqs((span.first..=span.last).collect()));
        });
        for _ in 0..count.min(self.naive.items.len() as u64) {
            self.naive.lose_first();
        }
    }

    /// Some of what was lent are taken, and others come, before the rest is taken back.
    fn lend(&mut self, taken: usize, pushed: &[Vec<u64>]) {
        let depth = self.line.depth();
        let mut lent = Lent::default();
        assert_eq!(self.line.lend(&mut lent), depth);
        assert_eq!((self.line.depth(), lent.bytes()), (Depth::default(), depth.bytes));
        for sizes in pushed {
            self.append(sizes, None);
            self.line.assert_consistent();
        }
        let entries = lent.len();
        for left in (0..entries).rev().take(taken) {
            let (bulk, stamp) = lent.take_first().expect("there are some");
            assert_eq!(stamp, self.naive.items[0].stamp);
            let gone = self.naive.items.drain(..bulk.count());
            assert!(gone.map(|item| item.size).eq(bulk.sizes));
            assert_eq!((lent.len(), lent.is_empty()), (left, left == 0));
        }
        self.line.take_back(&mut lent);
        assert_eq!((lent.len(), lent.bytes()), (0, 0));
    }

    fn expire(&mut self, ttl_ms: u32) {
        let (naive, now_ms, mut lost) = (&mut self.naive, self.now_ms, Vec::new());
        while naive.items.first().is_some_and(|item| now_ms - item.stamp.at_ms > ttl_ms) {
            lost.push(naive.items[0].stamp.seq);
            naive.lose_first();
        }
        let (mut told, mut bytes) = (0, 0);
        let mut rest = lost.iter().copied();
        self.line.expire(ttl_ms, now_ms, |gap, span| {
            told += span.count;
            bytes += span.bytes;
            let seqs: Vec<_> = rest.by_ref().take(span.count as usize).collect();
            assert_eq!(seqs.iter().min().zip(seqs.last()), Some((&span.first, &span.last)));
            gap.merge(&Seqs(seqs));
        });
        assert_eq!(told, lost.len() as u64);
        self.expired += told;
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Push(sizes) => self.append(&sizes, None),
            Op::Put(key, size) => self.put(key, size),
            Op::Refuse => {
                self.line.gap_at_back().merge(&Seqs(vec![self.seq]));
                self.naive.miss(usize::MAX, vec![self.seq]);
                self.seq += 1;
            }
            Op::Take(most) => self.take(most),
            Op::TakeGap => {
                let gap = self.line.take_gap().map_or(Vec::new(), |gap| gap.0);
                assert_eq!(gap, self.naive.gap_at_front());
            }
            Op::TakeAllGaps => {
                let all = self.line.take_all_gaps().map_or(Vec::new(), |gap| gap.0);
                let naive = &mut self.naive;
                let gaps = naive.items.iter_mut().map(|item| &mut item.missed);
                let mut expected: Vec<u64> =
                    gaps.chain([&mut naive.missed_behind]).flat_map(std::mem::take).collect();
                expected.sort_unstable();
                assert_eq!(all, expected);
            }
            Op::DropFront(count) => self.drop_front(count),
            Op::Expire(ttl_ms) => self.expire(ttl_ms),
            Op::Free(count) => {
                let before = self.line.unfreed().messages;
                self.line.free_expired(count);
                let one = self.line.take_expired().map_or(0, |bulk| bulk.count() as u64);
                let after = self.line.unfreed().messages;
                assert!(after + one <= before);
                self.expired -= before - after;
            }
            Op::Lend(taken, pushed) if self.line.may_lend() => self.lend(taken, &pushed),
            Op::Lend(..) => {}
            Op::Pass(ms) => self.now_ms += ms,
        }
    }

    fn check(&self) {
        self.line.assert_consistent();
        let Naive { items, missed_behind } = &self.naive;
        let bytes = items.iter().map(|item| item.size).sum();
        assert_eq!(self.line.depth(), Depth { messages: items.len() as u64, bytes });
        assert_eq!(self.line.is_empty(), items.is_empty());
        assert_eq!(self.line.unfreed().messages, self.expired);
        let replacers = items.iter().filter(|item| item.stamp.replaced > 0).count();
        assert_eq!(self.line.replacers(), replacers as u64);
        let missed = items.iter().map(|item| &item.missed).chain([missed_behind]);
        assert_eq!(self.line.has_gap(), missed.flatten().next().is_some());
        let age = items.first().map(|item| self.now_ms - item.stamp.at_ms);
        assert_eq!(self.line.oldest(self.now_ms), age.map(|ms| Duration::from_millis(ms.into())));
    }
}

fn run(ops: Vec<Op>) {
    let (line, naive) = (Line::default(), Naive::default());
    let mut bench = Bench { line, naive, seq: 1, now_ms: 0, expired: 0 };
    for op in ops {
        bench.step(op);
        bench.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_naive_line_of_bulks(ops in ops(false)) {
        run(ops);
    }

    #[test]
    fn agrees_with_a_naive_line_of_keys(ops in ops(true)) {
        run(ops);
    }
}
