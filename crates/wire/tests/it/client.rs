//! Whatever a client library writes comes out as it went in, however the network cuts it.

use floodway_wire::nats::{
    ClientOp, ConnectOptions, OK_LINE, PING_LINE, PONG_LINE, ParseLimits, Progress, Publish,
    Violation, encode_connect, encode_err, encode_hpub, encode_pub, encode_sub, encode_unsub,
    parse_client,
};
use proptest::prelude::*;

use crate::stream::{bytes, feed, maybe_word, word};

/// A [`ClientOp`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    Connect(ConnectOptions),
    Pub {
        subject: Vec<u8>,
        reply: Option<Vec<u8>>,
        payload: Vec<u8>,
    },
    Hpub {
        subject: Vec<u8>,
        reply: Option<Vec<u8>>,
        headers: Vec<u8>,
        payload: Vec<u8>,
    },
    Sub {
        subject: Vec<u8>,
        queue: Option<Vec<u8>>,
        sid: Vec<u8>,
    },
    Unsub {
        sid: Vec<u8>,
        max: Option<u64>,
    },
    Ping,
    Pong,
    Ok,
    Info(Vec<u8>),
    Err(String),
    /// A CONNECT whose JSON is none; never generated, but random bytes may well hold one.
    BadConnect(Vec<u8>),
}

impl Op {
    fn from_wire(op: ClientOp<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        match op {
            ClientOp::Connect(json) => match ConnectOptions::from_json(json) {
                Ok(options) => Self::Connect(options),
                Err(_) => Self::BadConnect(json.to_vec()),
            },
            ClientOp::Publish(Publish { subject, reply, headers, payload, is_hpub }) => {
                let (subject, reply, payload) = (subject.to_vec(), owned(reply), payload.to_vec());
                if is_hpub {
                    Self::Hpub { subject, reply, headers: headers.to_vec(), payload }
                } else {
                    assert_eq!(headers, b"");
                    Self::Pub { subject, reply, payload }
                }
            }
            ClientOp::Subscribe { subject, queue, sid } => {
                Self::Sub { subject: subject.to_vec(), queue: owned(queue), sid: sid.to_vec() }
            }
            ClientOp::Unsubscribe { sid, max } => Self::Unsub { sid: sid.to_vec(), max },
            ClientOp::Ping => Self::Ping,
            ClientOp::Pong => Self::Pong,
            ClientOp::Ok => Self::Ok,
            ClientOp::Info(json) => Self::Info(json.to_vec()),
            ClientOp::Err(text) => Self::Err(String::from_utf8_lossy(text).into_owned()),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Connect(options) => encode_connect(out, options),
            Self::Pub { subject, reply, payload } => {
                encode_pub(out, subject, reply.as_deref(), payload);
            }
            Self::Hpub { subject, reply, headers, payload } => {
                encode_hpub(out, subject, reply.as_deref(), headers, payload);
            }
            Self::Sub { subject, queue, sid } => encode_sub(out, subject, queue.as_deref(), sid),
            Self::Unsub { sid, max } => encode_unsub(out, sid, *max),
            Self::Ping => out.extend_from_slice(PING_LINE),
            Self::Pong => out.extend_from_slice(PONG_LINE),
            Self::Ok => out.extend_from_slice(OK_LINE),
            Self::Info(json) => out.extend([b"INFO ", &json[..], b" \r\n"].concat()),
            Self::Err(text) => encode_err(out, text),
            Self::BadConnect(_) => unreachable!("never generated"),
        }
    }
}

pub(crate) fn parse(
    limits: ParseLimits,
) -> impl Fn(&[u8]) -> Result<Progress<Op>, Violation> + Copy {
    move |input| {
        Ok(match parse_client(input, &limits)? {
            Progress::Op { op, used } => Progress::Op { op: Op::from_wire(op), used },
            Progress::More { needed } => Progress::More { needed },
        })
    }
}

fn op() -> impl Strategy<Value = Op> {
    let connect = (any::<Option<bool>>(), any::<Option<String>>(), any::<Option<i64>>());
    prop_oneof![
        connect.prop_map(|(verbose, user, protocol)| {
            let rest = ConnectOptions::default();
            Op::Connect(ConnectOptions { verbose, user, protocol, ..rest })
        }),
        (word(), maybe_word(), bytes()).prop_map(|(subject, reply, payload)| Op::Pub {
            subject,
            reply,
            payload
        }),
        (word(), maybe_word(), bytes(), bytes()).prop_map(|(subject, reply, headers, payload)| {
            Op::Hpub { subject, reply, headers, payload }
        }),
        (word(), maybe_word(), word()).prop_map(|(subject, queue, sid)| Op::Sub {
            subject,
            queue,
            sid
        }),
        (word(), any::<Option<u64>>()).prop_map(|(sid, max)| Op::Unsub { sid, max }),
        "[a-z '\"]{0,10}".prop_map(Op::Err),
        Just(Op::Info(b"{}".to_vec())),
        prop::sample::select(vec![Op::Ping, Op::Pong, Op::Ok]),
    ]
}

fn encoded(ops: &[Op]) -> Vec<u8> {
    let mut out = Vec::new();
    ops.iter().for_each(|op| op.encode(&mut out));
    out
}

proptest! {
    #[test]
    fn a_stream_in_two_parts_is_the_same_stream(ops in prop::collection::vec(op(), 0..6)) {
        let stream = encoded(&ops);
        let parse = parse(ParseLimits::default());
        for cut in 0..=stream.len() {
            let (front, back) = stream.split_at(cut);
            prop_assert_eq!(feed(&parse, [front, back]), (ops.clone(), None), "cut at {}", cut);
        }
    }

    #[test]
    fn a_stream_in_many_parts_is_the_same_stream(
        ops in prop::collection::vec(op(), 0..12),
        size in 1..40_usize,
    ) {
        let stream = encoded(&ops);
        let parse = parse(ParseLimits::default());
        prop_assert_eq!(feed(&parse, stream.chunks(size)), (ops.clone(), None));
        prop_assert_eq!(feed(&parse, stream.chunks(1)), (ops, None));
    }

    #[test]
    fn a_part_of_an_operation_is_never_another(op in op(), behind in bytes()) {
        let mut input = encoded(std::slice::from_ref(&op));
        let length = input.len();
        let limits = ParseLimits::default();
        for cut in 0..length {
            match parse_client(&input[..cut], &limits) {
                Ok(Progress::More { needed }) => prop_assert!(
                    cut < needed && needed <= length,
                    "{needed} of {length} needed at {cut}",
                ),
                other => prop_assert!(false, "{other:?} at {cut} of {length}"),
            }
        }
        // Nor does it matter what follows.
        input.extend_from_slice(&behind);
        let found = parse(limits)(&input);
        prop_assert_eq!(found, Ok(Progress::Op { op, used: length }));
    }
}
