//! Fan-out inside tokio: one publisher task hands an `Arc` to each of many subscriber tasks, each
//! with a queue of its own; two worker threads. Nobody has more than 1,024 messages queued: when a
//! queue is full the publisher yields to the other tasks and tries again.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use floodway_queue::{Limits, Receiver, Sender, mailbox};
use tokio::task::{JoinHandle, yield_now};

use super::{RUNS, told};

const QUEUED: u32 = 1_024;
type Payload = Arc<[u8]>;
type Subscribers = Vec<JoinHandle<u64>>;

async fn counted(subscribers: Subscribers, messages: u64, start: Instant) -> f64 {
    let deliveries = messages * subscribers.len() as u64;
    let mut received = 0;
    for subscriber in subscribers {
        received += subscriber.await.expect("no panic");
    }
    assert_eq!(received, deliveries, "a run that lost or repeated a message");
    start.elapsed().as_nanos() as f64 / deliveries as f64
}

async fn receive(mut receiver: Receiver<Payload>) -> u64 {
    let mut count = 0;
    while receiver.ready().await.is_ok() {
        let each = |message| drop(std::hint::black_box::<Payload>(message));
        count += receiver.drain(usize::MAX, each) as u64;
    }
    count
}

fn subscribe(subscribers: usize) -> (Vec<Sender<Payload>>, Subscribers) {
    let mailboxes = (0..subscribers).map(|_| mailbox(Limits::messages(QUEUED).expect("not 0")));
    mailboxes.map(|(sender, receiver)| (sender, tokio::spawn(receive(receiver)))).unzip()
}

async fn mailboxes(subscribers: usize, messages: u64, payload: Payload) -> f64 {
    let (senders, tasks) = subscribe(subscribers);
    let start = Instant::now();
    for _ in 0..messages {
        for sender in &senders {
            let mut message = payload.clone();
            while let Err(full) = sender.try_send(message) {
                message = full.into_item();
                yield_now().await;
            }
        }
    }
    drop(senders);
    counted(tasks, messages, start).await
}

async fn tokio_bounded(subscribers: usize, messages: u64, payload: Payload) -> f64 {
    let mut tasks = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..subscribers {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Payload>(QUEUED as usize);
        senders.push(sender);
        tasks.push(tokio::spawn(async move {
            let mut count = 0;
            while let Some(message) = receiver.recv().await {
                drop(std::hint::black_box(message));
                count += 1;
            }
            count
        }));
    }
    let start = Instant::now();
    for _ in 0..messages {
        for sender in &senders {
            sender.send(payload.clone()).await.expect("open");
        }
    }
    drop(senders);
    counted(tasks, messages, start).await
}

#[derive(Default)]
struct Swapped {
    items: Mutex<(Vec<Payload>, bool)>,
    arrived: tokio::sync::Notify,
}

async fn swapped(subscribers: usize, messages: u64, payload: Payload) -> f64 {
    let queues: Vec<Arc<Swapped>> = (0..subscribers).map(|_| Arc::default()).collect();
    let subscribe = |queue: Arc<Swapped>| async move {
        let (mut mine, mut count) = (Vec::new(), 0);
        loop {
            let end = {
                let mut items = queue.items.lock().expect("no panic");
                std::mem::swap(&mut items.0, &mut mine);
                items.1
            };
            if mine.is_empty() {
                if end {
                    return count;
                }
                queue.arrived.notified().await;
            }
            count += mine.len() as u64;
            mine.drain(..).for_each(|message| drop(std::hint::black_box(message)));
        }
    };
    let tasks = queues.iter().map(|queue| tokio::spawn(subscribe(queue.clone()))).collect();
    let start = Instant::now();
    for _ in 0..messages {
        for queue in &queues {
            let queued = {
                let mut items = queue.items.lock().expect("no panic");
                items.0.push(payload.clone());
                items.0.len()
            };
            if queued == 1 {
                queue.arrived.notify_one();
            }
            if queued > QUEUED as usize {
                yield_now().await;
            }
        }
    }
    for queue in &queues {
        queue.items.lock().expect("no panic").1 = true;
        queue.arrived.notify_one();
    }
    counted(tasks, messages, start).await
}

pub(crate) fn run(subscribers: &[usize]) {
    for &subscribers in subscribers {
        println!("tokio fan-out to {subscribers}, Arc payload, per delivery");
        let messages = (1_000_000 / subscribers as u64).max(2_000);
        let mut runs = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
            let runtime = runtime.expect("two threads");
            let payload = || Payload::from([1_u8; 128]);
            let spawn = |index: usize| {
                runtime.block_on(async {
                    let run = match index {
                        0 => tokio::spawn(mailboxes(subscribers, messages, payload())),
                        1 => tokio::spawn(swapped(subscribers, messages, payload())),
                        _ => tokio::spawn(tokio_bounded(subscribers, messages, payload())),
                    };
                    run.await.expect("no panic")
                })
            };
            runs.iter_mut().enumerate().for_each(|(index, runs)| runs.push(spawn(index)));
        }
        let names = ["mailbox", "Mutex<Vec> swapped + Notify", "tokio mpsc bounded"];
        for (name, runs) in names.into_iter().zip(runs) {
            println!("  {name:28} {}", told(runs));
        }
    }
}
