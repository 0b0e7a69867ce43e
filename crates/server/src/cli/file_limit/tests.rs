use super::{OTHER_FILES, wanted};

#[test]
fn the_limit_is_raised_only_as_far_as_needed_and_allowed() {
    let needed = 1000 + OTHER_FILES;
    assert_eq!(wanted(None, None, 1000), None);
    assert_eq!(wanted(Some(needed), Some(needed), 1000), None);
    assert_eq!(wanted(Some(needed - 1), None, 1000), Some(needed));
    assert_eq!(wanted(Some(64), Some(1 << 20), 1000), Some(needed));
    assert_eq!(wanted(Some(64), Some(256), 1000), Some(256));
}
