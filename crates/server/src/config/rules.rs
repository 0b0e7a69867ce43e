//! What must hold between keys.

use floodway::Overflow;

use super::draft::Draft;
use super::{duration, overflow_rule, size};

/// Checks the rules, and lowers the default mark and burst where the limit was lowered.
pub(super) fn check(draft: &mut Draft<'_>) {
    lame_duck(draft);
    payload(draft);
    mark(draft);
    burst(draft);
    addresses(draft);
    overflow_rule::check(draft);
}

fn lame_duck(draft: &mut Draft<'_>) {
    let shutdown = &draft.config.shutdown;
    if shutdown.lame_duck_grace >= shutdown.lame_duck_duration {
        let message = format!(
            "`lame_duck_grace` ({}) must be shorter than `lame_duck_duration` ({})",
            duration::exact(shutdown.lame_duck_grace),
            duration::exact(shutdown.lame_duck_duration),
        );
        draft
            .wrong_together(&["shutdown.lame_duck_grace", "shutdown.lame_duck_duration"], &message);
    }
}

/// A message larger than a queue may be would end every consumer it is for.
fn payload(draft: &mut Draft<'_>) {
    let payload = draft.config.limits.payload as u64;
    let queues = [
        ("overflow.connection.bytes", draft.config.overflow.connection.bytes),
        ("overflow.subscription.bytes", draft.config.overflow.subscription.bytes),
    ];
    for (path, bytes) in queues {
        if let Some(bytes) = bytes.filter(|bytes| *bytes < payload) {
            let message = format!(
                "`limits.payload` ({}) must not be more than `{path}` ({})",
                size::exact(payload),
                size::exact(bytes),
            );
            draft.wrong_together(&[path, "limits.payload"], &message);
        }
    }
    let overflow = &draft.config.overflow;
    if let Some(granted) =
        granted_bytes(&Overflow::new(overflow.policy.clone(), overflow.subscription))
        && granted < payload
    {
        let message = granted_too_little(payload, granted, "overflow.subscription.bytes");
        draft.wrong_together(&["overflow.policy", "limits.payload"], &message);
    }
}

/// The bytes that a policy without limits of messages and bytes is granted.
pub(super) fn granted_bytes(overflow: &Overflow) -> Option<u64> {
    match overflow.limits.bytes {
        Some(_) => None,
        None => overflow.clone().bounded().limits.bytes,
    }
}

/// Says that a message would not fit into what a policy is granted.
pub(super) fn granted_too_little(payload: u64, granted: u64, set: &str) -> String {
    format!(
        "`limits.payload` ({}) must not be more than the {} that a policy without limits gets; \
         set `{set}`",
        size::exact(payload),
        size::exact(granted),
    )
}

/// Above half of its limit a consumer would be ended before its publishers slow down enough.
/// Only a mark that was asked for is a mistake: whoever lowers the limit alone means the default.
fn mark(draft: &mut Draft<'_>) {
    let Some(bytes) = draft.config.overflow.connection.bytes else { return };
    let most = (bytes / 2).max(1);
    if draft.config.pushback.mark <= most {
        return;
    }
    if draft.is_set("pushback.mark") {
        let message = format!(
            "it must be at most half of `overflow.connection.bytes` ({}), so at most {}",
            size::exact(bytes),
            size::exact(most),
        );
        draft.wrong_together(&["pushback.mark"], &message);
    } else {
        draft.config.pushback.mark = most;
    }
}

/// Whoever lowers the limit alone wants less memory used, not the same earned in another way.
fn burst(draft: &mut Draft<'_>) {
    let Some(bytes) = draft.config.overflow.connection.bytes else { return };
    if !draft.is_set("overflow.connection.burst") {
        let most = bytes.saturating_mul(7);
        draft.config.overflow.burst = draft.config.overflow.burst.min(most);
    }
}

fn addresses(draft: &mut Draft<'_>) {
    let listen = draft.config.listen;
    if listen.port() != 0 && draft.config.http == Some(listen) {
        let message = format!("`listen` and `http` cannot both be {listen}");
        draft.wrong_together(&["http", "listen"], &message);
    }
}
