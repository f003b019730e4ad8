//! Against a server of a few lines that speaks the two commands which are used.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::Mutex;
use runtime::config::HumanDuration;

use super::*;
use crate::cache::tests::{bytes, instruments};

#[derive(Debug, Default)]
struct Served {
    values: Mutex<HashMap<String, Vec<u8>>>,
    connections: AtomicUsize,
    /// Reads commands and does not answer.
    silent: AtomicBool,
    /// Closes each connection after one answer.
    hasty: AtomicBool,
}

/// Listens on a free port; the threads end with the connections, and with the process.
fn serve() -> (SocketAddr, Arc<Served>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(Served::default());
    let shared = served.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let shared = shared.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &shared));
        }
    });
    (address, served)
}

fn answer(stream: TcpStream, served: &Served) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = match words[..] {
            ["mg", key, "k", "v"] => match served.values.lock().get(key) {
                None => b"EN\r\n".to_vec(),
                Some(value) => [format!("VA {} k{key}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
            },
            ["ms", key, len, "T604800"] => {
                let mut value = vec![0; len.parse::<usize>().ok()? + 2];
                reader.read_exact(&mut value).ok()?;
                value.truncate(value.len() - 2);
                served.values.lock().insert(key.to_owned(), value);
                b"HD\r\n".to_vec()
            }
            _ => b"CLIENT_ERROR what?\r\n".to_vec(),
        };
        if !served.silent.load(Ordering::SeqCst) {
            writer.write_all(&reply).ok()?;
        }
        if served.hasty.load(Ordering::SeqCst) {
            return None;
        }
        line.clear();
    }
    None
}

fn config(addresses: &[SocketAddr]) -> MemcachedConfig {
    MemcachedConfig {
        addresses: addresses.iter().map(SocketAddr::to_string).collect(),
        timeout: HumanDuration::from_millis(2000),
        connections: 1,
        ..MemcachedConfig::default()
    }
}

/// Puts a value and waits until the server has it.
async fn put(cache: &Memcached, served: &[&Served], key: &str, value: &'static str) {
    cache.put(key, bytes(value));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !served.iter().any(|served| served.values.lock().values().any(|found| found == value.as_bytes())) {
        assert!(Instant::now() < deadline, "{key} did not arrive");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn values_come_back_and_long_keys_are_hashed() {
    let (address, served) = serve();
    let cache = Memcached::new(&config(&[address]), &instruments());
    assert_eq!(cache.get("a:1").await, None);
    let long = "k".repeat(300);
    for (key, value) in [("a:1", "one"), ("with a space", "two"), (long.as_str(), "three"), ("é", "four"), ("", "five")] {
        put(&cache, &[&served], key, value).await;
        assert_eq!(cache.get(key).await, Some(bytes(value)), "{key}");
    }
    assert_eq!(served.connections.load(Ordering::SeqCst), 1, "the connection is kept");
    let hashed = served.values.lock().keys().filter(|key| key.starts_with("h:") && key.len() == 34).count();
    assert_eq!(hashed, 4);
}

#[tokio::test]
async fn a_server_that_closed_the_connection_is_asked_again_at_once() {
    let (address, served) = serve();
    served.hasty.store(true, Ordering::SeqCst);
    let cache = Memcached::new(&config(&[address]), &instruments());
    put(&cache, &[&served], "a", "one").await;
    for _ in 0..10 {
        assert_eq!(cache.get("a").await, Some(bytes("one")));
    }
}

#[tokio::test]
async fn the_keys_of_a_dead_server_go_to_the_others() {
    let (alive, served) = serve();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let instruments = instruments();
    let cache = Memcached::new(&config(&[alive, dead]), &instruments);
    let keys: Vec<String> = (0..40).map(|number| format!("key{number}")).collect();
    let to_dead = keys.iter().filter(|key| cache.server(key).unwrap().address == dead.to_string()).count();
    assert!((3..=37).contains(&to_dead), "{to_dead} of 40");
    for key in &keys {
        assert_eq!(cache.get(key).await, None);
    }
    assert!(keys.iter().all(|key| cache.server(key).unwrap().address == alive.to_string()));
    assert_eq!(instruments.failures("memcached", "get", "connect").get(), 1, "it was tried once");
    put(&cache, &[&served], &keys[0], "one").await;
    assert_eq!(cache.get(&keys[0]).await, Some(bytes("one")));
}

#[tokio::test]
async fn a_silent_server_costs_its_timeout_and_then_nothing() {
    let (address, served) = serve();
    served.silent.store(true, Ordering::SeqCst);
    let timeout = HumanDuration::from_millis(30);
    let cache = Memcached::new(&MemcachedConfig { timeout, ..config(&[address]) }, &instruments());
    let deadline = Instant::now() + Duration::from_secs(10);
    while cache.server("a").is_some() {
        assert_eq!(cache.get("a").await, None);
        assert!(Instant::now() < deadline, "it is still asked");
    }
    assert_eq!(cache.get("a").await, None);
}

#[tokio::test]
async fn a_server_that_is_back_is_used_again() {
    let (address, served) = serve();
    served.silent.store(true, Ordering::SeqCst);
    let settings =
        MemcachedConfig { timeout: HumanDuration::from_millis(200), skip_dead_for: HumanDuration::from_millis(1), ..config(&[address]) };
    let cache = Memcached::new(&settings, &instruments());
    assert_eq!(cache.get("a").await, None);
    served.silent.store(false, Ordering::SeqCst);
    served.values.lock().insert("a".to_owned(), b"one".to_vec());
    let deadline = Instant::now() + Duration::from_secs(10);
    while cache.get("a").await.is_none() {
        assert!(Instant::now() < deadline, "it is not asked again");
    }
}

#[tokio::test]
async fn what_is_too_long_or_too_much_is_not_sent() {
    let (address, served) = serve();
    served.silent.store(true, Ordering::SeqCst);
    let instruments = instruments();
    let settings = MemcachedConfig { max_queued: 2, max_value: runtime::config::ByteSize(10), ..config(&[address]) };
    let cache = Memcached::new(&settings, &instruments);
    cache.put("a", Bytes::from(vec![0; 11]));
    assert_eq!(instruments.failures("memcached", "set", "too-large").get(), 1);
    for _ in 0..10 {
        cache.put("a", Bytes::from(vec![0; 10]));
    }
    assert!(instruments.failures("memcached", "set", "queue-full").get() >= 7);
}
