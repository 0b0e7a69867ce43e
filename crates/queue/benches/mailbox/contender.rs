//! The queues, in one shape.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use floodway_queue::{Limits, Receiver, Sender, mailbox};

/// A queue of `T` with senders to clone and one receiver.
pub(crate) trait Contender<T> {
    type Sender: Clone + Send;
    type Receiver: Send;

    fn pair() -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, item: T);
    /// Blocks.
    fn recv(receiver: &mut Self::Receiver) -> T;

    fn send_many(sender: &Self::Sender, items: &mut Vec<T>) {
        items.drain(..).for_each(|item| Self::send(sender, item));
    }

    fn drain(receiver: &mut Self::Receiver, mut each: impl FnMut(T)) {
        each(Self::recv(receiver));
    }
}

pub(crate) struct Ours;

impl<T: Send> Contender<T> for Ours {
    type Sender = Sender<T>;
    type Receiver = Receiver<T>;

    fn pair() -> (Sender<T>, Receiver<T>) {
        mailbox(Limits::messages(10_000_000).expect("not 0"))
    }
    fn send(sender: &Sender<T>, item: T) {
        sender.try_send(item).expect("room");
    }
    fn recv(receiver: &mut Receiver<T>) -> T {
        receiver.recv_blocking(None).expect("open")
    }
    fn send_many(sender: &Sender<T>, items: &mut Vec<T>) {
        sender.try_send_many(items).expect("room");
    }
    fn drain(receiver: &mut Receiver<T>, each: impl FnMut(T)) {
        receiver.wait(None).expect("open");
        receiver.drain(usize::MAX, each);
    }
}

pub(crate) struct Crossbeam;

impl<T: Send> Contender<T> for Crossbeam {
    type Sender = crossbeam_channel::Sender<T>;
    type Receiver = crossbeam_channel::Receiver<T>;

    fn pair() -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::unbounded()
    }
    fn send(sender: &Self::Sender, item: T) {
        sender.send(item).expect("open");
    }
    fn recv(receiver: &mut Self::Receiver) -> T {
        receiver.recv().expect("open")
    }
}

pub(crate) struct Kanal;

impl<T: Send> Contender<T> for Kanal {
    type Sender = kanal::Sender<T>;
    type Receiver = kanal::Receiver<T>;

    fn pair() -> (Self::Sender, Self::Receiver) {
        kanal::unbounded()
    }
    fn send(sender: &Self::Sender, item: T) {
        sender.send(item).expect("open");
    }
    fn recv(receiver: &mut Self::Receiver) -> T {
        receiver.recv().expect("open")
    }
}

pub(crate) struct Tokio;

impl<T: Send> Contender<T> for Tokio {
    type Sender = tokio::sync::mpsc::UnboundedSender<T>;
    type Receiver = tokio::sync::mpsc::UnboundedReceiver<T>;

    fn pair() -> (Self::Sender, Self::Receiver) {
        tokio::sync::mpsc::unbounded_channel()
    }
    fn send(sender: &Self::Sender, item: T) {
        assert!(sender.send(item).is_ok(), "open");
    }
    fn recv(receiver: &mut Self::Receiver) -> T {
        receiver.blocking_recv().expect("open")
    }
}

/// What one writes by hand.
pub(crate) struct Locked;

pub(crate) struct Deque<T> {
    /// And whether the receiver waits: waking one that does not is a system call for nothing.
    items: Mutex<(VecDeque<T>, bool)>,
    arrived: Condvar,
}

impl<T: Send> Contender<T> for Locked {
    type Sender = Arc<Deque<T>>;
    type Receiver = Arc<Deque<T>>;

    fn pair() -> (Self::Sender, Self::Receiver) {
        let deque = Deque { items: Mutex::new((VecDeque::new(), false)), arrived: Condvar::new() };
        let deque = Arc::new(deque);
        (deque.clone(), deque)
    }
    fn send(sender: &Self::Sender, item: T) {
        let mut items = sender.items.lock().expect("no panic");
        items.0.push_back(item);
        if std::mem::take(&mut items.1) {
            drop(items);
            sender.arrived.notify_one();
        }
    }
    fn recv(receiver: &mut Self::Receiver) -> T {
        let mut items = receiver.items.lock().expect("no panic");
        loop {
            if let Some(item) = items.0.pop_front() {
                return item;
            }
            items.1 = true;
            items = receiver.arrived.wait(items).expect("no panic");
        }
    }
}
