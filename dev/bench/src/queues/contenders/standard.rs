//! The standard library's channels.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use super::super::payload::Payload;
use super::super::shape::{Consumer, Producer, Queue};

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = SyncSender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (SyncSender<T>, Receiver<T>) {
        mpsc::sync_channel(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(_: usize) -> (Sender<T>, Receiver<T>) {
        mpsc::channel()
    }
}

impl<T: Payload> Producer<T> for SyncSender<T> {
    fn send(&mut self, item: T) -> bool {
        SyncSender::send(self, item).is_ok()
    }

    fn try_send(&mut self, item: T) -> bool {
        SyncSender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    fn send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
    }

    fn try_send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for Receiver<T> {
    fn receive(&mut self) -> Option<T> {
        self.recv().ok()
    }

    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}
