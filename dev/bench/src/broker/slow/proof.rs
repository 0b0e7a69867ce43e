//! What a slow subscriber must get in the end, to the message: it reads a tenth, stops reading
//! while the publisher goes on, and reads everything once the publisher has ended.

use std::thread;
use std::time::Duration;

use super::super::link::Link;
use super::super::outcome::Metric;
use super::super::pages::{Account, Pages};
use super::super::stream::Flowing;
use super::super::wish::{self, Policy};
use super::reader::{self, Diary, Speed};

const READING: Duration = Duration::from_millis(600);
/// Long enough that far more is published than may be queued.
const STANDSTILL: Duration = Duration::from_millis(250);

/// Who reads what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) policy: Policy,
    /// Keys, published in turn.
    pub(crate) keys: u64,
    pub(crate) size: usize,
    pub(crate) bytes_per_s: u64,
}

impl Proof {
    /// Ends the stream. The figure of the policy, or what was wrong with what came.
    pub(crate) fn run(
        &self,
        flowing: &mut Flowing,
        mut link: Link,
        subject: &str,
        pages: Pages,
    ) -> Result<Vec<(Metric, f64)>, String> {
        let port = link.port().map_err(|error| error.to_string())?;
        wish::subscribe(&mut link, subject).map_err(|error| error.to_string())?;
        let (speed, watch) = (Speed::new(self.bytes_per_s), flowing.watch.clone());
        let account = || -> Result<Account, String> {
            pages.accounts()?.remove(&port).ok_or("it has no account in /connz".to_owned())
        };
        thread::scope(|scope| {
            let reader = scope.spawn(|| reader::read(link, &speed, &watch, self.size));
            let mut script = || -> Result<(u64, u64), String> {
                thread::sleep(READING);
                speed.pause();
                thread::sleep(STANDSTILL);
                // Nothing is read now, and the sockets are full: this is what they hold.
                let buffered = account()?.out_bytes.saturating_sub(speed.read());
                Ok((flowing.stop()?, buffered))
            };
            let found = script();
            match found {
                Ok(_) => speed.read_all(),
                Err(_) => speed.end(),
            }
            let read = reader.join().expect("readers do not panic");
            let (published, buffered) = found?;
            let (diary, _open) = read.map_err(|error| error.to_string())?;
            self.judge(&diary, &account()?, published, buffered)
        })
    }

    /// Holds what came against what the server says and what was published.
    fn judge(
        &self,
        diary: &Diary,
        account: &Account,
        published: u64,
        buffered: u64,
    ) -> Result<Vec<(Metric, f64)>, String> {
        account.check()?;
        let came = diary.taken.len() as u64;
        if diary.damaged > 0 || came != account.delivered || account.queued > 0 {
            let Account { delivered, queued, .. } = account;
            let damaged = diary.damaged;
            return Err(format!(
                "{came} came and {damaged} damaged, of {delivered} delivered, {queued} queued"
            ));
        }
        let gone = account.lost + account.expired;
        if diary.missed != gone || diary.conflated != account.conflated {
            let (told, conflated) = (diary.missed, diary.conflated);
            return Err(format!(
                "told of {told} missed and {conflated} replaced, of {gone} and {}",
                account.conflated
            ));
        }
        if self.policy == Policy::Conflate {
            diary.ends_with_the_newest(self.keys, published)?;
            let (reading, after) = diary.worst_ages(buffered);
            let passes = |messages: u64| messages as f64 / self.keys as f64;
            let ages = [(Metric::WorstAge, reading), (Metric::AgeAfterPause, after)];
            return Ok(ages.map(|(metric, messages)| (metric, passes(messages))).into());
        }
        if !diary.taken.is_sorted_by(|one, next| one.sequence < next.sequence) {
            return Err("what came was out of order".to_owned());
        }
        Ok(vec![(Metric::NewestHeld, diary.newest_held(published)? as f64)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::Taken;
    use super::*;

    fn proof(policy: Policy) -> Proof {
        Proof { policy, keys: 2, size: 32, bytes_per_s: 1 }
    }

    fn diary(sequences: &[u64], missed: u64, conflated: u64) -> Diary {
        let taken = sequences.iter().map(|&sequence| Taken { offset: 9, sequence }).collect();
        Diary { taken, missed, conflated, ..Diary::default() }
    }

    fn account(delivered: u64, lost: u64, conflated: u64) -> Account {
        let matched = delivered + lost + conflated;
        Account { matched, delivered, lost, conflated, ..Account::default() }
    }

    #[test]
    fn what_came_must_be_what_was_told() {
        let judge = |diary: &Diary, account: &Account| {
            proof(Policy::DropOldest).judge(diary, account, 10, 0)
        };
        let good = judge(&diary(&[0, 1, 8, 9], 6, 0), &account(4, 6, 0));
        assert_eq!(good, Ok(vec![(Metric::NewestHeld, 2.0)]));
        let untold = judge(&diary(&[0, 1, 8, 9], 5, 0), &account(4, 6, 0)).unwrap_err();
        assert_eq!(untold, "told of 5 missed and 0 replaced, of 6 and 0");
        assert!(judge(&diary(&[0, 1, 8, 9], 6, 0), &account(5, 6, 0)).is_err(), "one missing");
        assert!(judge(&diary(&[1, 0, 8, 9], 6, 0), &account(4, 6, 0)).is_err(), "swapped");
        let broken = Account { matched: 9, ..account(4, 6, 0) };
        assert!(judge(&diary(&[0, 1, 8, 9], 6, 0), &broken).is_err(), "no exact account");
    }

    #[test]
    fn the_latest_of_each_key_must_come_and_may_come_in_any_order() {
        let judge = |diary: &Diary| proof(Policy::Conflate).judge(diary, &account(3, 0, 7), 10, 0);
        let good = judge(&diary(&[0, 9, 8], 0, 7));
        assert_eq!(good, Ok(vec![(Metric::WorstAge, 0.0), (Metric::AgeAfterPause, 0.0)]));
        assert!(judge(&diary(&[0, 7, 8], 0, 7)).is_err(), "an old one of a key");
        assert!(judge(&diary(&[0, 9, 8], 0, 6)).is_err(), "one replaced and not told");
    }
}
