use std::io;
use std::net::SocketAddr;

use clap::{Args as _, FromArgMatches};

use super::{Args, checked, explain, ports_json, server_option};
use crate::cli::client::failure::Failure;
use crate::config::{Config, Overrides};
use crate::server::StartError;

fn args(args: &[&str]) -> Args {
    let command = Args::augment_args(clap::Command::new("serve"));
    let matches = command.try_get_matches_from([&["serve"], args].concat()).unwrap();
    Args::from_arg_matches(&matches).unwrap()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn every_flag_reaches_its_key_and_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    std::fs::write(&file, "threads = 2\nserver_name = 'file'\nliveness.ping_max = 9").unwrap();
    let typed = "--listen 127.0.0.1:1 --http 127.0.0.1:2 --name flag --threads 3 --log-file l \
        --log-level warn --pid-file p --ports-file q --token t --user u --password w \
        --max-payload 64KiB --max-connections 5 --memory 1GiB --pushback none --config";
    let mut typed: Vec<&str> = typed.split_whitespace().collect();
    typed.push(file.to_str().unwrap());
    let config = checked(&args(&typed)).unwrap();

    assert_eq!(config.auth.token.as_deref(), Some("t"));
    assert_eq!(config.auth.users[0].password, "w");
    let printed = config.to_toml();
    let lines = [
        "listen = \"127.0.0.1:1\"",
        "http = \"127.0.0.1:2\"",
        "server_name = \"flag\"",
        "threads = 3",
        "pid_file = \"p\"",
        "ports_file = \"q\"",
        "file = \"l\"",
        "level = \"warn\"",
        "connections = 5",
        "payload = \"64KiB\"",
        "ping_max = 9",
        "mode = \"none\"",
        "budget = \"1GiB\"",
    ];
    for line in lines {
        assert!(printed.lines().any(|printed| printed == line), "no `{line}` in\n{printed}");
    }
}

#[test]
fn a_wrong_flag_is_a_usage_failure() {
    let failure = checked(&args(&["--memory", "lots"])).unwrap_err();
    let Failure::Usage(text) = failure else { panic!("{failure:?}") };
    assert!(text.starts_with("--memory: `lots` is not a size"), "{text}");
}

#[test]
fn the_ports_file_names_addresses_that_can_be_connected_to() {
    assert_eq!(
        ports_json(addr("0.0.0.0:4300"), Some(addr("[::]:8222"))),
        r#"{"nats":["nats://127.0.0.1:4300"],"http":["http://[::1]:8222"]}"#
    );
    assert_eq!(ports_json(addr("10.0.0.1:1"), None), r#"{"nats":["nats://10.0.0.1:1"],"http":[]}"#);
}

#[test]
fn hints_name_the_server_where_clients_would_not_look() {
    let config = |text| Config::parse("", text, &Overrides::default()).unwrap();
    let open = config("");
    assert_eq!(server_option(addr("127.0.0.1:4222"), &open), "");
    assert_eq!(server_option(addr("0.0.0.0:4222"), &open), "");
    assert_eq!(server_option(addr("127.0.0.1:1"), &open), " --server nats://127.0.0.1:1");

    let token = config("auth.token = 's3cret'");
    let hint = server_option(addr("127.0.0.1:4222"), &token);
    assert_eq!(hint, " --server nats://TOKEN@127.0.0.1:4222");
}

#[test]
fn a_taken_port_is_one_line_with_the_flag_that_helps() {
    let config = Config::parse("", "http = '127.0.0.1:8222'", &Overrides::default()).unwrap();
    for (taken, flag) in [("127.0.0.1:4222", "--listen"), ("127.0.0.1:8222", "--http")] {
        let error = io::ErrorKind::AddrInUse.into();
        let error = StartError::Listen { what: "clients", addr: addr(taken), error };
        let Failure::Usage(text) = explain(&error, &config) else { panic!("exit code 2") };
        assert!(text.contains(taken) && text.contains(flag), "{text}");
        assert!(text.contains("is another server running there?"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}
