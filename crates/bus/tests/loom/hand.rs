//! Readers that share a subscription, one of whom takes messages into its hand: `Inbox::look_next`,
//! `Inbox::poll_take`, `Inbox::whole`, `Hand::put_back`.

use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use super::explore;

#[derive(Default)]
struct Queue {
    queued: u32,
    lent: u32,
    waiting: Vec<Arc<Notify>>,
}

struct Inbox {
    hand: Mutex<u32>,
    queue: Mutex<Queue>,
}

impl Inbox {
    fn new() -> Arc<Self> {
        Arc::new(Self { hand: Mutex::new(0), queue: Mutex::new(Queue::default()) })
    }

    fn publish(&self) {
        let mut queue = self.queue.lock().unwrap();
        queue.queued += 1;
        let woken = std::mem::take(&mut queue.waiting);
        drop(queue);
        woken.into_iter().for_each(|waker| waker.notify());
    }

    fn look(&self) -> bool {
        let mut hand = self.hand.lock().unwrap();
        if *hand > 0 {
            *hand -= 1;
            return true;
        }
        let mut queue = self.queue.lock().unwrap();
        queue.lent = 0;
        let found = queue.queued > 0;
        if found {
            *hand = queue.queued - 1;
            queue.lent = *hand;
            queue.queued = 0;
        }
        found
    }

    fn receive(&self) {
        // One for all of its waits: loom wakes each once for no reason.
        let waker = Arc::new(Notify::new());
        while !self.look() {
            let mut queue = self.queue.lock().unwrap();
            if queue.lent == 0 && queue.queued == 0 {
                queue.waiting.push(waker.clone());
                drop(queue);
                waker.wait();
            }
        }
    }

    /// What is queued, as somebody sees it who looks at all of it.
    fn queued(&self) -> u32 {
        let mut hand = self.hand.lock().unwrap();
        let mut queue = self.queue.lock().unwrap();
        queue.queued += std::mem::take(&mut *hand);
        queue.lent = 0;
        queue.queued
    }
}

/// A lost wake-up is a deadlock here, which loom reports.
// checklist: A12
#[test]
fn what_one_took_into_the_hand_is_found_by_the_other() {
    explore(2, || {
        let inbox = Inbox::new();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let inbox = inbox.clone();
                thread::spawn(move || inbox.receive())
            })
            .collect();
        inbox.publish();
        inbox.publish();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(inbox.queued(), 0);
    });
}

#[test]
fn who_looks_at_all_of_it_takes_nothing_from_its_reader() {
    explore(2, || {
        let inbox = Inbox::new();
        let reader = {
            let inbox = inbox.clone();
            thread::spawn(move || (0..2).for_each(|_| inbox.receive()))
        };
        let publisher = {
            let inbox = inbox.clone();
            thread::spawn(move || (0..2).for_each(|_| inbox.publish()))
        };
        assert!(inbox.queued() <= 2);
        publisher.join().unwrap();
        reader.join().unwrap();
        assert_eq!(inbox.queued(), 0);
    });
}
