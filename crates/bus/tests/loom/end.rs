//! The end of a subscription: `Inbox::end`, `Bus::end_subscription`, `Bus::reap`, and a publisher
//! that has room promised meanwhile: `Gate::{reserve, give_back, deliver_reserved}`.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::explore;

#[derive(Default)]
struct State {
    ended: Option<&'static str>,
    to_reap: bool,
    promised: u32,
    queued: u32,
    matched: u32,
}

#[derive(Default)]
struct Inbox {
    state: Mutex<State>,
    /// Whether the table knows it, and how often it was taken out.
    seated: Mutex<(bool, u32)>,
}

const LIMIT: u32 = 1;

impl Inbox {
    fn new() -> Arc<Self> {
        let inbox = Self::default();
        inbox.seated.lock().unwrap().0 = true;
        Arc::new(inbox)
    }

    fn end(&self, reason: &'static str) -> bool {
        let mut state = self.state.lock().unwrap();
        let first = state.ended.is_none();
        if first {
            state.ended = Some(reason);
            state.to_reap = true;
        }
        first
    }

    fn remove(&self) {
        let mut seated = self.seated.lock().unwrap();
        if std::mem::take(&mut seated.0) {
            seated.1 += 1;
        }
    }

    fn end_subscription(&self, reason: &'static str) -> bool {
        let first = self.end(reason);
        self.remove();
        first
    }

    fn reap(&self) {
        if std::mem::take(&mut self.state.lock().unwrap().to_reap) {
            self.remove();
        }
    }

    /// A message beyond the limit ends it.
    fn deliver(&self) {
        let mut state = self.state.lock().unwrap();
        if state.ended.is_some() {
            return;
        }
        state.matched += 1;
        if state.queued + state.promised < LIMIT {
            state.queued += 1;
        } else {
            state.ended = Some("full");
            state.to_reap = true;
        }
        drop(state);
        self.reap();
    }

    fn reserve(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let room = state.ended.is_none() && state.queued + state.promised < LIMIT;
        state.promised += u32::from(room);
        room
    }

    fn deliver_reserved(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.promised -= 1;
        if state.ended.is_some() {
            return false;
        }
        assert!(state.queued < LIMIT, "what was promised does not fit");
        state.matched += 1;
        state.queued += 1;
        true
    }

    fn give_back(&self) {
        self.state.lock().unwrap().promised -= 1;
    }
}

// checklist: B1 B4
#[test]
fn the_first_reason_wins_and_one_is_told_that_it_ended_it() {
    explore(3, || {
        let inbox = Inbox::new();
        let others = ["kicked", "client"].map(|reason| {
            let inbox = inbox.clone();
            thread::spawn(move || {
                (inbox.end_subscription(reason), inbox.state.lock().unwrap().ended)
            })
        });
        inbox.deliver();
        inbox.deliver();
        let seen = inbox.state.lock().unwrap().ended;
        let others = others.map(|other| other.join().unwrap());
        let told = others.iter().filter(|(first, _)| *first).count();
        assert!(others.iter().all(|(_, ended)| *ended == seen), "it has changed");
        assert_eq!(told, usize::from(seen != Some("full")));
        assert_eq!(*inbox.seated.lock().unwrap(), (false, 1), "out of the table, once");
    });
}

#[test]
fn room_that_was_promised_fits_or_is_given_back_whenever_it_ends() {
    explore(3, || {
        let inbox = Inbox::new();
        let publishers = [true, false].map(|delivers| {
            let inbox = inbox.clone();
            thread::spawn(move || {
                if !inbox.reserve() {
                    return 0;
                }
                if delivers {
                    return u32::from(inbox.deliver_reserved());
                }
                inbox.give_back();
                0
            })
        });
        inbox.end_subscription("unsubscribed");
        let delivered: u32 = publishers.map(|one| one.join().unwrap()).into_iter().sum();
        let state = inbox.state.lock().unwrap();
        assert_eq!((state.promised, state.queued, state.matched), (0, delivered, delivered));
    });
}
