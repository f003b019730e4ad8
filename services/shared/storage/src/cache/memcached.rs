//! The cache in memcached servers, which several processes share.
//!
//! The client library blocks, so each connection has a thread, fed by a bounded queue per server. Of its layers the bare connection is
//! used: that one has a deadline for a whole exchange, and leaves pools and retries to us. It speaks the meta commands of
//! memcached 1.6 (<https://github.com/memcached/memcached/blob/master/doc/protocol.txt>).

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use memcache::exp::{MetaCommand, MetaConnection, MetaOp, ReturnCode};
use runtime::Chain;
use tokio::sync::oneshot;
use tracing::warn;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use super::queue::Queue;
use super::{Cache, Instruments, MemcachedConfig};

const BACKEND: &str = "memcached";
/// Longer keys are sent as their hash; the protocol takes 250 bytes.
const MAX_KEY: usize = 200;
/// Exchanges with a server that may fail one after the other before it is left alone.
const FAILURES: u32 = 3;
/// Longest expiry in seconds: servers take larger numbers for dates.
const MAX_EXPIRY: u64 = 30 * 86_400;

/// Memcached servers. Each key lives on the one of them that rendezvous hashing chooses among those that answer.
#[derive(Debug)]
pub struct Memcached {
    servers: Vec<Arc<Server>>,
    timeout: Duration,
    max_value: u64,
    instruments: Instruments,
}

/// A server, as its threads see it.
#[derive(Debug)]
struct Server {
    address: String,
    /// What makes its scores differ from those of the others.
    seed: u64,
    queue: Queue<Request>,
    health: Health,
    timeout: Duration,
    /// The flag of a set that says how long the value is kept.
    expiry: String,
    instruments: Instruments,
}

#[derive(Debug)]
enum Request {
    Get { key: String, answer: oneshot::Sender<Option<Bytes>> },
    Set { key: String, value: Bytes },
}

/// Whether a server answers.
#[derive(Debug)]
struct Health {
    begin: Instant,
    skip_for: Duration,
    failures: AtomicU32,
    /// Milliseconds after `begin` until which it is left alone.
    dead_until: AtomicU64,
}

impl Memcached {
    /// Starts the threads for the servers of `config`; they connect when there is something to do. The threads end after the value is
    /// dropped, at the latest with the timeout of what they do then.
    #[must_use]
    pub fn new(config: &MemcachedConfig, instruments: &Instruments) -> Self {
        let expiry = u64::try_from(config.expiry.as_ms() / 1000).unwrap_or(0).min(MAX_EXPIRY);
        let timeout = config.timeout.get().max(Duration::from_millis(1));
        let server = |address: &String| {
            Arc::new(Server {
                address: address.clone(),
                seed: xxh3_64(address.as_bytes()),
                queue: Queue::new(config.max_queued),
                health: Health::new(config.skip_dead_for.get()),
                timeout,
                expiry: format!("T{expiry}"),
                instruments: instruments.clone(),
            })
        };
        let servers: Vec<Arc<Server>> = config.addresses.iter().map(server).collect();
        for server in &servers {
            for _ in 0..config.connections.max(1) {
                let worker = server.clone();
                let spawned = std::thread::Builder::new().name("memcached".to_owned()).spawn(move || worker.work());
                if let Err(err) = spawned {
                    warn!(address = server.address, error = %Chain(&err), "a thread for memcached could not be started");
                }
            }
        }
        Self { servers, timeout, max_value: config.max_value.0, instruments: instruments.clone() }
    }

    /// The server of a key: the one with the highest score that is not left alone.
    fn server(&self, key: &str) -> Option<&Arc<Server>> {
        let alive = self.servers.iter().filter(|server| !server.health.is_dead());
        alive.max_by_key(|server| (xxh3_64_with_seed(key.as_bytes(), server.seed), &server.address))
    }
}

impl Cache for Memcached {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let server = self.server(key)?;
            let (answer, answered) = oneshot::channel();
            if server.queue.push(Request::Get { key: wire_key(key), answer }).is_err() {
                self.instruments.failed(BACKEND, "get", "queue-full");
                return None;
            }
            match tokio::time::timeout(self.timeout, answered).await {
                Ok(answered) => answered.ok().flatten(),
                Err(_) => {
                    self.instruments.failed(BACKEND, "get", "timeout");
                    None
                }
            }
        })
    }

    fn put(&self, key: &str, value: Bytes) {
        if value.len() as u64 > self.max_value {
            self.instruments.failed(BACKEND, "set", "too-large");
            return;
        }
        let Some(server) = self.server(key) else { return };
        if server.queue.push(Request::Set { key: wire_key(key), value }).is_err() {
            self.instruments.failed(BACKEND, "set", "queue-full");
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.servers.iter().for_each(|server| server.queue.close());
    }
}

impl Server {
    /// What each of the server's threads does: one request after the other, over a connection of its own.
    fn work(&self) {
        let mut connection = None;
        while let Some(request) = self.queue.pop() {
            match request {
                // Whoever asked has left, or the server was found dead meanwhile.
                Request::Get { answer, .. } if answer.is_closed() || self.health.is_dead() => {}
                Request::Get { key, answer } => {
                    let command = MetaCommand::new(MetaOp::Get, key.clone()).flag("k").flag("v");
                    let value = self.exchange(&mut connection, "get", &command, |response| got(response, &key)).flatten();
                    // It may have given up waiting.
                    drop(answer.send(value.map(Bytes::from)));
                }
                Request::Set { .. } if self.health.is_dead() => {}
                Request::Set { key, value } => {
                    let command = MetaCommand::new(MetaOp::Set, key).value(value).flag(self.expiry.as_str());
                    self.exchange(&mut connection, "set", &command, stored);
                }
            }
        }
    }

    /// Sends a command and reads the answer. A connection that has failed is never used again, since a late answer may wait in it.
    fn exchange<T>(
        &self,
        connection: &mut Option<MetaConnection>,
        operation: &'static str,
        command: &MetaCommand,
        read: impl Fn(memcache::exp::MetaResponse) -> Result<T, memcache::exp::Error>,
    ) -> Option<T> {
        let started = Instant::now();
        let reused = connection.is_some();
        let mut outcome = self.attempt(connection, command).and_then(&read);
        // The server has closed an idle connection, or was started anew: that says nothing about it.
        if reused && outcome.is_err() && started.elapsed() < self.timeout {
            *connection = None;
            outcome = self.attempt(connection, command).and_then(&read);
        }
        match outcome {
            Ok(value) => {
                self.health.answered();
                self.instruments.done(BACKEND, operation, started.elapsed());
                Some(value)
            }
            Err(err) => {
                let connected = connection.take().is_some();
                self.instruments.failed(BACKEND, operation, if connected { "exchange" } else { "connect" });
                if self.health.failed(connected) {
                    let skipped = self.health.skip_for;
                    warn!(address = self.address, error = %Chain(&err), ?skipped, "a memcached server is left alone for a while");
                }
                None
            }
        }
    }

    fn attempt(
        &self,
        connection: &mut Option<MetaConnection>,
        command: &MetaCommand,
    ) -> Result<memcache::exp::MetaResponse, memcache::exp::Error> {
        let connection = match connection {
            Some(open) => open,
            None => connection.insert(self.connect()?),
        };
        connection.execute(command)
    }

    fn connect(&self) -> io::Result<MetaConnection> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let mut connection = MetaConnection::from_stream(stream);
                    connection.set_io_timeout(Some(self.timeout));
                    return Ok(connection);
                }
                Err(err) => last = err,
            }
        }
        Err(last)
    }
}

/// The value of an answer that names the key, `None` for a miss.
fn got(response: memcache::exp::MetaResponse, key: &str) -> Result<Option<Vec<u8>>, memcache::exp::Error> {
    match response.rc() {
        ReturnCode::En => Ok(None),
        ReturnCode::Va if response.flags().any(|flag| flag.strip_prefix(b"k") == Some(key.as_bytes())) => Ok(response.into_value()),
        _ => Err(memcache::exp::Error::Protocol("the answer is not one to this get".to_owned())),
    }
}

fn stored(response: memcache::exp::MetaResponse) -> Result<(), memcache::exp::Error> {
    match response.rc() {
        ReturnCode::Hd | ReturnCode::Ns => Ok(()),
        _ => Err(memcache::exp::Error::Protocol("the answer is not one to a set".to_owned())),
    }
}

/// The key as servers see it: itself, or its hash when it is long or has other characters than visible ASCII ones.
fn wire_key(key: &str) -> String {
    if !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.to_owned()
    } else {
        format!("h:{:032x}", xxh3_128(key.as_bytes()))
    }
}

impl Health {
    fn new(skip_for: Duration) -> Self {
        Self { begin: Instant::now(), skip_for, failures: AtomicU32::new(0), dead_until: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_dead(&self) -> bool {
        self.now() < self.dead_until.load(Ordering::Relaxed)
    }

    fn answered(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Counts a failure; true when the server is left alone from now on. One that cannot be reached is at once.
    fn failed(&self, connected: bool) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if connected && failures < FAILURES {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        let already = self.is_dead();
        let until = self.now().saturating_add(u64::try_from(self.skip_for.as_millis()).unwrap_or(u64::MAX));
        self.dead_until.store(until, Ordering::Relaxed);
        !already
    }
}

#[cfg(test)]
mod tests;
