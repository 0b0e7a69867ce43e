//! The table of subscriptions and the routes remembered beside it: `Bus::change`, `Bus::look_up`,
//! `Routes::{find, insert, forget}`.

use std::collections::HashSet;

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex, RwLock};
use loom::thread;

use super::explore;

/// Consumers by number.
type Route = Vec<u32>;

struct Table {
    directory: RwLock<HashSet<u32>>,
    generation: AtomicU64,
    /// One part of the routes, of one subject.
    part: Mutex<(u64, Option<Route>)>,
    filled: AtomicBool,
}

impl Table {
    fn of(consumers: &[u32]) -> Arc<Self> {
        Arc::new(Self {
            directory: RwLock::new(consumers.iter().copied().collect()),
            generation: AtomicU64::new(1),
            part: Mutex::new((0, None)),
            filled: AtomicBool::new(false),
        })
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<u32>)) {
        let mut directory = self.directory.write().unwrap();
        change(&mut directory);
        self.generation.fetch_add(1, Ordering::Release);
        drop(directory);
        self.forget();
    }

    fn forget(&self) {
        if self.filled.swap(false, Ordering::AcqRel) {
            self.part.lock().unwrap().1 = None;
        }
    }

    fn insert(&self, route: Route, generation: u64) {
        let mut part = self.part.lock().unwrap();
        if part.0 <= generation {
            let stale = part.0 != generation;
            part.0 = generation;
            if stale || part.1.is_none() {
                part.1 = Some(route);
            }
            self.filled.swap(true, Ordering::AcqRel);
        }
    }

    /// What a publisher does: finds a route, or looks it up and remembers it.
    fn route(&self) -> Route {
        let generation = self.generation.load(Ordering::Acquire);
        {
            let part = self.part.lock().unwrap();
            if let (true, Some(route)) = (part.0 == generation, &part.1) {
                return route.clone();
            }
        }
        let route: Route = self.directory.read().unwrap().iter().copied().collect();
        self.insert(route.clone(), generation);
        if self.generation.load(Ordering::Acquire) != generation {
            self.forget();
        }
        route
    }

    fn remembered(&self) -> Option<Route> {
        self.part.lock().unwrap().1.clone()
    }
}

/// B5: a route in the table is what keeps the memory of a consumer.
// checklist: B4 B5
#[test]
fn no_route_that_names_a_consumer_outlives_its_leaving() {
    explore(3, || {
        let table = Table::of(&[1]);
        let publisher = {
            let table = table.clone();
            thread::spawn(move || _ = table.route())
        };
        table.change(|directory| _ = directory.remove(&1));
        publisher.join().unwrap();
        let left = table.remembered().unwrap_or_default();
        assert!(!left.contains(&1), "kept alive");
    });
}

/// Two publishers, one of which fills the table while the other one is at it.
#[test]
fn nor_with_two_publishers() {
    explore(2, || {
        let table = Table::of(&[1]);
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let table = table.clone();
                thread::spawn(move || _ = table.route())
            })
            .collect();
        table.change(|directory| _ = directory.remove(&1));
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        let left = table.remembered().unwrap_or_default();
        assert!(!left.contains(&1), "kept alive");
    });
}

/// B4: whoever has subscribed gets what is published from then on, whatever was remembered.
#[test]
fn who_has_subscribed_is_found_by_every_later_publish() {
    explore(3, || {
        let table = Table::of(&[]);
        let subscriber = {
            let table = table.clone();
            thread::spawn(move || {
                table.change(|directory| _ = directory.insert(1));
                assert!(table.route().contains(&1), "not found by a later publish");
            })
        };
        table.route();
        subscriber.join().unwrap();
        assert_eq!(table.route(), [1]);
    });
}
