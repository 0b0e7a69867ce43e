//! async-nats as a subscriber: it hands out messages as a `Stream`.

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;

use crate::clients::{connect, within_patience};
use crate::raw::Event;
use crate::server::{Launch, Server};

/// A round trip: `flush` only writes, and the publisher is another connection.
async fn settle(client: &Client) {
    let error = client.request("rs.nobody", "".into()).await.expect_err("nobody is there");
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
}

async fn next(subscriber: &mut Subscriber) -> Message {
    subscriber.next().await.expect("the subscription lives")
}

#[test]
fn subscriptions_get_what_matches_in_order() {
    let server = Server::start();
    within_patience(async {
        let (publisher, client) = (connect(server.addr()).await, connect(server.addr()).await);
        let mut exact = client.subscribe("rs.a.b").await.unwrap();
        let mut star = client.subscribe("rs.*.b").await.unwrap();
        let mut rest = client.subscribe("rs.a.>").await.unwrap();
        settle(&client).await;
        for number in 0..500 {
            publisher.publish("rs.a.b", number.to_string().into()).await.unwrap();
        }
        for subscriber in [&mut exact, &mut star, &mut rest] {
            for number in 0..500 {
                let message = next(subscriber).await;
                assert_eq!(message.payload, number.to_string());
                assert_eq!(message.subject.as_str(), "rs.a.b");
            }
        }
    });
}

#[test]
fn a_queue_group_shares() {
    let server = Server::start();
    within_patience(async {
        let publisher = connect(server.addr()).await;
        let (done, mut counted) = tokio::sync::mpsc::unbounded_channel();
        for member in 0..3_usize {
            let client = connect(server.addr()).await;
            let mut work = client.queue_subscribe("rs.work", "workers".to_owned()).await.unwrap();
            settle(&client).await;
            let done = done.clone();
            tokio::spawn(async move {
                while work.next().await.is_some() && done.send(member).is_ok() {}
            });
        }
        for _ in 0..300 {
            publisher.publish("rs.work", "x".into()).await.unwrap();
        }
        let mut shares = [0; 3];
        for _ in 0..300 {
            shares[counted.recv().await.expect("members live")] += 1;
        }
        assert!(shares.iter().all(|share| *share > 30), "{shares:?}");
    });
}

#[test]
fn headers_and_limits_and_drain() {
    let server = Server::start();
    within_patience(async {
        let client = connect(server.addr()).await;
        let mut limited = client.subscribe("rs.x").await.unwrap();
        limited.unsubscribe_after(2).await.unwrap();
        let mut drained = client.subscribe("rs.x").await.unwrap();
        client.flush().await.unwrap();
        let mut headers = HeaderMap::new();
        headers.append("Key", "one");
        headers.append("Key", "two");
        for number in 0..5 {
            let payload = number.to_string();
            client.publish_with_headers("rs.x", headers.clone(), payload.into()).await.unwrap();
        }
        client.flush().await.unwrap();
        drained.drain().await.unwrap();
        for number in 0..5 {
            let message = next(&mut drained).await;
            assert_eq!(message.payload, number.to_string());
            let headers = message.headers.expect("headers");
            assert_eq!(headers.get_all("Key").count(), 2);
        }
        assert!(drained.next().await.is_none(), "a drained subscription ends");
        assert_eq!(next(&mut limited).await.payload, "0");
        assert_eq!(next(&mut limited).await.payload, "1");
        assert!(limited.next().await.is_none(), "two were asked for");
    });
}

#[test]
fn a_subscription_survives_a_restart() {
    let mut server = Server::start();
    let addr = server.addr();
    within_patience(async {
        let client = connect(addr).await;
        let mut subscriber = client.subscribe("rs.again").await.unwrap();
        client.flush().await.unwrap();
        server.kill();
        let server = Launch::new().listen(addr).start();
        let mut publisher = server.client();
        // The client comes back in its own time: a publish with a reply is told until then that
        // nobody is there.
        publisher.subscribe("in", "1");
        loop {
            publisher.send(b"PUB rs.again in 5\r\nagain\r\n");
            publisher.send(b"PING\r\n");
            if publisher.event() == Event::Pong {
                break;
            }
            publisher.expect(b"PONG\r\n");
            tokio::task::yield_now().await;
        }
        assert_eq!(next(&mut subscriber).await.payload, "again");
    });
}
