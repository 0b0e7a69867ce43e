use std::collections::BTreeSet;
use std::time::Duration;

use floodway::{Limits, Policy};
use toml::de::{DeTable, DeValue};

use super::keys::KEYS;
use super::{Config, ConnectionLimits, Overrides, PushbackMode};

const DEFAULT_FILE: &str = include_str!("../../../../config/default.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("f.toml", text, &Overrides::default()).map_err(|error| error.to_string())
}

fn flags(flags: &[(&'static str, &'static str, &str)]) -> Overrides {
    let mut overrides = Overrides::default();
    for (flag, key, text) in flags {
        overrides.set(flag, key, Some(text));
    }
    overrides
}

#[test]
fn the_default_file_is_the_default() {
    assert_eq!(parse(DEFAULT_FILE), Ok(Config::default()));
    assert_eq!(parse(""), Ok(Config::default()));
}

#[test]
fn the_default_file_has_every_key_with_a_comment_above_it() {
    let mut found = BTreeSet::new();
    collect(DeTable::parse(DEFAULT_FILE).unwrap().get_ref(), "", &mut found);
    let known: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(found, known);

    let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
    let mut section = "";
    for (above, line) in lines.iter().zip(&lines[1..]) {
        section = if line.starts_with('[') { line } else { section };
        // That section says above its header that it is like the one before.
        let same = section == "[overflow.subscription]" && !line.starts_with("ttl");
        if line.contains(" = ") && !line.starts_with('#') && !same {
            assert!(above.starts_with('#'), "no comment above `{line}`");
        }
    }
}

fn collect(table: &DeTable<'_>, prefix: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{path}."), found),
            _ => assert!(found.insert(path)),
        }
    }
}

/// Every key but the secrets, none with its default, as it is printed.
const CHANGED: &str = "\
listen = \"127.0.0.2:4300\"
http = \"[::1]:8222\"
server_name = \"north\"
threads = 3
pid_file = \"/run/f.pid\"
ports_file = 'p \"q\".json'
extract = [
    { subject = \"a.>\", json = { \"b\" = \"/b\", \"c.d\" = \"/c/d\" }, events = \"/e\" },
    { subject = \"b\", text = '(?<l>\\w+)' },
]

[log]
file = \"f.log\"
level = \"debug\"

[auth]
token = \"\"
users = []
timeout = \"5s\"

[limits]
connections = 10
subscriptions = 20
payload = \"2MiB\"
control_line = 1000

[liveness]
ping_interval = \"1m 30s\"
ping_max = 3

[overflow]
policy = \"drop-newest\"
linger = \"0s\"
send_buffer = \"4KiB\"
rules = [
    { subject = \"a.>\", user = \"ann\", policy = \"conflate\", key = \"json:/a\", \
fallback = \"drop-newest\", messages = 0, bytes = \"3MiB\", behind = \"1s\", ttl = \"0s\" },
    { subject = \"a.*\", policy = \"disconnect\", messages = 7, bytes = 0, behind = \"0s\", \
ttl = \"250ms\", query = \"a.b > 5\", dialect = \"strict\" },
]

[overflow.connection]
messages = 1000
bytes = \"8MiB\"
burst = \"24MiB\"
behind = \"250ms\"

[overflow.subscription]
messages = 5
bytes = \"4MiB\"
behind = \"1s\"
ttl = \"2s\"

[pushback]
mode = \"any\"
mark = \"4MiB\"

[memory]
budget = \"64MiB\"

[shutdown]
deadline = \"1s\"
lame_duck_duration = \"40s\"
lame_duck_grace = \"39s 999ms\"
";

#[test]
fn what_is_printed_is_what_was_read() {
    let config = parse(CHANGED).unwrap();
    assert_eq!(config.to_toml(), CHANGED);
    assert_eq!(parse(&Config::default().to_toml()), Ok(Config::default()));

    // The two fields of each kind that a copied row would mix up.
    assert_eq!(config.overflow.connection.messages, Some(1000));
    assert_eq!(config.overflow.subscription.behind, Some(Duration::from_secs(1)));
    assert_eq!(config.overflow.subscription.ttl, Some(Duration::from_secs(2)));
    assert_eq!(config.pushback.mode, PushbackMode::Any);
}

#[test]
fn secrets_are_not_shown_and_their_stand_in_is_refused() {
    let text = "[auth]\ntoken = 't0ken'\nusers = [{ user = 'ann', password = 'pa55' }]";
    let config = parse(text).unwrap();
    assert!(config.auth.required());
    assert_eq!(config.auth.users[0].password, "pa55");
    for shown in [config.to_toml(), format!("{config:?}")] {
        assert!(shown.contains("ann"), "{shown}");
        assert!(!shown.contains("t0ken") && !shown.contains("pa55"), "{shown}");
    }
    let error = parse(&config.to_toml()).unwrap_err();
    assert_eq!(error.matches("stands for a secret that was not printed").count(), 2, "{error}");

    // An error must not repeat the line either.
    let error = parse("auth.users = [{ user = 'ann', password = 'pa55', x = 'y' }]").unwrap_err();
    assert!(error.starts_with("f.toml:1:15: ") && !error.contains("pa55"), "{error}");
}

#[test]
fn zero_and_none_are_no_limit() {
    for none in ["0", "'none'"] {
        let text = format!(
            "limits.subscriptions = {none}\n[overflow.connection]\n\
             messages = {none}\nbytes = {none}\nbehind = {none}\n[overflow.subscription]\n\
             messages = {none}\nbytes = {none}\nbehind = {none}\nttl = {none}"
        );
        let config = parse(&text).unwrap();
        let ConnectionLimits { messages, bytes, behind } = config.overflow.connection;
        assert_eq!((messages, bytes, behind), (None, None, None));
        assert_eq!(config.overflow.subscription, Limits::NONE);
        assert_eq!(config.limits.subscriptions, None);
    }
    assert_eq!(parse("http = 'off'").unwrap().http, None);
    assert_eq!(parse("threads = 0").unwrap().threads, None);
}

#[test]
fn the_default_mark_follows_a_lowered_limit() {
    let text = "limits.payload = 1000\noverflow.connection.bytes = 1001";
    assert_eq!(parse(text).unwrap().pushback.mark, 500);
    assert!(parse(&format!("{text}\npushback.mark = 500")).is_ok());
    assert!(parse(&format!("{text}\npushback.mark = 501")).is_err());
    assert!(parse("pushback.mark = '8MiB'").is_ok());
    assert!(parse("pushback.mark = '100MiB'\noverflow.connection.bytes = 'none'").is_ok());
}

#[test]
fn the_default_burst_follows_a_lowered_limit() {
    let text = "overflow.connection.bytes = '2MiB'";
    assert_eq!(parse(text).unwrap().overflow.burst, 14 << 20);
    assert_eq!(parse(&format!("{text}\noverflow.connection.burst = 0")).unwrap().overflow.burst, 0);
    assert_eq!(parse("overflow.connection.bytes = '1GiB'").unwrap().overflow.burst, 112 << 20);
}

#[test]
fn a_send_buffer_is_a_size_or_the_systems_choice() {
    assert_eq!(Config::default().overflow.send_buffer, Some(128 << 10));
    let read = |value| parse(&format!("overflow.send_buffer = {value}")).unwrap().overflow;
    assert_eq!(read("0").send_buffer, None);
    assert_eq!(read("4096").send_buffer, Some(4096));
    assert_eq!(read("'64MiB'").send_buffer, Some(64 << 20));
}

#[test]
fn a_subscription_gets_any_of_the_policies() {
    for name in Policy::NAMES {
        let config = parse(&format!("overflow.policy = '{name}'")).unwrap();
        assert_eq!(config.overflow.policy, Policy::from_name(name).unwrap());
        assert_eq!(parse(&config.to_toml()), Ok(config));
    }
}

#[test]
fn a_budget_is_a_size_or_a_share() {
    let half = Config::default().memory_budget;
    let whole = parse("memory.budget = '100%'").unwrap().memory_budget;
    assert_eq!(whole / 2, half);
    assert_eq!(parse("memory.budget = '16MiB'").unwrap().memory_budget, 16 << 20);
    let queues = |budget| parse(&format!("memory.budget = '{budget}'")).unwrap().queue_budget();
    assert_eq!((queues("16MiB"), queues("256MiB")), (12 << 20, 192 << 20), "a quarter is kept");
    assert_eq!(queues("8GiB"), (7 << 30) - (32 << 20), "an eighth and 32 MiB");
    for wrong in ["'0%'", "'101%'", "'%'", "'16383KiB'", "50"] {
        assert!(parse(&format!("memory.budget = {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    let cases = [
        ("lissten = ':1'", "1:1", "unknown key `lissten`; did you mean `listen`?"),
        ("\n  [limitz]\nx = 1", "2:4", "unknown key `limitz`; did you mean `limits`?"),
        ("[log]\nlevle = 'info'", "2:1", "`log.levle`; did you mean `log.level`?"),
        ("[log]\nlisten = ':1'", "2:1", "did you mean `listen`, above the first [section]?"),
        ("payload = 1", "1:1", "did you mean `payload` below [limits]?"),
        ("max_payload = 1", "1:1", "did you mean `payload` below [limits]?"),
        ("port = 4222", "1:1", "did you mean `listen`, above"),
        ("zzzzzz = 1", "1:1", "there are `listen`, `http`"),
        ("listen = 4222", "1:10", "write for example \"127.0.0.1:4222\", in quotes"),
        ("listen = 'x", "1:12", "not TOML"),
        ("listen = ':1'\nlisten = ':2'", "2:1", "duplicate key"),
        ("threads = '4'", "1:11", "write a whole number from 0 to 256, without quotes"),
        ("threads = 257", "1:11", "from 0 to 256"),
        ("threads = -1", "1:11", "`-1` does not fit"),
        ("threads = 1.5", "1:11", "a value of type float does not fit"),
        ("server_name = 'a b'", "1:15", "white space"),
        ("pid_file = 3", "1:12", "is not a string; write it in quotes"),
        ("log = 'x'", "1:7", "`log` is a section: write [log], with `file`, `level` in it"),
        ("log.level = 'inof'", "1:13", "did you mean `info`?"),
        ("log.level = 'loud'", "1:13", "none of `error`, `warn`, `info`, `debug`, `trace`"),
        ("auth.token = '$2a$10$abc'", "1:14", "bcrypt"),
        ("auth.timeout = 0", "1:16", "longer than zero"),
        ("auth.users = 'ann'", "1:14", "is not a list"),
        ("auth.users = [{ user = 'a' }]", "1:15", "each user is { user ="),
        ("auth.users = [{ user = '', password = 'p' }]", "1:15", "may be empty"),
        ("[[auth.users]]\nuser = 1", "1:1", "each user is"),
        ("limits.connections = 0", "1:22", "from 1 to 4294967295"),
        ("limits.payload = '1XB'", "1:18", "`1XB` is not a size; write"),
        ("limits.payload = 0", "1:18", "too small; at least 1"),
        ("limits.payload = '1025MiB'", "1:18", "too large; at most 1GiB"),
        ("limits.control_line = 127", "1:23", "at least 128"),
        ("liveness.ping_max = 0", "1:21", "from 1 to 1000"),
        ("overflow.policy = 'spill'", "1:19", "planned but not in this version"),
        ("overflow.policy = 'disconect'", "1:19", "did you mean `disconnect`?"),
        ("overflow.policy = 'drop_newst'", "1:19", "did you mean `drop-newest`?"),
        ("overflow.key = 'subject'", "1:10", "it is for one of `overflow.rules`"),
        ("overflow.connection.ttl = '1s'", "1:21", "a time to live is for subscriptions"),
        ("overflow.connection.policy = 'conflate'", "1:21", "a connection always ends"),
        ("overflow.subscription.tll = '1s'", "1:23", "did you mean `overflow.subscription.ttl`?"),
        ("overflow.send_buffer = 4095", "1:24", "at least 4KiB, or 0 for the system's choice"),
        ("overflow.send_buffer = '65MiB'", "1:24", "at most 64MiB"),
        (
            "overflow.policy = 'conflate'\nlimits.payload = '16385KiB'\n\
             overflow.connection.bytes = 0",
            "1:19",
            "`limits.payload` (16385KiB) must not be more than the 16MiB that",
        ),
        ("overflow.linger = 2", "1:19", "write \"2s\" or \"2ms\""),
        ("pushback.mode = 'all'", "1:17", "`all` is none of `most`, `any`, `none`"),
        ("pushback.mark = '9MiB'", "1:17", "at most 8MiB"),
        ("shutdown.lame_duck_grace = '2m'", "1:28", "shorter than `lame_duck_duration` (2m)"),
        ("shutdown.lame_duck_duration = '9s'", "1:31", "(10s) must be shorter"),
        ("overflow.connection.bytes = '1MB'", "1:29", "(1MiB) must not be more than"),
        ("overflow.subscription.bytes = 1", "1:31", "`overflow.subscription.bytes` (1)"),
        ("http = '127.0.0.1:4222'", "1:8", "cannot both be 127.0.0.1:4222"),
    ];
    for (text, place, expected) in cases {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(&format!("f.toml:{place}: ")), "{text}\n{error}");
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn the_caret_is_below_its_text() {
    let error = parse("# ü\n\tlisten = 'ü'\r\nhttp = ''").unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with("f.toml:2:11: wrong value for `listen`: "), "{error}");
    assert_eq!(lines[1..], ["  |", "2 | \tlisten = 'ü'", "  | \t         ^^^"]);
    // A value of several lines is marked on its first one.
    let error = parse("listen = '''a\nb'''").unwrap_err();
    assert!(error.ends_with("1 | listen = '''a\n  |          ^^^^"), "{error}");
}

#[test]
fn all_mistakes_are_told_from_top_to_bottom() {
    let text = "threads = 'x'\nlissten = 1\n[limits]\npayload = 'y'";
    let flags = flags(&[("--pushback", "pushback.mode", "both")]);
    let error = Config::parse("f.toml", text, &flags).unwrap_err().to_string();
    let starts = ["f.toml:1:11:", "f.toml:2:1:", "f.toml:4:11:", "--pushback: `both` is none of"];
    let places: Vec<usize> = starts.iter().map(|start| error.find(start).unwrap()).collect();
    assert!(places.is_sorted(), "{error}");
}

#[test]
fn flags_win_over_the_file() {
    let text = "listen = ':1'\nthreads = 2\nauth.users = [{ user = 'a', password = 'b' }]";
    let mut flags =
        flags(&[("--listen", "listen", ":5"), ("--max-payload", "limits.payload", "5")]);
    flags.set_user("x", "y");
    flags.set("--threads", "threads", None);
    let config = Config::parse("f.toml", text, &flags).unwrap();
    assert_eq!(config.listen.port(), 5);
    assert_eq!(config.limits.payload, 5);
    assert_eq!(config.threads.unwrap().get(), 2);
    let users: Vec<&str> = config.auth.users.iter().map(|user| user.user.as_str()).collect();
    assert_eq!(users, ["x"]);
}

#[test]
fn mistakes_in_flags_name_the_flag() {
    let cases = [
        (("--threads", "threads", "many"), "--threads: `many` does not fit; write a whole number"),
        (("--max-payload", "limits.payload", "1XB"), "--max-payload: `1XB` is not a size"),
        (("--max-payload", "limits.payload", "65MiB"), "--max-payload: `limits.payload` (65MiB)"),
        (("--listen", "listen", "4222"), "--listen: `4222` has no host"),
        (("--memory", "memory.budget", "0%"), "--memory: `0%` is not a share"),
    ];
    for (flag, expected) in cases {
        let error = Config::parse("", "", &flags(&[flag])).unwrap_err().to_string();
        assert!(error.starts_with(expected) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let error = Config::load(Some(&path), &Overrides::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration file"), "{error}");
    assert!(error.contains("none.toml") && !error.contains('\n'), "{error}");

    std::fs::write(&path, "threads = 7").unwrap();
    let config = Config::load(Some(&path), &Overrides::default()).unwrap();
    assert_eq!(config.threads.unwrap().get(), 7);
}
