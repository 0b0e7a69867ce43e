//! Numbers of a bus and of its subscriptions against what really happened.

use std::time::Duration;

use floodway::{Bus, BusConfig, Filter, LossReason, Policy, SubscribeOptions};

// checklist: I1
#[test]
fn after_a_script_the_numbers_are_the_truth() {
    let bus = Bus::new(&BusConfig::default());
    let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(10);
    let slow = bus.subscribe(&Filter::new("s").unwrap(), newest.name("slow").client("c")).unwrap();
    let gone = bus
        .subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default().max_messages(3))
        .unwrap();
    let block = SubscribeOptions::default().policy(Policy::Block { patience: None });
    let full = bus.subscribe(&Filter::new("full").unwrap(), block.max_messages(1)).unwrap();
    for n in 0..64 {
        bus.publish("s", format!("{n:02}")).unwrap();
        bus.publish("nobody", "x").unwrap();
    }
    bus.publish("full", "x").unwrap();
    bus.publish("full", "x").unwrap_err();
    let at_once = Some(std::time::Instant::now());
    bus.publish_wait("full", "x", at_once).unwrap_err();
    bus.publish("bad subject.", "x").unwrap_err();
    assert_eq!(slow.recv().unwrap().seq(), 55);

    let metrics = slow.metrics();
    assert_eq!((metrics.name.as_str(), metrics.filter.as_str()), ("slow", "s"));
    assert_eq!((metrics.policy, metrics.high_water), ("drop-oldest", 10));
    assert_eq!((metrics.account.queued(), metrics.account.delivered()), (9, 1));
    assert_eq!(metrics.account.losses().of(LossReason::DroppedOldest), 54);
    assert!(metrics.is_over_mark && metrics.oldest.is_some());
    assert_eq!(gone.metrics().ended.map(|reason| reason.name()), Some("out_of_capacity"));

    let all = bus.metrics();
    assert_eq!((all.published, all.unmatched, all.refused), (131, 64, 3));
    assert_eq!((all.subscriptions, all.clients), (2, 1), "one has ended");
    assert_eq!(all.ended, [("out_of_capacity", 1)]);
    let totals = all.totals;
    assert_eq!(totals.matched, 64 + 4 + 1);
    assert_eq!((totals.delivered, totals.queued), (1, 9 + 3 + 1));
    assert_eq!(totals.losses.total(), 54 + 1);
    assert!(all.memory_used > 0 && all.memory_budget == 256 << 20);

    let seen = format!("{bus:?}");
    assert!(seen.contains("slow (number 1, drop-oldest): 9 queued"), "{seen}");
    // What is gone stays in the sums.
    drop((slow, gone, full));
    let after = bus.metrics();
    assert_eq!((after.totals.matched, after.totals.delivered), (69, 1));
    assert_eq!(after.totals.losses.total(), 69 - 1);
    assert_eq!((after.totals.queued, after.subscriptions, after.memory_used), (0, 0, 0));
}

// checklist: I1
#[test]
fn one_publish_of_sixty_four_is_measured() {
    let bus = Bus::default();
    let _all = bus.subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default()).unwrap();
    for _ in 0..128 {
        bus.publish("s", "x").unwrap();
    }
    let latency = bus.metrics().publish_latency;
    assert_eq!(latency.count(), 2);
    let longest = latency.quantile(1.0).unwrap();
    assert!(longest > Duration::ZERO && longest < Duration::from_secs(10), "{longest:?}");
}
