//! A message that is dropped, replaced, expired or given up is freed, once, at that moment.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use floodway::{Fallback, Limits, SHARE_FROM_BYTES, SharedMessage, Subscription};
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle::Rule;
use crate::paused::{Paused, Sent};

/// Two subscriptions: one that reads at once and so sees each message, and one that is looked at.
struct Watched {
    clock: Paused,
    watcher: Subscription,
    subscription: Subscription,
    /// By their number in the subscription.
    seen: HashMap<u64, Weak<SharedMessage>>,
}

impl Watched {
    fn new(rule: Rule, limits: Limits) -> Self {
        let clock = Paused::new(64 << 20);
        let watcher = clock.subscribe(">", Rule::Disconnect.policy(), Limits::NONE);
        let subscription = clock.subscribe(">", rule.policy(), limits);
        Self { clock, watcher, subscription, seen: HashMap::new() }
    }

    fn publish(&mut self, messages: &[Sent]) {
        self.clock.publish(messages);
        for one in self.watcher.take_backlog_at(self.clock.now()) {
            self.seen.insert(one.seq(), Arc::downgrade(one.message()));
        }
    }

    /// Messages that are still in memory, and how many hold each.
    fn alive(&self) -> Vec<(u64, usize)> {
        let each = self.seen.iter().map(|(seq, message)| (*seq, message.strong_count()));
        let mut alive: Vec<_> = each.filter(|(_, holders)| *holders > 0).collect();
        alive.sort_unstable();
        alive
    }
}

fn message(key: char, size: usize) -> Sent {
    Sent::new(&format!("s.{key}"), Some(key), Some(key), size)
}

const RULES: [Rule; 6] = [
    Rule::DropNewest,
    Rule::DropOldest,
    Rule::BySubject(Fallback::DropOldest),
    Rule::ByTag(Fallback::DropNewest),
    Rule::ByName(Fallback::DropOldest),
    Rule::Disconnect,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    // checklist: A13
    #[test]
    fn in_memory_is_what_is_queued_and_nothing_else(
        rule in select(&RULES[..]),
        most in 1..6_u64,
        ttl in proptest::option::of((1..10_u64).prop_map(Duration::from_millis)),
        size in select(&[1, SHARE_FROM_BYTES][..]),
        steps in proptest::collection::vec((0..6_u8, proptest::char::range('a', 'f')), 1..60),
    ) {
        let limits = Limits { messages: Some(most), ttl, ..Limits::NONE };
        let mut watched = Watched::new(rule, limits);
        for (step, key) in steps {
            let now = watched.clock.now();
            match step {
                0..=2 => watched.publish(&[message(key, size), message('a', size)]),
                3 => drop(watched.subscription.try_recv_at(now)),
                4 => watched.clock.ms += 3,
                _ if key == 'a' => watched.clock.bus.make_room(64 << 20),
                _ => watched.clock.sweep(),
            }
            let alive = watched.alive();
            prop_assert_eq!(alive.len() as u64, watched.subscription.account().queued());
            prop_assert!(alive.iter().all(|(_, holders)| *holders == 1), "{:?}", alive);
        }
        let left = watched.alive();
        let taken = watched.subscription.take_backlog_at(watched.clock.now());
        prop_assert!(taken.iter().all(|one| left.iter().any(|(seq, _)| *seq == one.seq())));
        prop_assert!(watched.alive().len() == taken.len(), "the queue keeps nothing it gave away");
        drop(taken);
        prop_assert_eq!((watched.alive().len(), watched.clock.bus.budget().used()), (0, 0));
    }
}

// checklist: A13
#[test]
fn dropping_the_handle_frees_what_is_queued_and_what_has_expired() {
    for rule in RULES {
        let ttl = Some(Duration::from_millis(5));
        let mut watched = Watched::new(rule, Limits { ttl, ..Limits::NONE });
        for key in 'a'..='z' {
            watched.publish(&vec![message(key, 10); 10]);
        }
        watched.clock.ms += 6;
        watched.publish(&[message('a', 10)]);
        assert_eq!(watched.subscription.account().queued(), 1);
        drop(watched.subscription);
        let left = watched.seen.values().filter(|message| message.strong_count() > 0).count();
        assert_eq!((left, watched.clock.bus.budget().used()), (0, 0));
    }
}
