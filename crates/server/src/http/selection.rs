//! What `/connz` was asked for.
//!
//! The parameters are those of nats-server, so its tools work. One that is unknown or has a wrong
//! value is refused by name: a page that silently shows something else than was asked for is
//! worse than none.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use floodway_broker::SessionSnapshot;

use super::clock::between;
use super::parameter::{BadParameter, bad, check_once, not_valid, number};

/// Connections listed unless asked for another number, as in nats-server.
const LIMIT_DEFAULT: usize = 1024;
/// The most that may be asked for: about a kilobyte each without subscriptions.
const LIMIT_MAX: usize = 100_000;

const KNOWN: &str = "one of state, subs, limit, offset, cid, sort, auth";

/// Which sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Open,
    Closed,
    All,
}

/// In which order. Sizes, counts and times have the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Cid,
    Start,
    Subs,
    Pending,
    PendingMessages,
    MessagesTo,
    MessagesFrom,
    BytesTo,
    BytesFrom,
    Last,
    Idle,
    Uptime,
    Stop,
    Reason,
    Held,
    Lost,
}

const SORTS: [(&str, Sort); 16] = [
    ("cid", Sort::Cid),
    ("start", Sort::Start),
    ("subs", Sort::Subs),
    ("pending", Sort::Pending),
    ("pending_msgs", Sort::PendingMessages),
    ("msgs_to", Sort::MessagesTo),
    ("msgs_from", Sort::MessagesFrom),
    ("bytes_to", Sort::BytesTo),
    ("bytes_from", Sort::BytesFrom),
    ("last", Sort::Last),
    ("idle", Sort::Idle),
    ("uptime", Sort::Uptime),
    ("stop", Sort::Stop),
    ("reason", Sort::Reason),
    ("held", Sort::Held),
    ("lost", Sort::Lost),
];

/// A checked request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) state: Wanted,
    pub(super) subs: bool,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) cid: Option<u64>,
    pub(super) sort: Sort,
}

impl Selection {
    /// Checks the parameters as they stood in the address.
    pub(super) fn parse(parameters: &[(String, String)]) -> Result<Self, BadParameter> {
        let (state, sort) = (Wanted::Open, Sort::Cid);
        let mut selection =
            Self { state, subs: false, limit: LIMIT_DEFAULT, offset: 0, cid: None, sort };
        for (at, (name, value)) in parameters.iter().enumerate() {
            check_once(parameters, at)?;
            match name.as_str() {
                "state" => selection.state = state_of(value)?,
                "subs" => selection.subs = value == "detail" || flag("subs", value)?,
                "limit" => {
                    let limit = number("limit", value, LIMIT_MAX as u64)? as usize;
                    // As in nats-server, whose tools ask so when they have no wish.
                    selection.limit = if limit == 0 { LIMIT_DEFAULT } else { limit };
                }
                "offset" => selection.offset = number("offset", value, u32::MAX.into())? as usize,
                "cid" => selection.cid = Some(number("cid", value, u64::MAX)?),
                "sort" => selection.sort = sort_of(value)?,
                // Users are always shown; tools of NATS ask for them with this.
                "auth" => drop(flag("auth", value)?),
                _ => return Err(bad(name, "unknown parameter", KNOWN)),
            }
        }
        let of_closed = matches!(selection.sort, Sort::Stop | Sort::Reason);
        if of_closed && selection.state == Wanted::Open {
            let problem = "open connections have neither stop nor reason";
            return Err(bad("sort", problem, "another order, or state=closed or state=all"));
        }
        Ok(selection)
    }
}

impl Sort {
    /// Which of two sessions comes first as of `now`; never equal for two sessions.
    pub(super) fn compare(
        self,
        a: &SessionSnapshot,
        b: &SessionSnapshot,
        now: SystemTime,
    ) -> Ordering {
        let order = match self {
            Self::Cid => Ordering::Equal,
            Self::Start => a.started.cmp(&b.started),
            Self::Subs => b.subscription_count.cmp(&a.subscription_count),
            Self::Pending => b.pending_bytes.cmp(&a.pending_bytes),
            Self::PendingMessages => b.pending_messages.cmp(&a.pending_messages),
            Self::MessagesTo => b.out_messages.cmp(&a.out_messages),
            Self::MessagesFrom => b.in_messages.cmp(&a.in_messages),
            Self::BytesTo => b.out_bytes.cmp(&a.out_bytes),
            Self::BytesFrom => b.in_bytes.cmp(&a.in_bytes),
            Self::Last => a.idle.cmp(&b.idle),
            Self::Idle => b.idle.cmp(&a.idle),
            Self::Uptime => lifetime(b, now).cmp(&lifetime(a, now)),
            Self::Stop => ended(b, now).cmp(&ended(a, now)),
            Self::Reason => reason(a).cmp(reason(b)),
            Self::Held => b.held_bytes.cmp(&a.held_bytes),
            Self::Lost => b.losses.total().cmp(&a.losses.total()),
        };
        order.then(a.id.cmp(&b.id))
    }
}

fn lifetime(session: &SessionSnapshot, now: SystemTime) -> Duration {
    between(session.started, session.stopped.unwrap_or(now))
}

/// One that has ended and is still written to will be the latest to stop.
fn ended(session: &SessionSnapshot, now: SystemTime) -> Option<SystemTime> {
    session.stopped.or(session.end.is_some().then_some(now))
}

fn reason(session: &SessionSnapshot) -> &'static str {
    session.end.as_ref().map_or("", |end| end.name())
}

fn state_of(value: &str) -> Result<Wanted, BadParameter> {
    match value {
        "open" => Ok(Wanted::Open),
        "closed" => Ok(Wanted::Closed),
        "all" | "any" => Ok(Wanted::All),
        _ => Err(not_valid("state", value, "one of open, closed, all, any")),
    }
}

fn sort_of(value: &str) -> Result<Sort, BadParameter> {
    let known = SORTS.iter().find(|(name, _)| *name == value);
    known.map(|(_, sort)| *sort).ok_or_else(|| {
        let names: Vec<_> = SORTS.iter().map(|(name, _)| *name).collect();
        not_valid("sort", value, &format!("one of {}", names.join(", ")))
    })
}

fn flag(name: &str, value: &str) -> Result<bool, BadParameter> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => {
            let detail = if name == "subs" { " or detail" } else { "" };
            Err(not_valid(name, value, &format!("0, 1{detail}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Selection, BadParameter> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        Selection::parse(&pairs)
    }

    #[test]
    fn right_ones_are_taken() {
        let default = parse("").unwrap();
        assert_eq!((default.state, default.subs, default.sort), (Wanted::Open, false, Sort::Cid));
        assert_eq!((default.limit, default.offset, default.cid), (1024, 0, None));
        let all = parse("state=any&subs=detail&limit=100000&offset=7&cid=9&sort=bytes_to").unwrap();
        assert_eq!((all.state, all.subs, all.sort), (Wanted::All, true, Sort::BytesTo));
        assert_eq!((all.limit, all.offset, all.cid), (100_000, 7, Some(9)));
        assert!(parse("subs=1&auth=1").unwrap().subs && !parse("subs=False").unwrap().subs);
        assert_eq!(parse("limit=0").unwrap().limit, 1024);
        assert!(SORTS.iter().all(|(name, _)| parse(&format!("state=all&sort={name}")).is_ok()));
    }

    #[test]
    fn wrong_ones_are_named_with_what_would_be_right() {
        let cases = [
            ("state=opne", "state", "open, closed, all"),
            ("subs=2", "subs", "0, 1 or detail"),
            ("limit=100001", "limit", "from 0 to 100000"),
            ("limit=-1", "limit", "from 0 to 100000"),
            ("offset=x", "offset", "a number"),
            ("cid=", "cid", "a number"),
            ("sort=size", "sort", "pending, pending_msgs, msgs_to"),
            ("sort=stop", "sort", "state=closed"),
            ("subz=1", "subz", "state, subs, limit"),
            ("auth=detail", "auth", "0, 1"),
            ("cid=1&cid=2", "cid", "once"),
        ];
        for (text, parameter, expected) in cases {
            let error = parse(text).expect_err(text);
            assert_eq!(error.parameter, parameter, "{text}");
            assert!(error.expected.contains(expected), "{text}: {error:?}");
            assert!(!error.problem.is_empty(), "{text}");
        }
    }
}
