//! Tests of what both directions share.

use super::*;

#[test]
fn texts_are_those_that_clients_compare() {
    let texts = [
        (Violation::UnknownOperation, Some("Unknown Protocol Operation")),
        (Violation::ControlLineTooLong, Some("maximum control line exceeded")),
        (Violation::PayloadTooLarge, Some("Maximum Payload Violation")),
        (Violation::Arguments, None),
    ];
    for (violation, text) in texts {
        assert_eq!(violation.wire_text(), text);
        assert!(violation.to_string().starts_with("the peer "));
    }
}

#[test]
fn default_limits_are_the_protocols() {
    let limits = ParseLimits::default();
    assert_eq!((limits.control_line, limits.payload), (4096, 1_048_576));
}
