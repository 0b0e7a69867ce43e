//! Who is compared.

mod floodway;
mod map;
mod mpsc;
mod smol;
mod tokio;

pub(super) use floodway::{Blocking, Many, OneByOne, OnlyLatest};
pub(super) use map::Map;
pub(super) use mpsc::{Mpsc, MpscMany};
pub(super) use smol::AsyncBroadcast;
pub(super) use tokio::TokioBroadcast;
