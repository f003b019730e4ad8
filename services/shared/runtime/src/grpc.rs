//! The gRPC side of a process: services on their way to the server, and channels to other processes.

use std::convert::Infallible;
use std::fmt;

use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;

/// gRPC services of one process.
#[derive(Clone, Default)]
pub struct Routes {
    services: Vec<Add>,
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
        self.services.push(std::sync::Arc::new(move |builder| {
            builder.add_service(service.clone());
        }));
    }

    /// Takes over all services of another list.
    pub fn merge(&mut self, other: Self) {
        self.services.extend(other.services);
    }

    /// The services as one tonic router.
    #[must_use]
    pub fn build(&self) -> tonic::service::Routes {
        let mut builder = RoutesBuilder::default();
        for add in &self.services {
            add(&mut builder);
        }
        builder.routes()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("services", &self.services.len()).finish()
    }
}
