use clap::{CommandFactory, Parser};

use super::Cli;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_is_there_with_a_line_of_help() {
    let cli = Cli::command();
    for name in ["serve", "pub", "sub", "request", "reply", "bench", "demo", "slow", "query"] {
        let command = cli.find_subcommand(name).unwrap_or_else(|| panic!("no command {name}"));
        assert!(command.get_about().is_some(), "{name} has no help");
        assert!(command.get_after_help().is_some(), "{name} has no examples");
    }
}

#[test]
fn what_is_not_understood_is_exit_code_2() {
    let cases: [&[&str]; 5] = [
        &["floodway"],
        &["floodway", "server"],
        &["floodway", "serve", "--lisen", ":1"],
        &["floodway", "serve", "--user", "ann"],
        &["floodway", "serve", "--check", "--print-config"],
    ];
    for args in cases {
        assert_eq!(Cli::try_parse_from(args).unwrap_err().exit_code(), 2, "{args:?}");
    }
    let version = Cli::try_parse_from(["floodway", "--version"]).unwrap_err();
    assert_eq!(version.exit_code(), 0);
    assert_eq!(version.to_string().trim(), concat!("floodway ", env!("CARGO_PKG_VERSION")));
}
