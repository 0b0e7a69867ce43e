//! Whatever a server writes comes out as it went in, however the network cuts it.

use floodway_wire::nats::{
    Delivered, OK_LINE, PING_LINE, PONG_LINE, ParseLimits, Progress, ServerInfo, ServerOp,
    Violation, encode_err, encode_hmsg, encode_msg, parse_server,
};
use proptest::prelude::*;

use crate::stream::{bytes, feed, maybe_word, word};

/// A [`ServerOp`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Op {
    Info(Box<ServerInfo>),
    Message(Message),
    Ping,
    Pong,
    Ok,
    Err(String),
}

#[derive(Debug, Clone, PartialEq)]
struct Message {
    subject: Vec<u8>,
    sid: Vec<u8>,
    reply: Option<Vec<u8>>,
    headers: Vec<u8>,
    payload: Vec<u8>,
}

impl Op {
    fn from_wire(op: ServerOp<'_>) -> Self {
        match op {
            ServerOp::Info(json) => {
                Self::Info(Box::new(ServerInfo::from_json(json).expect("it was encoded from one")))
            }
            ServerOp::Message(Delivered { subject, sid, reply, headers, payload }) => {
                Self::Message(Message {
                    subject: subject.to_vec(),
                    sid: sid.to_vec(),
                    reply: reply.map(<[u8]>::to_vec),
                    headers: headers.to_vec(),
                    payload: payload.to_vec(),
                })
            }
            ServerOp::Ping => Self::Ping,
            ServerOp::Pong => Self::Pong,
            ServerOp::Ok => Self::Ok,
            ServerOp::Err(text) => Self::Err(String::from_utf8_lossy(text).into_owned()),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Info(info) => out.extend(info.to_line()),
            Self::Message(Message { subject, sid, reply, headers, payload }) => {
                let reply = reply.as_deref();
                if headers.is_empty() {
                    encode_msg(out, subject, sid, reply, payload);
                } else {
                    encode_hmsg(out, subject, sid, reply, headers, payload);
                }
            }
            Self::Ping => out.extend_from_slice(PING_LINE),
            Self::Pong => out.extend_from_slice(PONG_LINE),
            Self::Ok => out.extend_from_slice(OK_LINE),
            Self::Err(text) => encode_err(out, text),
        }
    }
}

fn parse(input: &[u8]) -> Result<Progress<Op>, Violation> {
    Ok(match parse_server(input, &ParseLimits::default())? {
        Progress::Op { op, used } => Progress::Op { op: Op::from_wire(op), used },
        Progress::More { needed } => Progress::More { needed },
    })
}

fn op() -> impl Strategy<Value = Op> {
    let info = (any::<String>(), any::<bool>(), any::<Option<u64>>(), any::<Vec<String>>());
    let message = (word(), word(), maybe_word(), bytes(), bytes());
    prop_oneof![
        1 => info.prop_map(|(server_name, headers, client_id, mut connect_urls)| {
            connect_urls.truncate(2);
            let rest = ServerInfo::default();
            let info = ServerInfo { server_name, headers, client_id, connect_urls, ..rest };
            Op::Info(Box::new(info))
        }),
        4 => message.prop_map(|(subject, sid, reply, headers, payload)| {
            Op::Message(Message { subject, sid, reply, headers, payload })
        }),
        1 => "[A-Za-z '\"]{0,10}".prop_map(Op::Err),
        1 => prop::sample::select(vec![Op::Ping, Op::Pong, Op::Ok]),
    ]
}

proptest! {
    #[test]
    fn a_stream_is_the_same_in_any_parts(
        ops in prop::collection::vec(op(), 0..8),
        size in 1..40_usize,
    ) {
        let mut stream = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut stream));
        prop_assert_eq!(feed(&parse, [&stream[..]]), (ops.clone(), None));
        prop_assert_eq!(feed(&parse, stream.chunks(size)), (ops.clone(), None));
        prop_assert_eq!(feed(&parse, stream.chunks(1)), (ops, None));
    }

    #[test]
    fn a_part_of_an_operation_is_never_another(op in op()) {
        let mut input = Vec::new();
        op.encode(&mut input);
        for cut in 0..input.len() {
            match parse(&input[..cut]) {
                Ok(Progress::More { needed }) => {
                    prop_assert!(cut < needed && needed <= input.len(), "{needed} at {cut}");
                }
                other => prop_assert!(false, "{other:?} at {cut} of {}", input.len()),
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse_server(&input, &ParseLimits::default());
    }
}
