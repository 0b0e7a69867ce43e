//! The line of publishers that wait for room: `Turns`, `Turn::poll`, and the queue they look at.

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use super::explore;

const NOBODY: u64 = u64::MAX;

struct Queue {
    /// Room in the queue, under its lock.
    room: Mutex<u32>,
    waiting: AtomicU32,
    first: AtomicU64,
    /// Tickets with the wakers.
    line: Mutex<VecDeque<(u64, Arc<Notify>)>>,
}

impl Queue {
    fn with_room(room: u32) -> Arc<Self> {
        Arc::new(Self {
            room: Mutex::new(room),
            waiting: AtomicU32::new(0),
            first: AtomicU64::new(NOBODY),
            line: Mutex::new(VecDeque::new()),
        })
    }

    fn note(&self, line: &VecDeque<(u64, Arc<Notify>)>) {
        self.first.store(line.front().map_or(NOBODY, |(ticket, _)| *ticket), Ordering::Relaxed);
        self.waiting.store(line.len() as u32, Ordering::Relaxed);
    }

    /// Makes room, and wakes the first in line if there is one.
    fn make_room(&self) {
        *self.room.lock().unwrap() += 1;
        self.wake_first();
    }

    fn wake_first(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            let first = self.line.lock().unwrap().front().map(|(_, waker)| waker.clone());
            first.into_iter().for_each(|waker| waker.notify());
        }
    }

    fn reserve(&self, ticket: u64) -> bool {
        let mut room = self.room.lock().unwrap();
        let granted = self.first.load(Ordering::Relaxed) == ticket && *room > 0;
        *room -= u32::from(granted);
        granted
    }

    fn step_in(&self, ticket: u64) -> Arc<Notify> {
        let waker = Arc::new(Notify::new());
        let mut line = self.line.lock().unwrap();
        line.push_back((ticket, waker.clone()));
        self.note(&line);
        waker
    }

    fn step_out(&self, ticket: u64) {
        let mut line = self.line.lock().unwrap();
        let at = line.iter().position(|(other, _)| *other == ticket).unwrap();
        line.remove(at);
        self.note(&line);
        let next = line.front().filter(|_| at == 0).map(|(_, waker)| waker.clone());
        drop(line);
        next.into_iter().for_each(|waker| waker.notify());
    }

    /// Waits for its turn, and for room.
    fn wait(&self, ticket: u64) {
        let waker = self.step_in(ticket);
        while !self.reserve(ticket) {
            waker.wait();
        }
        self.step_out(ticket);
    }

    /// Looks once, and gives up.
    fn give_up(&self, ticket: u64) -> bool {
        self.step_in(ticket);
        let granted = self.reserve(ticket);
        self.step_out(ticket);
        granted
    }
}

/// A lost wake-up is a deadlock here, which loom reports.
// checklist: A12
#[test]
fn room_is_not_missed() {
    explore(3, || {
        let queue = Queue::with_room(0);
        let reader = {
            let queue = queue.clone();
            thread::spawn(move || queue.make_room())
        };
        queue.wait(1);
        reader.join().unwrap();
    });
}

#[test]
fn two_who_wait_get_two_rooms_whichever_comes_first() {
    explore(2, || {
        let queue = Queue::with_room(0);
        let waiting = {
            let queue = queue.clone();
            thread::spawn(move || queue.wait(1))
        };
        let reader = {
            let queue = queue.clone();
            thread::spawn(move || {
                queue.make_room();
                queue.make_room();
            })
        };
        queue.wait(2);
        waiting.join().unwrap();
        reader.join().unwrap();
        assert_eq!(*queue.room.lock().unwrap(), 0);
    });
}

#[test]
fn who_gives_up_lets_the_next_one_go_on() {
    explore(2, || {
        let queue = Queue::with_room(0);
        let quitter = {
            let queue = queue.clone();
            thread::spawn(move || {
                if queue.give_up(1) {
                    // It was cancelled with room in its hands.
                    queue.make_room();
                }
            })
        };
        let reader = {
            let queue = queue.clone();
            thread::spawn(move || queue.make_room())
        };
        queue.wait(2);
        quitter.join().unwrap();
        reader.join().unwrap();
    });
}
