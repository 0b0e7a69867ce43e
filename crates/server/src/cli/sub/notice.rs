//! What the server says about a subscription in the headers of its messages.

use crate::cli::client::failure::counted;
use crate::cli::client::print::header_value;

const MISSED: &str = "Floodway-Missed";
const MISSED_RANGE: &str = "Floodway-Missed-Range";
const MISSED_REASON: &str = "Floodway-Missed-Reason";
const END_CODE: &str = "Floodway-End-Code";
const END_REASON: &str = "Floodway-End-Reason";

/// Messages lost before the one that says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) count: u64,
    /// `17-136`: sequence numbers of the subscription.
    range: Option<String>,
    /// `dropped_oldest=100, expired=20`.
    reasons: Option<String>,
}

/// Why a subscription is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    reason: String,
    code: Option<String>,
}

impl Missed {
    pub(super) fn read(headers: &[u8]) -> Option<Missed> {
        Some(Missed {
            count: header_value(headers, MISSED)?.parse().ok()?,
            range: header_value(headers, MISSED_RANGE),
            reasons: header_value(headers, MISSED_REASON),
        })
    }

    /// `missed 120 messages here (17-136: dropped_oldest 100, expired 20)`.
    pub(super) fn line(&self) -> String {
        let reasons = self.reasons.as_ref().map(|reasons| reasons.replace('=', " "));
        let detail = [self.range.clone(), reasons].into_iter().flatten().collect::<Vec<_>>();
        let missed = counted(self.count, "message");
        if detail.is_empty() {
            return format!("missed {missed} here");
        }
        format!("missed {missed} here ({})", detail.join(": "))
    }
}

impl End {
    pub(super) fn read(headers: &[u8]) -> Option<End> {
        let code = header_value(headers, END_CODE);
        Some(End { reason: header_value(headers, END_REASON)?, code })
    }

    /// `the server ended the subscription to x: out of capacity ... (out_of_capacity)`.
    pub(super) fn line(&self, subject: &str) -> String {
        let code = self.code.as_ref().map_or(String::new(), |code| format!(" ({code})"));
        format!("the server ended the subscription to {subject}: {}{code}", self.reason)
    }
}
