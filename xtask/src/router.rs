//! What stands before a cluster where no ingress does: writes go to distributors in turn, everything else to query-frontends.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Method, StatusCode};

use crate::cluster::{Cluster, ClusterError};
use crate::relay::{Fate, Policy, Relay};

/// Where the router itself says that it is there.
pub(crate) const READY_PATH: &str = "/-/router";

/// Paths of what clients send in, of all signals.
const WRITES: [&str; 13] = [
    "/api/v1/push",
    "/api/v1/write",
    "/api/prom/push",
    "/prometheus/api/v1/write",
    "/otlp/",
    "/v1/",
    "/loki/api/v1/push",
    "/ingest",
    "/push.v1.PusherService/",
    "/api/traces",
    "/api/v2/spans",
    "/distributor/",
    "/opentelemetry.proto.collector.",
];

/// How long the list of processes is believed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Serves until the process ends.
pub(crate) fn run(directory: PathBuf, listen: &str) -> Result<(), ClusterError> {
    let router = Arc::new(Router { directory, turn: AtomicUsize::new(0), seen: Mutex::new(None) });
    let _relay = Relay::start(listen, router).map_err(ClusterError::io(format!("listen on {listen}")))?;
    loop {
        std::thread::park();
    }
}

/// Finds the processes in the cluster's own file, so that those started later are found too.
struct Router {
    directory: PathBuf,
    turn: AtomicUsize,
    seen: Mutex<Option<(Instant, Arc<Cluster>)>>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Policy for Router {
    fn fate(&self, head: &Parts) -> Fate {
        if head.uri.path() == READY_PATH {
            return Fate::Answer(StatusCode::OK, "ready");
        }
        let Some(cluster) = self.cluster() else { return Fate::Answer(StatusCode::BAD_GATEWAY, "no cluster is up") };
        let grpc = head.headers.get(http::header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let mut addresses: Vec<String> = cluster
            .role(role(&head.method, head.uri.path()))
            .map(|process| if grpc { process.grpc.clone() } else { process.http.clone() })
            .collect();
        if !addresses.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(turn);
        }
        Fate::Forward(addresses)
    }
}

impl Router {
    fn cluster(&self) -> Option<Arc<Cluster>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, cluster)) = &*seen
            && when.elapsed() < LOOK_AGAIN
        {
            return Some(cluster.clone());
        }
        let cluster = Arc::new(Cluster::open(&self.directory).ok()?);
        *seen = Some((Instant::now(), cluster.clone()));
        Some(cluster)
    }
}

/// The role that serves a request.
fn role(method: &Method, path: &str) -> &'static str {
    // Whoever takes pushes also knows which other methods it refuses; traces alone are read below the path that takes them.
    let reads = path.starts_with("/api/traces") && *method != Method::POST;
    if !reads && WRITES.iter().any(|begin| path.starts_with(begin)) { "distributor" } else { "query-frontend" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_to_distributors_and_the_rest_to_query_frontends() {
        for path in ["/api/v1/push", "/otlp/v1/metrics", "/loki/api/v1/push", "/ingest", "/v1/traces"] {
            assert_eq!(role(&Method::POST, path), "distributor", "{path}");
        }
        for path in ["/prometheus/api/v1/query", "/loki/api/v1/query", "/api/v1/rules", "/querier.v1.QuerierService/Series"] {
            assert_eq!(role(&Method::POST, path), "query-frontend", "{path}");
        }
        assert_eq!(role(&Method::GET, "/api/traces/1"), "query-frontend");
        assert_eq!(role(&Method::GET, "/distributor/ring"), "distributor");
        assert_eq!(role(&Method::GET, "/api/v1/push"), "distributor");
    }
}
