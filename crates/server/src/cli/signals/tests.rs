use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::{Desk, Signals, Wish};

/// A desk without the system's signals, which belong to the whole test process.
fn desk(is_hangup_stop: bool) -> (Desk, Signals) {
    let (sender, wishes) = channel();
    let is_stop_wished = Arc::new(AtomicBool::new(false));
    let signals = Signals { wishes, is_stop_wished: Arc::clone(&is_stop_wished) };
    (Desk { is_hangup_stop, is_stop_wished, wishes: sender }, signals)
}

fn unexpected() {
    panic!("this signal means something else");
}

#[test]
fn the_first_stop_is_a_wish_and_the_second_aborts() {
    let (desk, signals) = desk(false);
    let aborts = Cell::new(0);
    let abort = || aborts.set(aborts.get() + 1);
    assert!(!signals.is_stop_wished());

    desk.take(SIGTERM, &unexpected, &abort);
    assert_eq!((signals.wait(), aborts.get()), (Wish::Stop, 0));
    assert!(signals.is_stop_wished());
    desk.take(SIGINT, &unexpected, &abort);
    assert_eq!(aborts.get(), 1);
}

#[test]
fn a_stop_during_lame_duck_mode_is_not_an_abort() {
    let (desk, signals) = desk(false);
    desk.take(SIGUSR2, &unexpected, &unexpected);
    assert_eq!(signals.wait(), Wish::LameDuck);
    desk.take(SIGUSR2, &unexpected, &unexpected);
    assert!(!signals.is_stop_wished());
    desk.take(SIGTERM, &unexpected, &unexpected);
    assert!(signals.is_stop_wished());
}

#[test]
fn a_hangup_reopens_the_log_unless_the_terminal_is_gone() {
    let reopened = Cell::new(0);
    let reopen = || reopened.set(reopened.get() + 1);
    let (daemon, _signals) = desk(false);
    daemon.take(SIGUSR1, &reopen, &unexpected);
    daemon.take(SIGHUP, &reopen, &unexpected);
    assert_eq!(reopened.get(), 2);

    let (in_terminal, signals) = desk(true);
    in_terminal.take(SIGHUP, &unexpected, &unexpected);
    assert_eq!(signals.wait(), Wish::Stop);
}

#[test]
fn without_a_signal_thread_the_server_stops() {
    let (desk, signals) = desk(false);
    drop(desk);
    assert_eq!(signals.wait(), Wish::Stop);
}
