//! Who sent a request: what an answer and the log say, so that somebody can find the sender of what was refused.

use std::fmt;
use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use runtime::server::Peer;

/// Bytes of a user agent that are kept.
const AGENT: usize = 100;

/// The sender of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The other end of the connection; a proxy in between is named.
    peer: Option<SocketAddr>,
    /// What it says that it is.
    agent: String,
}

impl Caller {
    /// The sender of a request over HTTP.
    pub(crate) fn of(parts: &Parts) -> Self {
        Self::new(parts.extensions.get::<Peer>().map(|peer| peer.0), &parts.headers)
    }

    /// A sender by the other end of its connection and its headers.
    pub(crate) fn new(peer: Option<SocketAddr>, headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes())).unwrap_or_default();
        let agent = agent.chars().filter(|c| !c.is_control()).scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= AGENT).then_some(c)
        });
        Self { peer, agent: agent.collect() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{peer}")?,
            None => f.write_str("unknown address")?,
        }
        if !self.agent.is_empty() {
            write!(f, ", user agent {}", syntax::Quoted(&self.agent))?;
        }
        Ok(())
    }
}
