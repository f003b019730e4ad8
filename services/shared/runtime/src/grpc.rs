//! The gRPC side of a process: services on their way to the server, errors as statuses, and channels to other processes.

pub mod channels;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::{Code, Status};

use crate::error::{Chain, Classify, ErrorKind};

pub use channels::{ChannelError, Channels, ClientConfig};

/// gRPC services of one process: those of its own port, and those of ports that have a name (`otlp_grpc`).
#[derive(Clone, Default)]
pub struct Routes {
    services: Vec<Add>,
    named: BTreeMap<&'static str, Vec<Add>>,
}

type Add = std::sync::Arc<dyn Fn(&mut RoutesBuilder) + Send + Sync>;

impl Routes {
    /// Adds a service.
    pub fn add<S>(&mut self, service: S)
    where
        S: tower::Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.services.push(adding(service));
    }

    /// Adds a service to the port of a name.
    pub fn add_to<S>(&mut self, port: &'static str, service: S)
    where
        S: tower::Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.named.entry(port).or_default().push(adding(service));
    }

    /// Takes over all services of another list.
    pub fn merge(&mut self, other: Self) {
        self.services.extend(other.services);
        for (port, services) in other.named {
            self.named.entry(port).or_default().extend(services);
        }
    }

    /// The services of the process's own port as one tonic router.
    #[must_use]
    pub fn build(&self) -> tonic::service::Routes {
        build(&self.services)
    }

    /// The services of each port that has a name.
    #[must_use]
    pub fn build_named(&self) -> BTreeMap<&'static str, tonic::service::Routes> {
        self.named.iter().map(|(port, services)| (*port, build(services))).collect()
    }
}

fn adding<S>(service: S) -> Add
where
    S: tower::Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    std::sync::Arc::new(move |builder| {
        builder.add_service(service.clone());
    })
}

fn build(services: &[Add]) -> tonic::service::Routes {
    let mut builder = RoutesBuilder::default();
    for add in services {
        add(&mut builder);
    }
    builder.routes()
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("services", &self.services.len()).field("named", &self.named.keys()).finish()
    }
}

/// The metadata key that carries [`ErrorKind::number`].
const KIND: &str = "quartet-error-kind";

/// An error as the internal API answers it: its chain as the message, its kind as the code and, exactly, in the metadata.
#[must_use]
pub fn status<E: Error + Classify>(err: &E) -> Status {
    let mut status = Status::new(code(err.kind()), Chain(err).to_string());
    status.metadata_mut().insert(KIND, MetadataValue::from(err.kind().number()));
    status
}

/// The kind of a status: what [`status`] put there, else what its code says.
#[must_use]
pub fn kind(status: &Status) -> ErrorKind {
    let carried = status.metadata().get(KIND).and_then(|number| number.to_str().ok()?.parse().ok());
    carried.map_or_else(|| kind_of(status.code()), ErrorKind::from_number)
}

const fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::BadInput | ErrorKind::Execution => Code::InvalidArgument,
        ErrorKind::LimitExceeded => Code::FailedPrecondition,
        ErrorKind::RateLimited => Code::ResourceExhausted,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Conflict => Code::AlreadyExists,
        ErrorKind::Internal => Code::Internal,
    }
}

const fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::BadInput,
        Code::FailedPrecondition => ErrorKind::LimitExceeded,
        Code::ResourceExhausted => ErrorKind::RateLimited,
        Code::NotFound => ErrorKind::NotFound,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::Timeout,
        Code::Cancelled => ErrorKind::Cancelled,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::AlreadyExists | Code::Aborted => ErrorKind::Conflict,
        _ => ErrorKind::Internal,
    }
}
