use proptest::prelude::*;

use super::*;

fn entry(n: u32) -> Entry {
    Entry { consumer: n % 3, slot: n, serial: n, group: Entry::NO_GROUP }
}

fn found(index: &SubjectIndex, subject: &[u8]) -> Vec<u32> {
    let mut all = Vec::new();
    index.matches(subject, |entry| all.push(entry.slot));
    all.sort_unstable();
    all
}

/// Filters and subjects over few tokens, so that they meet often.
fn text(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(tokens), 1..5).prop_map(|t| t.join("."))
}

proptest! {
    #[test]
    fn agrees_with_matching_one_by_one(
        filters in proptest::collection::vec(text(&["a", "b", "*", ">", "a*"]), 0..40),
        removals in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        subjects in proptest::collection::vec(text(&["a", "b", "a*", "*", ">", ""]), 1..20),
    ) {
        let mut index = SubjectIndex::default();
        let mut model: Vec<(Filter, u32)> = Vec::new();
        for (n, filter) in filters.iter().enumerate() {
            let Ok(filter) = Filter::new(filter) else { continue };
            index.insert(&filter, entry(n as u32));
            model.push((filter, n as u32));
        }
        for at in removals {
            if model.is_empty() {
                break;
            }
            let (filter, n) = model.swap_remove(at.index(model.len()));
            let gone = entry(n);
            prop_assert_eq!(index.remove(&filter, gone.consumer, gone.key()), Some(gone));
            prop_assert_eq!(index.remove(&filter, gone.consumer, gone.key()), None);
        }
        prop_assert_eq!(index.len(), model.len());
        for subject in subjects {
            let subject = subject.as_bytes();
            let mut expected: Vec<u32> =
                model.iter().filter(|(f, _)| f.matches(subject)).map(|(_, n)| *n).collect();
            expected.sort_unstable();
            prop_assert_eq!(found(&index, subject), expected);
        }
    }
}

#[test]
fn an_emptied_index_holds_no_memory() {
    let mut index = SubjectIndex::default();
    let filters: Vec<_> = (0..10_000)
        .map(|n| Filter::new(if n % 2 == 0 { format!("a.{n}") } else { format!("a.{n}.*.>") }))
        .map(Result::unwrap)
        .collect();
    for (n, filter) in filters.iter().enumerate() {
        index.insert(filter, entry(n as u32));
    }
    assert_eq!(found(&index, b"a.4242"), [4242]);
    assert_eq!(found(&index, b"a.4243.x.y.z"), [4243]);
    for (n, filter) in filters.iter().enumerate() {
        let gone = entry(n as u32);
        assert!(index.remove(filter, gone.consumer, gone.key()).is_some());
    }
    assert_eq!(index.len(), 0);
    assert!(index.wild.is_empty());
    assert!(index.literals.capacity() < 64, "{}", index.literals.capacity());
}
