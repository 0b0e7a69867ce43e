//! What a consumer is told is enough to account for every message: the number of its subscription,
//! gap-free sequence numbers, and what was missed where.

use std::collections::BTreeMap;

use floodway::{Bus, Delivery, Filter, Limits, Missed, Overflow, Policy, RecvError};
use floodway::{SubscribeOptions, SubscriptionId};
use proptest::prelude::*;

/// What somebody knows of a subscription who sees nothing but what is delivered.
#[derive(Debug, Default)]
struct Known {
    last: u64,
    delivered: u64,
    missed: u64,
}

impl Known {
    fn miss(&mut self, missed: &Missed) {
        assert_eq!(missed.first(), self.last + 1, "what is missed begins where the rest ended");
        assert_eq!(missed.last() - missed.first() + 1, missed.total(), "and has no holes");
        self.last = missed.last();
        self.missed += missed.total();
    }

    fn take(&mut self, delivery: &Delivery) {
        delivery.missed().into_iter().for_each(|missed| self.miss(missed));
        assert_eq!(delivery.seq(), self.last + 1, "without gaps");
        self.last = delivery.seq();
        self.delivered += 1;
    }
}

/// Messages published, who reads then, and how many.
fn step() -> impl Strategy<Value = (usize, prop::sample::Index, usize)> {
    (1..10_usize, any::<prop::sample::Index>(), 0..12_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    // checklist: B13
    // checklist: A8
    #[test]
    fn numbers_and_losses_alone_account_for_every_message(
        policies in prop::collection::vec((any::<bool>(), 1..6_u64), 1..5),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let bus = Bus::default();
        let subscriptions: Vec<_> = policies
            .iter()
            .map(|&(newest, most)| {
                let policy = if newest { Policy::DropNewest } else { Policy::DropOldest };
                let options = SubscribeOptions::default().policy(policy).max_messages(most);
                bus.subscribe(&Filter::new("s").unwrap(), options).unwrap()
            })
            .collect();
        let mut known: BTreeMap<SubscriptionId, Known> = BTreeMap::new();
        let mut published = 0;
        for (burst, at, takes) in steps {
            for _ in 0..burst {
                bus.publish("s", "x").unwrap();
                published += 1;
            }
            let subscription = &subscriptions[at.index(subscriptions.len())];
            for _ in 0..takes {
                match subscription.try_recv() {
                    // By the number alone: several may be read by one.
                    Ok(delivery) => {
                        known.entry(delivery.subscription()).or_default().take(&delivery);
                    }
                    Err(RecvError::Missed(missed)) => {
                        known.entry(subscription.id()).or_default().miss(&missed);
                    }
                    Err(_) => break,
                }
            }
        }
        for subscription in &subscriptions {
            let known = known.entry(subscription.id()).or_default();
            // With room for all, so that reading to the end is possible at any pace.
            subscription.set_overflow(Overflow::new(Policy::DropNewest, Limits::NONE));
            loop {
                match subscription.try_recv() {
                    Ok(delivery) => known.take(&delivery),
                    Err(RecvError::Missed(missed)) => known.miss(&missed),
                    Err(_) => break,
                }
            }
            prop_assert_eq!(known.delivered + known.missed, published);
            let account = subscription.account();
            prop_assert_eq!(account.delivered(), known.delivered);
            prop_assert_eq!(account.losses().total(), known.missed);
        }
    }
}
