//! Losses by reason, in JSON.

use floodway::{LossReason, Losses};
use serde::{Serialize, Serializer};

/// Every reason with its count, those without a loss included, so that a reader need not tell
/// "none" from "not known here".
#[derive(Debug)]
pub(super) struct ByReason(pub(super) Losses);

impl Serialize for ByReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = |reason: LossReason| (reason.name(), self.0.of(reason));
        serializer.collect_map(LossReason::ALL.map(count))
    }
}
