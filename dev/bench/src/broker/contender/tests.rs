use super::*;

#[test]
fn the_port_is_read_from_a_whole_ports_file_only() {
    let text = r#"{"nats":["nats://127.0.0.1:41231"],"http":["http://127.0.0.1:8222"]}"#;
    let port = |text: &str, what: &str| address_in(text, what).map(|addr| addr.port());
    assert_eq!((port(text, "nats"), port(text, "http")), (Some(41231), Some(8222)));
    for end in 0..text.len() {
        assert_eq!(port(&text[..end], "nats"), None, "cut at {end}");
    }
    assert_eq!(port(r#"{"nats":[]}"#, "nats"), None);
    assert_eq!(port(text, "other"), None);
}

#[test]
fn a_program_that_is_not_there_is_no_contender() {
    assert!(Contender::new(Kind::Nats, "/nonexistent/nats-server".into()).is_err());
    // It runs, but is no server: it has nothing to say about its version.
    assert!(Contender::new(Kind::Nats, "/bin/false".into()).is_err());
}
