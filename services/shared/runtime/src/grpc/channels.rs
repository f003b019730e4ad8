//! Channels to the gRPC servers of other processes: one per address, connected when first used.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::config::{ByteSize, HumanDuration};
use crate::error::Chain;
use crate::tls::{ClientTls, ClientTlsConfig, TlsError};

crate::settings! {
    /// `client:` how this process speaks to the gRPC servers of others.
    pub struct ClientConfig {
        /// TLS towards other processes.
        pub tls: ClientTlsConfig = ClientTlsConfig::default(),
        /// How long a connection may take to come about.
        pub connect_timeout: HumanDuration = HumanDuration::from_secs(3),
        /// How often a connection is asked whether it still works.
        pub keepalive: HumanDuration = HumanDuration::from_secs(10),
        /// How long it may take to answer that, before it is given up.
        pub keepalive_timeout: HumanDuration = HumanDuration::from_secs(5),
        /// How long the connection of an address is kept that nobody speaks to.
        pub idle: HumanDuration = HumanDuration::from_secs(600),
        /// Bytes of one gRPC message, in either direction.
        pub max_message: ByteSize = ByteSize(100 << 20),
    }
}

/// Why there is no channel to an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Not `host:port`.
    #[error("{address} is not the address of a gRPC server")]
    Address {
        /// The text.
        address: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The name that the server's certificate should have is none.
    #[error("{0} is not a name that a certificate could have")]
    ServerName(String),
}

/// A peer that cannot even be named is one that is not there.
impl From<ChannelError> for Status {
    fn from(err: ChannelError) -> Self {
        Self::unavailable(Chain(&err).to_string())
    }
}

/// Channels by address. Clones share them. Connections come about when they are used, and again after they broke;
/// one whose peer does not answer its pings is given up.
#[derive(Clone)]
pub struct Channels(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    tls: Option<ClientTls>,
    open: Mutex<HashMap<String, Open>>,
}

struct Open {
    channel: Channel,
    used: Instant,
}

impl Channels {
    /// None yet. Errors: certificates that cannot be read.
    pub fn new(config: &ClientConfig) -> Result<Self, TlsError> {
        let tls = ClientTls::load(&config.tls)?;
        Ok(Self(Arc::new(Inner { config: config.clone(), tls, open: Mutex::default() })))
    }

    /// The channel to `address`, `host:port`. Returns at once: a peer that is not there shows with the first call.
    pub fn get(&self, address: &str) -> Result<Channel, ChannelError> {
        let now = Instant::now();
        let mut open = self.0.open.lock();
        if let Some(known) = open.get_mut(address) {
            known.used = now;
            return Ok(known.channel.clone());
        }
        // A new address is rare: a good moment to look for those that are gone.
        let idle = self.0.config.idle.get();
        open.retain(|_, known| now.duration_since(known.used) < idle);
        let channel = self.0.open(address)?;
        open.insert(address.to_owned(), Open { channel: channel.clone(), used: now });
        Ok(channel)
    }

    /// Forgets the channel to an address: the process there has gone for good.
    pub fn forget(&self, address: &str) {
        self.0.open.lock().remove(address);
    }

    /// Addresses that there are channels to.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.open.lock().len()
    }

    /// True when there is no channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one message: clients are made with `max_decoding_message_size` and `max_encoding_message_size` of it.
    #[must_use]
    pub fn max_message(&self) -> usize {
        usize::try_from(self.0.config.max_message.0).unwrap_or(usize::MAX)
    }
}

impl Inner {
    fn open(&self, address: &str) -> Result<Channel, ChannelError> {
        let failed = |source| ChannelError::Address { address: address.to_owned(), source };
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(failed)?
            .http2_keep_alive_interval(self.config.keepalive.get().max(Duration::from_millis(1)))
            .keep_alive_timeout(self.config.keepalive_timeout.get())
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(16 << 20);
        let address = address.to_owned();
        let timeout = self.config.connect_timeout.get();
        let Some(tls) = &self.tls else {
            let connect = move |_: Uri| {
                let address = address.clone();
                fresh(timeout, move || plain(address.clone()))
            };
            return Ok(endpoint.connect_with_connector_lazy(tower::service_fn(connect)));
        };
        let host = match self.config.tls.server_name.as_str() {
            "" => endpoint.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            name => name.to_owned(),
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| ChannelError::ServerName(host))?;
        let tls = tls.clone();
        // tonic sees a plain connector: the handshake is part of connecting, and bounded with it.
        let connect = move |_: Uri| {
            let (tls, name, address) = (tls.clone(), name.clone(), address.clone());
            fresh(timeout, move || encrypted(tls.connector(), name.clone(), address.clone()))
        };
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(connect)))
    }
}

/// Makes connections until one comes about, or fails while somebody waits for it.
///
/// A channel goes on connecting for a call that was given up, and hands what came of it to the next call, minutes later perhaps. A
/// connection that failed then says nothing about the peer of now. So the attempt is a task, which notes when it ended: of an old
/// failure nothing is told, the peer is asked anew. The task ends with this future, and after `timeout` at the latest.
async fn fresh<S, F>(timeout: Duration, connect: impl Fn() -> F) -> io::Result<TokioIo<S>>
where
    S: Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    /// Whoever waits hears of a failure sooner.
    const OLD: Duration = Duration::from_millis(100);
    loop {
        let connecting = connect();
        let mut attempt = JoinSet::new();
        attempt.spawn(async move {
            let connected = tokio::time::timeout(timeout, connecting).await;
            (Instant::now(), connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
        });
        return match attempt.join_next().await {
            Some(Ok((ended, Err(_)))) if ended.elapsed() > OLD => continue,
            Some(Ok((_, connected))) => connected.map(TokioIo::new),
            Some(Err(err)) => Err(io::Error::other(err)),
            None => Err(io::ErrorKind::Interrupted.into()),
        };
    }
}

async fn plain(address: String) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn encrypted(connector: TlsConnector, name: ServerName<'static>, address: String) -> io::Result<TlsStream<TcpStream>> {
    connector.connect(name, plain(address).await?).await
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("open", &self.len()).finish_non_exhaustive()
    }
}
