use super::*;

#[test]
fn a_stamp_comes_back_as_it_was_written() {
    for size in [16, 17, 128, 65536] {
        let mut payload = blank(size);
        let stamp = Stamp { publisher: 65535, sequence: (1 << 48) - 1, sent_at: u64::MAX };
        stamp.write(&mut payload);
        assert_eq!(payload.len(), size);
        assert_eq!(Stamp::read(&payload, size), Some(stamp), "{size}");
    }
}

#[test]
fn a_damaged_payload_has_no_stamp() {
    let mut payload = blank(128);
    Stamp { publisher: 1, sequence: 2, sent_at: 3 }.write(&mut payload);
    assert_eq!(Stamp::read(&payload[..127], 128), None, "cut");
    assert_eq!(Stamp::read(&payload, 129), None, "another size");
    // The end of its neighbour, as a server that reuses a buffer too early would send.
    payload[127] = seal(3);
    assert_eq!(Stamp::read(&payload, 128), None);
    assert_eq!(Stamp::read(b"", 0), None);
}
