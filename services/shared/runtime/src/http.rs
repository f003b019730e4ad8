//! The HTTP side of a process: routes on their way to the servers, and helpers for handlers.

pub mod html;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_http::compression::Predicate;
use tower_http::compression::predicate::{NotForContentType, SizeAbove};

pub use table::{Table, accepts_json};

use crate::config::ByteSize;
use crate::error::{Classify, ErrorKind};

/// HTTP routes: those of the main port, and those of the alias ports by name (`prometheus`, `loki`, …).
#[derive(Clone, Default)]
pub struct Routes {
    main: Router,
    aliases: BTreeMap<&'static str, Router>,
}

impl Routes {
    /// Adds routes to the main port.
    pub fn main(&mut self, router: Router) {
        self.main = std::mem::take(&mut self.main).merge(router);
    }

    /// Adds routes to an alias port.
    pub fn alias(&mut self, alias: &'static str, router: Router) {
        let known = self.aliases.remove(alias).unwrap_or_default();
        self.aliases.insert(alias, known.merge(router));
    }

    /// Takes over all routes of another list.
    pub fn merge(&mut self, other: Self) {
        self.main(other.main);
        for (alias, router) in other.aliases {
            self.alias(alias, router);
        }
    }

    /// The same routes, none of whose answers is ever compressed: those that take pushes.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        let aliases = self.aliases.into_iter().map(|(alias, router)| (alias, uncompressed(router)));
        Self { aliases: aliases.collect(), main: uncompressed(self.main) }
    }

    /// The main port's routes and each alias port's.
    pub fn into_parts(self) -> (Router, BTreeMap<&'static str, Router>) {
        (self.main, self.aliases)
    }
}

/// Answers everything with 501 and the reason why an endpoint of the original system is not there: a 404 would tell operators nothing.
pub fn not_built<S: Clone + Send + Sync + 'static>(reason: &'static str) -> MethodRouter<S> {
    any(move || std::future::ready((StatusCode::NOT_IMPLEMENTED, format!("{reason}\n"))))
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("aliases", &self.aliases.keys()).finish_non_exhaustive()
    }
}

/// Answers below this size, bytes, are sent as they are: they fit into one packet, and compressing them costs more than they take.
const COMPRESSED_ABOVE: u64 = 1024;

/// Marks an answer (as an extension) that is sent as it is, also to clients that accept gzip.
#[derive(Clone, Copy, Debug)]
pub struct Uncompressed;

impl Uncompressed {
    /// The answers that are compressed for clients that ask.
    pub(crate) fn predicate() -> impl Predicate {
        let unmarked = |_: StatusCode, _: http::Version, _: &HeaderMap, extensions: &http::Extensions| extensions.get::<Self>().is_none();
        SizeAbove::new(COMPRESSED_ABOVE)
            .and(NotForContentType::GRPC)
            .and(NotForContentType::IMAGES)
            .and(NotForContentType::SSE)
            .and(unmarked)
    }
}

/// Routes whose answers are never compressed: those that take pushes.
pub fn uncompressed(routes: Router) -> Router {
    // A layer of routes, where there are none, is a mistake to axum.
    if routes.has_routes() { routes.route_layer(middleware::map_response(mark)) } else { routes }
}

#[allow(clippy::unused_async, reason = "a middleware")]
async fn mark(mut response: Response) -> Response {
    response.extensions_mut().insert(Uncompressed);
    response
}

/// Why the body of a request could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is longer than the route allows.
    #[error("the request body is larger than the limit of {limit}")]
    TooLarge {
        /// What the route allows.
        limit: ByteSize,
    },
    /// The client broke it off.
    #[error("read the request body")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for BodyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::BadInput,
            Self::Broken(_) => ErrorKind::Cancelled,
        }
    }
}

impl IntoResponse for BodyError {
    /// 413 or 400, as plain text. Routes of an API with its own bodies match on the error instead.
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// Reads a whole body of at most `limit` bytes. A `Content-Length` above it is refused before anything is read.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: ByteSize) -> Result<Bytes, BodyError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit.0) {
        return Err(BodyError::TooLarge { limit });
    }
    let most = usize::try_from(limit.0).unwrap_or(usize::MAX);
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(err) if err.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Err(err) => Err(BodyError::Broken(err)),
    }
}
