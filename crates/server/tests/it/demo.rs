//! `floodway demo`, as it is without a terminal: it tells the truth, and its sums hold.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::FLOODWAY;

/// A demo in a process of its own; it ends by itself or with the test.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
    text: String,
}

impl Demo {
    fn start(args: &[&str]) -> Demo {
        let mut child = Command::new(FLOODWAY)
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Demo { child, out, text: String::new() }
    }

    /// Reads on until a line has `word`.
    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "no {word:?} in {}", self.text);
            self.text.push_str(&line);
        }
    }

    /// Waits for the end, which must be a good one; everything that it printed.
    fn finish(mut self) -> String {
        self.out.read_to_string(&mut self.text).unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = self.child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{errors}\n{}", self.text);
        assert_eq!(errors, "");
        std::mem::take(&mut self.text)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the closing table says of one consumer.
#[derive(Debug)]
struct Sum {
    matched: u64,
    delivered: u64,
    lost: u64,
    conflated: u64,
    expired: u64,
    queued: u64,
}

/// The rows `name matched = delivered + lost + ...` by name.
fn sums(text: &str) -> HashMap<&str, Sum> {
    let (_, table) = text.split_once("matched = delivered").expect("a closing table");
    let rows = table.lines().filter_map(|line| {
        let (name, sum) = line.trim().split_once(' ')?;
        let numbers = sum.split(['=', '+']).map(|number| number.trim().parse());
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
        let [matched, delivered, lost, conflated, expired, queued] = numbers[..] else {
            return None;
        };
        Some((name, Sum { matched, delivered, lost, conflated, expired, queued }))
    });
    rows.collect()
}

fn assert_screens(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?} is too wide");
        assert!(!line.contains(char::is_control), "{line:?} steers a terminal");
    }
}

#[test]
fn it_shows_what_slow_consumers_cost_and_its_sums_hold() {
    let text = Demo::start(&["--plain", "--seconds", "5"]).finish();
    assert_screens(&text);
    let sums = sums(&text);
    assert_eq!(sums.len(), 4, "{text}");
    for (name, sum) in &sums {
        let places = sum.delivered + sum.lost + sum.conflated + sum.expired + sum.queued;
        assert_eq!(sum.matched, places, "{name}: {text}");
        assert!(sum.matched > 0, "{name}: {text}");
    }
    let [fast, dashboard, recorder, stalled] =
        ["fast", "dashboard", "recorder", "stalled"].map(|name| &sums[name]);
    assert_eq!(fast.lost + fast.conflated + fast.expired, 0, "{text}");
    assert!(fast.matched > 1000, "{text}");
    assert_eq!(dashboard.matched, fast.matched, "{text}");
    assert!(dashboard.conflated > 0 && dashboard.lost == 0, "{text}");
    assert!(recorder.lost > 0 && recorder.conflated == 0, "{text}");
    // The newest thousand, and what is on its way in the stream.
    assert!(recorder.queued < 3000, "{text}");
    assert!(stalled.matched < fast.matched, "it was ended: {text}");
    assert!(text.contains("\"slow consumer: "), "it was told why: {text}");
    assert!(text.contains("Nothing is unaccounted for."), "{text}");
}

#[test]
fn an_interrupt_ends_it_early_with_the_summary() {
    let mut demo = Demo::start(&["--seconds", "600", "--rate", "1000"]);
    demo.wait_for("stalled");
    demo.wait_for("plain SUB");
    let pid = Pid::from_child(&demo.child);
    kill_process(pid, Signal::INT).unwrap();
    let text = demo.finish();
    assert_screens(&text);
    assert_eq!(sums(&text).len(), 4, "{text}");
    assert!(text.contains("before the server ended it"), "{text}");
}
