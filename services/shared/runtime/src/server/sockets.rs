//! Sockets that are bound before anything else starts, and the address that others are told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tracing::warn;

use super::ServerConfig;
use crate::app::StartError;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// The listeners of a process.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) http: TcpListener,
    pub(crate) grpc: TcpListener,
    pub(crate) aliases: BTreeMap<String, TcpListener>,
    /// Where `http` and `grpc` listen.
    pub(crate) http_bound: SocketAddr,
    pub(crate) grpc_bound: SocketAddr,
}

impl Sockets {
    /// Binds every port of the configuration. An alias port that is taken is named in the log and left out.
    pub(crate) async fn bind(config: &ServerConfig) -> Result<Self, StartError> {
        let ip = resolve(&config.listen_address).await?;
        let listen = |port| {
            let address = SocketAddr::new(ip, port);
            let bound = bind(address).and_then(|listener| listener.local_addr().map(|bound| (listener, bound)));
            bound.map_err(|err| StartError::new(format!("listen on {address}"), err))
        };
        let (http, http_bound) = listen(config.http_port)?;
        let (grpc, grpc_bound) = listen(config.grpc_port)?;
        let mut aliases = BTreeMap::new();
        for (name, port) in config.alias.iter().filter(|(_, port)| **port != 0) {
            match bind(SocketAddr::new(ip, *port)) {
                Ok(listener) => {
                    aliases.insert(name.clone(), listener);
                }
                Err(err) => warn!(alias = name, port, error = %err, "alias port is left out"),
            }
        }
        Ok(Self { http, grpc, aliases, http_bound, grpc_bound })
    }

    /// Opens the port of a name, unless that is open already. 0: any that is free. One that is taken is named in the log and left out.
    pub(crate) fn open(&mut self, name: &str, port: u16) {
        if self.aliases.contains_key(name) {
            return;
        }
        match bind(SocketAddr::new(self.http_bound.ip(), port)) {
            Ok(listener) => {
                self.aliases.insert(name.to_owned(), listener);
            }
            Err(err) => warn!(alias = name, port, error = %err, "alias port is left out"),
        }
    }
}

async fn resolve(host: &str) -> Result<IpAddr, StartError> {
    if let Ok(ip) = host.parse() {
        return Ok(ip);
    }
    let failed = |source: io::Error| StartError::new(format!("resolve server.listen_address {host}"), source);
    let mut found = lookup_host((host, 0)).await.map_err(failed)?;
    found.next().map(|address| address.ip()).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// Listens on an address; a restarted process may take the port of its predecessor at once.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The host that other processes are told.
pub(crate) fn advertised(config: &ServerConfig, bound: SocketAddr) -> String {
    if !config.advertise_address.is_empty() {
        return config.advertise_address.clone();
    }
    if bound.ip().is_unspecified() { machine().to_string() } else { bound.ip().to_string() }
}

/// The address from which the machine speaks to others. Connecting a UDP socket sends nothing: it asks for the route
/// to a network that is kept for documentation (RFC 5737).
fn machine() -> IpAddr {
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    asked.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
