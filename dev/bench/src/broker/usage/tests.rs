use super::*;

#[test]
fn ticks_are_found_behind_any_process_name() {
    let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14";
    // State is field 3; user and system are fields 14 and 15.
    assert_eq!(cpu_ticks(stat), Some(11 + 12));
    assert_eq!(cpu_ticks("7 (short) S 1"), None);
}

#[test]
fn this_process_uses_something() {
    let pid = std::process::id();
    assert!(cpu_seconds(pid).is_some());
    assert!(cpu_seconds_of_threads(pid).unwrap() > 0.0);
    assert!(tcp_memory_share().unwrap() < 1.0);
    let (now, peak) = (resident(pid).unwrap(), resident_peak(pid).unwrap());
    assert!(now > 0.0 && peak >= now, "{now} {peak}");
}

#[test]
fn the_memory_of_tcp_is_the_number_behind_its_word() {
    let text =
        "sockets: used 100\nTCP: inuse 7 orphan 0 tw 9 alloc 10 mem 42\nUDP: inuse 1 mem 3\n";
    assert_eq!(tcp_pages(text), Some(42.0));
    assert_eq!(tcp_pages("UDP: inuse 1 mem 3"), None);
}
