//! The watch over scripted accounts; time is what the test says.

use std::slice;
use std::time::{Duration, Instant, SystemTime};

use floodway::{Account, EndReason, Limit, Limits, LossReason, Losses};
use serde_json::Value;

use super::log::SlowLog;
use super::watch::{Change, SlowWatch};
use super::{EPISODES_PER_SESSION, SlowEpisode, SlowOutcome};
use crate::session::Identity;
use crate::snapshot::{SessionSnapshot, SubscriptionSnapshot};

fn subscription(sid: &str, subject: &str) -> SubscriptionSnapshot {
    SubscriptionSnapshot {
        sid: sid.into(),
        subject: subject.into(),
        queue_group: None,
        policy: "drop-oldest",
        key: None,
        query: None,
        limits: Limits { messages: Some(10), ..Limits::NONE },
        account: Account::default(),
        replaced: 0,
        high_water: 0,
        oldest_age: None,
        end: None,
    }
}

fn session(subscriptions: &[SubscriptionSnapshot]) -> SessionSnapshot {
    SessionSnapshot {
        id: 7,
        peer: ([127, 0, 0, 1], 4).into(),
        started: SystemTime::UNIX_EPOCH,
        stopped: None,
        idle: Duration::ZERO,
        end: None,
        identity: Identity { name: Some("ann".into()), ..Identity::default() },
        in_messages: 0,
        in_bytes: 0,
        out_messages: 0,
        out_bytes: 0,
        matched: 0,
        losses: Losses::default(),
        conflated: 0,
        expired: 0,
        pending_messages: 0,
        pending_bytes: 0,
        held_bytes: 0,
        paced_by: Vec::new(),
        subscription_count: subscriptions.len(),
        subscriptions: subscriptions.to_vec(),
    }
}

/// A session under watch, and its clock.
struct Scene {
    watch: SlowWatch,
    born: Instant,
    now_ms: u64,
    one: SubscriptionSnapshot,
}

fn wall(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + ms)
}

impl Scene {
    fn of(subject: &str) -> Self {
        let one = subscription("1", subject);
        Self { watch: SlowWatch::default(), born: Instant::now(), now_ms: 0, one }
    }

    fn new() -> Self {
        Self::of("quotes.*")
    }

    fn now(&self) -> Instant {
        self.born + Duration::from_millis(self.now_ms)
    }

    fn troubles(&self) -> u64 {
        let account = &self.one.account;
        account.losses().total() + account.conflated() + account.expired()
    }

    /// A tick `after_ms`, with the oldest queued message at an age; none if there is no look.
    fn tick(&mut self, after_ms: u64, oldest_ms: Option<u64>) -> Option<Vec<Change>> {
        self.now_ms += after_ms;
        self.one.oldest_age = oldest_ms.map(Duration::from_millis);
        let (now, troubles) = (self.now(), self.troubles());
        let due = self.watch.is_due(oldest_ms.is_some(), troubles, now);
        due.then(|| {
            self.watch.look(&session(slice::from_ref(&self.one)), troubles, now, wall(self.now_ms))
        })
    }

    /// As [`Scene::tick`], where at most one change is expected.
    fn step(&mut self, after_ms: u64, oldest_ms: Option<u64>) -> Option<SlowEpisode> {
        let mut changes = self.tick(after_ms, oldest_ms).unwrap_or_default();
        assert!(changes.len() <= 1, "{changes:?}");
        changes.pop().map(|change| check(change.episode))
    }
}

/// The law of conservation, of the episode alone.
#[track_caller]
fn check(one: SlowEpisode) -> SlowEpisode {
    let known = one.delivered + one.losses.total() + one.conflated + one.expired + one.queued;
    assert_eq!(one.matched, known, "{one:?}");
    assert!(one.behind <= one.behind_max && one.queued <= one.queued_max);
    one
}

#[test]
fn a_healthy_subscription_is_never_slow_and_rarely_looked_at() {
    let mut scene = Scene::new();
    let mut looks = 0;
    for _ in 0..400 {
        // Busy: something young is queued at every tick.
        scene.one.account.enqueue(1000, 1000);
        scene.one.account.deliver(999, 999);
        let changes = scene.tick(250, Some(3));
        looks += u64::from(changes.is_some());
        assert!(changes.unwrap_or_default().is_empty());
    }
    assert!(looks <= 101, "more than one look a second: {looks}");
    // Mostly idle: what is queued at one tick is gone at the next.
    for _ in 0..100 {
        assert!(scene.tick(250, Some(240)).is_none() && scene.tick(250, None).is_none());
    }
    assert!(scene.watch.is_forgettable());
}

#[test]
fn slow_begins_when_a_message_is_a_second_old() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(5, 50);
    assert!(scene.tick(0, Some(0)).is_none());
    let mut age = 0;
    let began = loop {
        age += 250;
        if let Some(began) = scene.step(250, Some(age)) {
            break began;
        }
        assert!(age < 1000, "not seen");
    };
    assert_eq!(age, 1000);
    assert_eq!((began.since, began.until), (wall(0), None), "since it was queued");
    assert_eq!((began.outcome, began.queued), (SlowOutcome::Ongoing, 5));
    assert_eq!((began.cid, began.name.as_deref(), &*began.sid), (7, Some("ann"), "1"));
    assert_eq!((began.matched, began.behind), (5, Duration::from_secs(1)));
    assert_eq!(scene.watch.slow_count(), 1);
}

#[test]
fn just_below_a_second_is_not_slow() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(5, 50);
    for _ in 0..100 {
        assert!(scene.step(250, Some(999)).is_none());
    }
}

#[test]
fn it_recovers_a_second_after_the_last_sign() {
    let mut scene = Scene::new();
    // Long before: 100 delivered and 4 lost, which are not of the episode.
    scene.one.account.enqueue(104, 104);
    scene.one.account.deliver(100, 100);
    scene.one.account.drop_queued(LossReason::DroppedOldest, 4, 4);
    let before = scene.step(0, None).expect("4 lost");
    assert_eq!((before.since, before.losses.total()), (wall(0), 4));
    assert!(scene.step(500, None).is_none());
    assert_eq!(scene.step(500, None).unwrap().outcome, SlowOutcome::Recovered);

    scene.one.account.enqueue(8, 80);
    assert!(scene.step(60_000, Some(10)).is_none());
    let began = scene.step(1500, Some(1500)).expect("old");
    assert_eq!((began.matched, began.losses.total()), (8, 0), "only what is queued");
    scene.one.account.drop_queued(LossReason::DroppedOldest, 2, 20);
    scene.one.account.expire(1, 10);
    scene.one.account.conflate(10, 10);
    assert!(scene.step(500, Some(2000)).is_none());
    scene.one.account.deliver(5, 50);
    assert!(scene.step(500, None).is_none());
    assert!(scene.step(499, None).is_none(), "999 ms after it was slow last");
    let over = scene.step(500, None).expect("recovered");
    assert_eq!(
        (over.outcome.clone(), over.until),
        (SlowOutcome::Recovered, Some(wall(scene.now_ms)))
    );
    assert_eq!((over.matched, over.delivered, over.conflated, over.expired), (9, 5, 1, 1));
    assert_eq!(over.losses.of(LossReason::DroppedOldest), 2);
    assert_eq!((over.behind, over.behind_max), (Duration::ZERO, Duration::from_secs(2)));
    assert_eq!((over.queued, over.queued_max), (0, 8));
    assert_eq!(scene.watch.slow_count(), 0);
    assert!(scene.tick(500, None).is_none(), "nothing to look at");
}

#[test]
fn one_that_loses_again_and_again_stays_in_one_episode() {
    let mut scene = Scene::new();
    let mut changes = 0;
    for _ in 0..40 {
        scene.one.account.enqueue(10, 10);
        scene.one.account.deliver(9, 9);
        scene.one.account.expire(1, 1);
        changes += scene.tick(500, Some(1)).unwrap().len();
    }
    assert_eq!(changes, 1);
    let now = scene.watch.as_of(&session(slice::from_ref(&scene.one))).pop().map(check).unwrap();
    assert_eq!((now.expired, now.delivered, now.outcome), (40, 351, SlowOutcome::Ongoing));
}

#[test]
fn one_that_is_given_up_is_over() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(3, 30);
    assert!(scene.step(0, Some(100)).is_none());
    assert!(scene.step(2000, Some(2100)).is_some());
    let changes = scene.watch.look(&session(&[]), 0, scene.now(), wall(9));
    assert_eq!(changes.len(), 1);
    assert!(!changes[0].announce);
    let over = &changes[0].episode;
    assert_eq!((&over.outcome, over.until), (&SlowOutcome::Unsubscribed, Some(wall(9))));
}

#[test]
fn another_subscription_of_the_same_name_has_an_episode_of_its_own() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(30, 30);
    scene.one.account.deliver(20, 20);
    scene.step(0, Some(100));
    assert!(scene.step(2000, Some(2100)).is_some());
    scene.one.account = Account::default();
    scene.one.account.enqueue(2, 2);
    let changes = scene.tick(2000, Some(1500)).unwrap();
    let seen: Vec<_> = changes.iter().map(|change| change.episode.outcome.name()).collect();
    assert_eq!(seen, ["unsubscribed", "slow"]);
    assert_eq!(check(changes[1].episode.clone()).matched, 2);
}

#[test]
fn one_that_ended_by_itself_says_so() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(10, 100);
    scene.step(0, Some(100));
    assert!(scene.step(2000, Some(2100)).is_some());
    scene.one.account.refuse(LossReason::OutOfCapacity, 1);
    assert!(scene.step(500, Some(2600)).is_none(), "its queue is still read");
    let changes = scene.watch.look(&session(&[]), 1, scene.now(), wall(9));
    let reason = EndReason::OutOfCapacity { limit: Limit::Messages, messages: 10, bytes: 100 };
    assert_eq!(changes[0].episode.outcome, SlowOutcome::Ended(reason));
}

#[test]
fn with_the_session_everything_is_over() {
    let mut scene = Scene::new();
    scene.one.account.enqueue(3, 30);
    scene.step(0, Some(100));
    assert!(scene.step(2000, Some(2100)).is_some());
    let reason = EndReason::Disconnected { cause: "client closed" };
    scene.one.account.lose_queued(LossReason::of_end(&reason));
    let (end, stopped) = (Some(reason.clone()), Some(wall(3000)));
    let last = SessionSnapshot { end, stopped, ..session(slice::from_ref(&scene.one)) };
    let over = scene.watch.ended(&last).pop().map(check).unwrap();
    assert_eq!((over.outcome, over.until), (SlowOutcome::Ended(reason), Some(wall(3000))));
    assert_eq!(over.losses.of(LossReason::Disconnected), 3);
    // Without an episode before, only the end of a slow consumer is one.
    assert!(SlowWatch::default().ended(&last).is_empty());
}

#[test]
fn a_slow_consumer_that_no_tick_saw_gets_an_episode_at_its_end() {
    let reason = EndReason::OutOfCapacity { limit: Limit::Messages, messages: 3, bytes: 30 };
    let [mut idle, mut full] = [subscription("1", "a"), subscription("2", "b")];
    idle.account.enqueue(9, 9);
    idle.account.deliver(9, 9);
    full.account.enqueue(4, 40);
    full.account.deliver(1, 10);
    full.account.refuse(LossReason::OutOfCapacity, 1);
    let (end, stopped) = (Some(reason.clone()), Some(wall(5)));
    let last = SessionSnapshot { end, stopped, ..session(&[idle, full]) };
    let [over] = &SlowWatch::default().ended(&last)[..] else { panic!() };
    let over = check(over.clone());
    assert_eq!((&*over.sid, over.outcome), ("2", SlowOutcome::Ended(reason)));
    assert_eq!((over.matched, over.queued, over.losses.total()), (4, 3, 1));
    assert_eq!((over.since, over.until), (wall(5), Some(wall(5))));
}

#[test]
fn episodes_of_a_session_are_bounded_and_the_rest_is_counted() {
    let many: Vec<_> = (0..EPISODES_PER_SESSION + 5)
        .map(|sid| {
            let mut one = subscription(&sid.to_string(), "a");
            one.account.enqueue(2, 2);
            one.account.drop_queued(LossReason::DroppedOldest, 1, 1);
            one.oldest_age = Some(Duration::from_secs(2));
            one
        })
        .collect();
    let (mut watch, now) = (SlowWatch::default(), Instant::now());
    assert_eq!(watch.look(&session(&many), 1005, now, wall(0)).len(), EPISODES_PER_SESSION);
    assert_eq!(watch.slow_count(), EPISODES_PER_SESSION as u64 + 5);
    assert_eq!(watch.as_of(&session(&many)).len(), EPISODES_PER_SESSION);
    // Again: none of them is new.
    let later = now + Duration::from_secs(1);
    assert_eq!(watch.look(&session(&many), 1005, later, wall(1000)).len(), 0);
    let end = Some(EndReason::MemoryPressure { bytes: 1, budget: 1 });
    let last = SessionSnapshot { end, ..session(&many) };
    assert_eq!(watch.ended(&last).len(), EPISODES_PER_SESSION);
}

#[test]
fn the_log_is_bounded_and_counts_all() {
    let (log, now) = (SlowLog::default(), Instant::now());
    let mut scene = Scene::new();
    scene.one.account.enqueue(3, 30);
    scene.step(0, Some(100));
    let began = scene.tick(2000, Some(2100)).unwrap();
    let over = scene.watch.look(&session(&[]), 0, scene.now(), wall(9));
    for at in 0..1500 {
        let again = |changes: &[Change]| {
            let episode = changes[0].episode.clone();
            let until = episode.until.map(|_| wall(at));
            let (counts, announce) = (changes[0].counts.clone(), false);
            vec![Change { episode: SlowEpisode { until, ..episode }, counts, announce }]
        };
        assert!(log.enter(again(&began), now).is_empty());
        assert!(log.enter(again(&over), now).is_empty());
    }
    assert_eq!((log.episodes(), log.over_since(None).len()), (1500, 1000));
    assert_eq!(log.over_since(None)[0].until, Some(wall(1499)), "the latest first");
    assert_eq!(log.over_since(Some(wall(1490))).len(), 10);
}

#[test]
fn advisories_are_limited_and_the_rest_is_counted() {
    let (log, now) = (SlowLog::default(), Instant::now());
    let mut made = Vec::new();
    for at in 0..25 {
        let mut scene = Scene::new();
        scene.one.account.enqueue(12, 120);
        scene.one.account.deliver(3, 30);
        scene.one.account.drop_queued(LossReason::DroppedOldest, 2, 20);
        made.extend(
            log.enter(scene.tick(0, Some(30)).unwrap(), now + at * Duration::from_millis(1)),
        );
    }
    assert_eq!(made.len(), 10);
    let mut scene = Scene::new();
    scene.one.account.enqueue(1, 1);
    scene.one.account.expire(1, 1);
    let almost = now + Duration::from_millis(999);
    assert!(log.enter(scene.tick(0, None).unwrap(), almost).is_empty());
    let recovered = scene.tick(1500, None).unwrap();
    let [next] = &log.enter(recovered, now + Duration::from_secs(1))[..] else { panic!() };
    let parse = |payload: &[u8]| serde_json::from_slice::<Value>(payload).unwrap();
    let (first, next) = (parse(&made[0].payload), parse(&next.payload));
    assert_eq!((first["suppressed"].as_u64(), next["suppressed"].as_u64()), (Some(0), Some(16)));
    assert_eq!(
        (first["state"].as_str(), next["state"].as_str()),
        (Some("slow"), Some("recovered"))
    );
    assert_eq!(
        (made[0].subject, &first["type"]),
        ("$FLOODWAY.ADVISORY.SLOW", &"floodway.advisory.slow".into())
    );
    let one = &first["subscription"];
    assert_eq!(
        (&one["matched"], &one["delivered"], &one["lost"]),
        (&12.into(), &3.into(), &2.into())
    );
    assert_eq!((&one["queued"], &one["lost_by_reason"]["dropped_oldest"]), (&7.into(), &2.into()));
    assert_eq!((&first["client"]["cid"], &first["since_ms"]), (&7.into(), &1_000_000.into()));
}

#[test]
fn a_slow_listener_to_advisories_is_announced_once_only() {
    for subject in ["$FLOODWAY.ADVISORY.>", "$FLOODWAY.ADVISORY.SLOW", ">", "*.ADVISORY.*"] {
        let mut scene = Scene::of(subject);
        let mut announced = Vec::new();
        // Each time that it is slow again and recovers.
        for _ in 0..5 {
            scene.one.account.refuse(LossReason::DroppedNewest, 1);
            for changes in [scene.tick(500, None), scene.tick(1500, None)] {
                announced.extend(changes.unwrap().iter().map(|change| change.announce));
            }
        }
        let expected: Vec<_> = (0..10).map(|at| at < 2).collect();
        assert_eq!(announced, expected, "{subject}");
    }
}
