//! A running floodway: the listeners, the shards that serve them, and how they end.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use floodway::{Extract, Limits, Overflow, PushbackMode};
use floodway_broker::{Access, Broker, BrokerConfig, Rule, Rules, User};
use floodway_wire::nats::ParseLimits;
use mio::net::TcpListener;
use mio::{Poll, Waker};

use crate::config::{self, Config};
use crate::http::{self, HttpServer, StatusSource};
use crate::nats::{ServerFacts, Settings};
use crate::shard::{Command, Shard, ShardHandle, WAKER};

/// How often a lame duck closes some of its clients.
const LAME_DUCK_STEP: Duration = Duration::from_millis(100);

/// Why a server could not start; each is one line for the operator.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be listened on.
    Listen {
        /// For what.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Threads or pollers could not be made.
    System(io::Error),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The event loops.
#[derive(Debug)]
struct Shards {
    handles: Vec<Arc<ShardHandle>>,
    threads: Vec<JoinHandle<()>>,
}

/// A running server; dropping it does not stop it, [`Server::shutdown`] does.
#[derive(Debug)]
pub struct Server {
    broker: Arc<Broker>,
    shards: Shards,
    http: Option<HttpServer>,
    client_addr: SocketAddr,
    server_id: String,
    config: Config,
}

impl Server {
    /// Listens and serves until told otherwise.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running then.
    pub fn start(config: Config) -> Result<Server, StartError> {
        let listener = TcpListener::bind(config.listen).map_err(|error| StartError::Listen {
            what: "client connections",
            addr: config.listen,
            error,
        })?;
        let client_addr = listener.local_addr()?;
        let broker = Arc::new(Broker::new(broker_config(&config)));
        let server_id = new_server_id(client_addr);
        let settings = Arc::new(settings(&config, &server_id, client_addr));
        let http = start_http(&config, &settings, &broker)?;
        let shards = start_shards(&config, listener, &broker, &settings)?;
        Ok(Server { broker, shards, http, client_addr, server_id, config })
    }

    /// Where NATS clients connect (the real port, also when 0 was asked for).
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Where the status pages are, if they were asked for.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::addr)
    }

    /// The id that INFO carries.
    pub fn server_id(&self) -> &str {
        &self.server_id
    }

    /// What the connections are sessions of.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Event-loop threads that serve.
    pub fn thread_count(&self) -> usize {
        self.shards.threads.len()
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        self.shards.handles.iter().for_each(|shard| shard.send(command()));
    }

    /// Stops accepting, lets every client read what was accepted for it, and ends; true if all
    /// was flushed before the deadline.
    ///
    /// # Blocking
    ///
    /// Up to the deadline, and a moment.
    pub fn shutdown(self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        // First nobody reads, then everybody drains: otherwise a shard that still reads could
        // accept a message for a client that another shard has let go.
        let (done, all_done) = mpsc::channel();
        self.tell_all(|| Command::StopReading(done.clone()));
        drop(done);
        for _ in &self.shards.handles {
            let left = until.saturating_duration_since(Instant::now());
            if all_done.recv_timeout(left).is_err() {
                break;
            }
        }
        self.tell_all(|| Command::DrainAll(until));
        for thread in self.shards.threads {
            if thread.join().is_err() {
                tracing::error!("A shard has panicked");
            }
        }
        if let Some(http) = self.http {
            http.stop();
        }
        self.broker.registry().totals(Instant::now()).losses.of(floodway::LossReason::Stopped) == 0
    }

    /// Lame duck: stops accepting, tells clients with INFO `ldm:true`, waits the grace period, then
    /// closes them spread over the rest of the lame duck duration. Returns when the last is gone.
    ///
    /// # Blocking
    ///
    /// For the lame duck duration; `interrupted` is asked every 100 ms and ends it early.
    pub fn lame_duck(&self, interrupted: &dyn Fn() -> bool) {
        let started = Instant::now();
        let (grace, duration) =
            (self.config.shutdown.lame_duck_grace, self.config.shutdown.lame_duck_duration);
        self.tell_all(|| Command::StopAccepting);
        self.tell_all(|| Command::LameDuck);
        loop {
            let open = self.broker.registry().open_count();
            let passed = started.elapsed();
            if open == 0 || interrupted() || passed >= duration {
                return;
            }
            if passed >= grace {
                let steps = (duration - passed).as_millis() / LAME_DUCK_STEP.as_millis() + 1;
                let some = open.div_ceil(steps as usize).div_ceil(self.shards.handles.len());
                self.tell_all(|| Command::DrainSome(some));
            }
            std::thread::sleep(LAME_DUCK_STEP);
        }
    }
}

fn start_shards(
    config: &Config,
    listener: TcpListener,
    broker: &Arc<Broker>,
    settings: &Arc<Settings>,
) -> Result<Shards, StartError> {
    let count = thread_count(config);
    let mut polls = Vec::new();
    let mut handles = Vec::new();
    for _ in 0..count {
        let poll = Poll::new()?;
        let (handle, commands) = ShardHandle::new(Waker::new(poll.registry(), WAKER)?);
        polls.push((poll, (handle.clone(), commands)));
        handles.push(handle);
    }
    let mut listener = Some(listener);
    let mut threads = Vec::new();
    for (n, (poll, own)) in polls.into_iter().enumerate() {
        let (broker, settings) = (broker.clone(), settings.clone());
        let mut shard = Shard::new(poll, own, handles.clone(), broker, settings);
        if let Some(listener) = listener.take() {
            shard.listen(listener)?;
        }
        let name = format!("shard-{n}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || shard.run())?);
    }
    Ok(Shards { handles, threads })
}

/// Event-loop threads to start. Half the CPUs unless configured: the clients, and the rest of the
/// machine, need the others (docs/adr/0002).
fn thread_count(config: &Config) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.threads.map_or((cpus / 2).clamp(1, 8), NonZeroUsize::get)
}

fn start_http(
    config: &Config,
    settings: &Settings,
    broker: &Arc<Broker>,
) -> Result<Option<HttpServer>, StartError> {
    let Some(addr) = config.http else { return Ok(None) };
    let now = SystemTime::now();
    let source = StatusSource {
        broker: broker.clone(),
        server_id: settings.facts.server_id.clone(),
        server_name: settings.facts.server_name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        client_addr: settings.facts.addr,
        max_payload: config.limits.payload,
        max_connections: config.limits.connections,
        ping_interval: config.liveness.ping_interval,
        ping_max: config.liveness.ping_max,
        auth_required: settings.facts.auth_required,
        threads: thread_count(config),
        started: now,
        config_load_time: now,
    };
    let started = http::start(addr, source);
    started.map(Some).map_err(|error| StartError::Listen { what: "status pages", addr, error })
}

fn broker_config(config: &Config) -> BrokerConfig {
    let overflow = &config.overflow;
    BrokerConfig {
        memory_budget: config.queue_budget(),
        connection: Overflow::disconnect(Limits {
            messages: overflow.connection.messages,
            bytes: overflow.connection.bytes,
            behind: overflow.connection.behind,
            ttl: None,
        }),
        burst: overflow.burst,
        subscription: Overflow::new(overflow.policy.clone(), overflow.subscription),
        rules: rules(config),
        extract: extract(config),
        mark: config.pushback.mark,
        pushback: match config.pushback.mode {
            config::PushbackMode::Most => PushbackMode::Most,
            config::PushbackMode::Any => PushbackMode::Any,
            config::PushbackMode::None => PushbackMode::None,
        },
        max_subscriptions: config.limits.subscriptions,
        access: access(config),
    }
}

fn rules(config: &Config) -> Rules {
    let rule = |rule: &config::OverflowRule| Rule {
        subject: rule.subject.clone(),
        user: rule.user.clone(),
        overflow: Arc::new(rule.overflow.clone().bounded()),
        query: rule.query.as_ref().map(|of| of.query.clone()),
    };
    Rules::new(config.overflow.rules.iter().map(rule).collect())
}

fn extract(config: &Config) -> Vec<Extract> {
    let one = |one: &config::ExtractConfig| Extract {
        filter: one.subject.clone(),
        extraction: one.extraction.clone(),
    };
    config.extract.iter().map(one).collect()
}

fn access(config: &Config) -> Access {
    let users = config.auth.users.iter();
    Access {
        token: config.auth.token.clone(),
        users: users
            .map(|known| User { user: known.user.clone(), password: known.password.clone() })
            .collect(),
    }
}

fn settings(config: &Config, server_id: &str, addr: SocketAddr) -> Settings {
    Settings {
        facts: ServerFacts {
            server_id: server_id.to_owned(),
            server_name: config.server_name.clone().unwrap_or_else(|| server_id.to_owned()),
            addr,
            max_payload: config.limits.payload,
            auth_required: access(config).is_required(),
        },
        parse_limits: ParseLimits {
            control_line: config.limits.control_line,
            payload: config.limits.payload,
        },
        max_connections: config.limits.connections,
        auth_timeout: config.auth.timeout,
        ping_interval: config.liveness.ping_interval,
        ping_max: config.liveness.ping_max,
        linger: config.overflow.linger,
        send_buffer: config.overflow.send_buffer.and_then(|bytes| usize::try_from(bytes).ok()),
    }
}

/// An id in the shape clients expect: `N` and 55 characters of base 32. It only has to differ
/// between servers, so it is drawn from what differs: the time, the process and the address.
fn new_server_id(addr: SocketAddr) -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut id = String::from("N");
    while id.len() < 56 {
        let mut bits = RandomState::new().hash_one((std::process::id(), addr, id.len()));
        for _ in 0..12 {
            id.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(bits & 31) as usize]));
            bits >>= 5;
        }
    }
    id.truncate(56);
    id
}

#[cfg(test)]
mod tests {
    use floodway::{Filter, Policy};

    use super::*;
    use crate::config::Overrides;

    fn parse(text: &str) -> Config {
        Config::parse("", text, &Overrides::default()).unwrap()
    }

    #[test]
    fn the_broker_gets_the_rules_and_each_of_them_a_bound() {
        let text = "[overflow]\npolicy = 'conflate'\nsubscription.ttl = '3s'\n\
                    connection.behind = '7s'\nrules = [\n\
                    { subject = 'a.>', user = 'ann', policy = 'drop-oldest' },\n\
                    { subject = 'a.>', policy = 'drop-newest', messages = 5, ttl = 0 }]";
        let broker = broker_config(&parse(text));
        let find = |subject, user| {
            let found = broker.rules.find(&Filter::new(subject).unwrap(), user);
            found.map(|rule| (*rule.overflow).clone())
        };
        let ttl = Some(Duration::from_secs(3));
        let bounded = Limits { messages: Some(65_536), bytes: Some(16 << 20), behind: None, ttl };
        assert_eq!(find("a.b", Some("ann")), Some(Overflow::new(Policy::DropOldest, bounded)));
        let five = Limits { messages: Some(5), ..Limits::NONE };
        assert_eq!(find("a.*", Some("bob")), Some(Overflow::new(Policy::DropNewest, five)));
        assert_eq!(find("b", None), None);
        assert_eq!(broker.subscription.policy, Policy::from_name("conflate").unwrap());
        assert_eq!(broker.subscription.limits, Limits { ttl, ..Limits::NONE });
        let Limits { behind, ttl, .. } = broker.connection.limits;
        assert_eq!((behind, ttl), (Some(Duration::from_secs(7)), None));
        assert_eq!(broker.connection.policy, Policy::Disconnect);
    }

    #[test]
    fn the_size_of_the_send_buffer_is_passed_on() {
        let passed = |text| settings(&parse(text), "id", "127.0.0.1:1".parse().unwrap());
        assert_eq!(passed("").send_buffer, Some(128 * 1024));
        assert_eq!(passed("overflow.send_buffer = 0").send_buffer, None);
    }
}
