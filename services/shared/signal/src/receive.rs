//! Distributor: public formats in, [`WriteBatch`] out.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use futures::future::BoxFuture;
use runtime::{Classify, ErrorKind};
use tenancy::http::Door;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;

use crate::otlp::{self, CallDoor, Origins};
use crate::{InstanceLimit, Refusal, WriteBatch};

/// A signal's receivers.
pub trait Receivers: Send + Sync {
    /// Mounts the signal's write routes. A handler decodes, validates against the tenant's limits and gives
    /// what is good to `sink`; what it refused itself it joins with what comes back.
    fn mount(&self, routes: &mut Routes, sink: Arc<dyn WriteSink>);
}

/// Where batches go: the distributor's replication.
pub trait WriteSink: Send + Sync {
    /// Answers when every item has a quorum of successes or of refusals, at the latest after the push timeout.
    fn write(&self, batch: WriteBatch) -> BoxFuture<'static, Result<WriteOutcome, WriteError>>;

    /// How many distributors are alive, this one included; at least 1. Rates of a tenant are divided by it.
    fn live_writers(&self) -> usize;
}

/// A batch that went through, maybe without some of its items.
#[derive(Clone, Debug, Default)]
pub struct WriteOutcome {
    /// Items that a quorum refused, one refusal each.
    pub refused: Vec<Refusal>,
}

/// A batch that failed: at least one item has no quorum, so the client must send all of it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WriteError {
    /// `Unavailable`, `Timeout`, `RateLimited`, `Cancelled` or `Internal`.
    pub kind: ErrorKind,
    /// What went wrong.
    pub text: String,
    /// The ingester that was at a limit of its own, if that is why.
    pub overloaded: Option<Overloaded>,
}

/// An ingester that refused a push since it was at a limit of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overloaded {
    /// Its name in the ring.
    pub ingester: String,
    /// Which limit.
    pub limit: InstanceLimit,
}

impl WriteError {
    /// An error that no limit of an ingester has caused.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), overloaded: None }
    }
}

impl Classify for WriteError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Where receivers and queries put their HTTP routes and gRPC services.
///
/// Routes of `tenant` run behind the [`Door`], which checks `X-Scope-OrgID` and leaves a
/// [`tenancy::Tenants`] in the request's extensions.
pub struct Routes {
    door: Door,
    origins: Origins,
    http: runtime::http::Routes,
    grpc: runtime::grpc::Routes,
}

impl Routes {
    /// Empty.
    #[must_use]
    pub fn new(door: Door) -> Self {
        Self { door, origins: Origins::default(), http: runtime::http::Routes::default(), grpc: runtime::grpc::Routes::default() }
    }

    /// The same, and pages of these origins may use the routes of OTLP over HTTP.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Routes of the main port (8080) that need a tenant.
    pub fn tenant(&mut self, router: Router) {
        self.http.main(self.door.guard(router));
    }

    /// Routes of the main port that need none.
    pub fn open(&mut self, router: Router) {
        self.http.main(router);
    }

    /// Routes of an alias port (`prometheus`: 9090, `loki`: 3100 …) that need a tenant.
    pub fn alias_tenant(&mut self, alias: &'static str, router: Router) {
        self.http.alias(alias, self.door.guard(router));
    }

    /// Routes of an alias port that need none.
    pub fn alias_open(&mut self, alias: &'static str, router: Router) {
        self.http.alias(alias, router);
    }

    /// Routes of OTLP over HTTP (4318): `/v1/metrics`, `/v1/logs` …, which need a tenant.
    pub fn otlp_http(&mut self, router: Router) {
        // A browser asks what it may send before it says whose it is.
        let router = self.origins.allow(self.door.guard(router));
        self.http.alias(otlp::HTTP_PORT, router);
    }

    /// A service of OTLP over gRPC (4317). Its handlers find a [`tenancy::Tenants`] in the extensions of each call.
    pub fn otlp_grpc<S>(&mut self, service: S)
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.grpc.add_to(otlp::GRPC_PORT, InterceptedService::new(service, CallDoor::new(self.door.clone())));
    }

    /// gRPC services of the public protocols.
    pub fn grpc(&mut self) -> &mut runtime::grpc::Routes {
        &mut self.grpc
    }

    /// What was mounted, for the process's servers.
    #[must_use]
    pub fn into_parts(self) -> (runtime::http::Routes, runtime::grpc::Routes) {
        (self.http, self.grpc)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
