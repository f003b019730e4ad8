//! Gossip over TCP, with the cluster's TLS: what chitchat says, in frames.
//!
//! A frame is its length (4 bytes, big-endian, without these four), the length of the sender's address (1 byte), that
//! address as text, and the message in chitchat's own encoding. The address is the one that the sender gossips from, not
//! that of the connection: the answer goes there, on a connection of its own.
//!
//! Messages may be lost: a peer that cannot be reached or does not read loses them, and hears the same in a later round.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use parking_lot::Mutex;
use runtime::Tasks;
use runtime::tls::ServerTls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tracing::{debug, warn};

use crate::metrics::GossipMetrics;

/// Longest frame. Chitchat keeps messages below 64 KiB while there are fewer than 1,500 members, dead ones included.
const MAX_FRAME: usize = 128 << 10;
/// Messages that wait for one peer.
const QUEUE: usize = 32;
/// Messages that wait to be understood.
const INBOX: usize = 256;
/// Connections of others.
const MAX_CONNECTIONS: usize = 4096;
/// How long a connection may take to come about, and a frame to be written.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// TLS in both directions.
#[derive(Clone)]
pub struct GossipTls {
    server: ServerTls,
    client: TlsConnector,
    /// The name in the certificates of others; none: their address.
    name: Option<ServerName<'static>>,
}

/// Both ends of gossip, before chitchat takes them.
pub(crate) struct Wire {
    listener: Mutex<Option<TcpListener>>,
    shared: Arc<Shared>,
}

struct Shared {
    /// The address that others answer to.
    advertised: SocketAddr,
    tls: Option<GossipTls>,
    tasks: Tasks,
    metrics: GossipMetrics,
}

struct WireSocket {
    shared: Arc<Shared>,
    peers: HashMap<SocketAddr, mpsc::Sender<Bytes>>,
    inbox: mpsc::Receiver<(SocketAddr, ChitchatMessage)>,
}

/// Why a frame was not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the connection")]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes")]
    Length(usize),
    #[error("a frame without the sender's address")]
    Sender,
    #[error("a message that chitchat does not know: {0}")]
    Message(String),
}

impl GossipTls {
    /// TLS with the certificates of the servers and the authorities of channels.
    ///
    /// * `name`: the name in the certificates of others; none: their address.
    #[must_use]
    pub fn new(server: ServerTls, client: &tokio_rustls::rustls::ClientConfig, name: Option<ServerName<'static>>) -> Self {
        // Gossip is not HTTP/2, which channels offer.
        let mut client = client.clone();
        client.alpn_protocols.clear();
        Self { server, client: Arc::new(client).into(), name }
    }
}

impl std::fmt::Debug for GossipTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GossipTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(listener: TcpListener, advertised: SocketAddr, tls: Option<GossipTls>, tasks: Tasks, metrics: GossipMetrics) -> Self {
        Self { listener: Mutex::new(Some(listener)), shared: Arc::new(Shared { advertised, tls, tasks, metrics }) }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn open(&self, _listen_addr: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let listener = self.listener.lock().take().ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        let (sender, inbox) = mpsc::channel(INBOX);
        let shared = self.shared.clone();
        shared.tasks.detach("gossip listener", accept(shared.clone(), listener, sender));
        Ok(Box::new(WireSocket { shared, peers: HashMap::new(), inbox }))
    }
}

#[async_trait]
impl Socket for WireSocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let frame = frame(self.shared.advertised, &message);
        if let ChitchatMessage::Syn { .. } = message {
            self.shared.metrics.digest(frame.len());
        }
        if frame.len() - 4 > MAX_FRAME {
            warn!(bytes = frame.len(), "gossip is too large to be sent: are there this many members?");
            return Ok(());
        }
        self.shared.metrics.sent(frame.len());
        let frame = match self.peers.get(&to).map(|peer| peer.try_send(frame.clone())) {
            Some(Ok(()) | Err(TrySendError::Full(_))) => return Ok(()),
            Some(Err(TrySendError::Closed(frame))) => frame,
            None => frame,
        };
        let (peer, queue) = mpsc::channel(QUEUE);
        // A fresh queue has room.
        let _ = peer.try_send(frame);
        self.shared.tasks.detach("gossip peer", deliver(self.shared.clone(), to, queue));
        self.peers.retain(|_, peer| !peer.is_closed());
        self.peers.insert(to, peer);
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        self.inbox.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into())
    }
}

/// A message as it travels.
fn frame(from: SocketAddr, message: &ChitchatMessage) -> Bytes {
    let from = from.to_string();
    let message = message.serialize_to_vec();
    let len = 1 + from.len() + message.len();
    let mut frame = BytesMut::with_capacity(4 + len);
    frame.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    frame.put_u8(u8::try_from(from.len()).expect("the text of an address is short"));
    frame.put_slice(from.as_bytes());
    frame.put_slice(&message);
    frame.freeze()
}

/// Reads a frame's content: who sent it, and what.
fn parse(content: &[u8]) -> Result<(SocketAddr, ChitchatMessage), FrameError> {
    let (&len, rest) = content.split_first().ok_or(FrameError::Sender)?;
    let (from, mut message) = rest.split_at_checked(usize::from(len)).ok_or(FrameError::Sender)?;
    let from = std::str::from_utf8(from).ok().and_then(|from| from.parse().ok()).ok_or(FrameError::Sender)?;
    let message = ChitchatMessage::deserialize(&mut message).map_err(|err| FrameError::Message(err.to_string()))?;
    Ok((from, message))
}

/// Takes connections until the tasks stop.
async fn accept(shared: Arc<Shared>, listener: TcpListener, inbox: mpsc::Sender<(SocketAddr, ChitchatMessage)>) {
    let stop = shared.tasks.stopping();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match (accepted, room.clone().try_acquire_owned()) {
            (Ok((stream, from)), Ok(permit)) => {
                let (reader, inbox, stop) = (shared.clone(), inbox.clone(), stop.clone());
                shared.tasks.detach("gossip connection", async move {
                    let _permit = permit;
                    if let Some(Err(err)) = stop.run_until_cancelled(receive(reader, stream, inbox)).await {
                        debug!(error = %runtime::Chain(&err), %from, "gossip connection ended");
                    }
                });
            }
            (Ok((_, from)), Err(_)) => warn!(%from, "too many gossip connections: one is refused"),
            (Err(err), _) => {
                warn!(error = %err, "accept a gossip connection");
                stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(100))).await;
            }
        }
    }
}

/// Reads the frames of one connection.
async fn receive(shared: Arc<Shared>, stream: TcpStream, inbox: mpsc::Sender<(SocketAddr, ChitchatMessage)>) -> Result<(), FrameError> {
    let mut stream: Box<dyn AsyncRead + Send + Unpin> = match &shared.tls {
        Some(tls) => Box::new(in_time(tls.server.acceptor().accept(stream)).await?),
        None => Box::new(stream),
    };
    loop {
        let len = match tokio::time::timeout(2 * IDLE, stream.read_u32()).await {
            Ok(Err(err)) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(len) => len? as usize,
            Err(_) => return Ok(()),
        };
        if len > MAX_FRAME {
            return Err(FrameError::Length(len));
        }
        let mut content = vec![0; len];
        in_time(stream.read_exact(&mut content)).await?;
        shared.metrics.received(4 + len);
        if inbox.send(parse(&content)?).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes the frames of one peer; ends when it cannot be reached or nothing has been sent for a while.
async fn deliver(shared: Arc<Shared>, to: SocketAddr, queue: mpsc::Receiver<Bytes>) {
    let stop = shared.tasks.stopping();
    if let Some(Err(err)) = stop.run_until_cancelled(write(&shared, to, queue)).await {
        debug!(error = %err, %to, "gossip does not reach a peer");
    }
}

async fn write(shared: &Shared, to: SocketAddr, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    let stream = in_time(TcpStream::connect(to)).await?;
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn AsyncWrite + Send + Unpin> = match &shared.tls {
        Some(tls) => {
            let name = tls.name.clone().unwrap_or_else(|| ServerName::from(to.ip()));
            Box::new(in_time(tls.client.connect(name, stream)).await?)
        }
        None => Box::new(stream),
    };
    while let Ok(Some(frame)) = tokio::time::timeout(IDLE, queue.recv()).await {
        in_time(stream.write_all(&frame)).await?;
        in_time(stream.flush()).await?;
    }
    Ok(())
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests;
