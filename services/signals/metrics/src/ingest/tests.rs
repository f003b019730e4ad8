use axum::body::Body;
use futures::future::BoxFuture;
use runtime::{Compute, ManualClock};
use signal::{WriteError, WriteOutcome};
use tenancy::Overrides;
use tenancy::http::{AuthConfig, Door};
use tower::ServiceExt;

use super::*;
use crate::ingest::request::tests::{NOW, request, series};
use crate::instruments::Instruments;

/// Takes everything.
struct Taker;

impl WriteSink for Taker {
    fn write(&self, _: WriteBatch) -> BoxFuture<'static, Result<WriteOutcome, WriteError>> {
        Box::pin(std::future::ready(Ok(WriteOutcome::default())))
    }

    fn live_writers(&self) -> usize {
        1
    }
}

/// The main port's routes and those of the alias `prometheus`.
fn routes() -> [Router; 2] {
    let deps = Deps {
        limits: Overrides::fixed(MetricsLimits::default()),
        clock: Arc::new(ManualClock::at(NOW * 1_000_000)),
        compute: Compute::new(1),
        instruments: Instruments::default(),
        ingest: IngestConfig::default(),
        ha: None,
        retention: crate::Retention::default(),
        query: crate::query::QueryConfig::default(),
    };
    let mut routes = Routes::new(Door::new(&AuthConfig::default()).unwrap());
    MetricsReceivers::new(deps).mount(&mut routes, Arc::new(Taker));
    let (main, mut aliases) = routes.into_parts().0.into_parts();
    [main, aliases.remove("prometheus").unwrap()]
}

async fn status(router: &Router, method: &str, path: &str, tenant: Option<&str>) -> u16 {
    let body = request(&[series(&[(b"__name__", b"m")], &[(NOW, 1.0)])]);
    let mut request = Request::builder().method(method).uri(path);
    if let Some(tenant) = tenant {
        request = request.header("X-Scope-OrgID", tenant);
    }
    let request = request.body(Body::from(snap::raw::Encoder::new().compress_vec(&body).unwrap())).unwrap();
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn push_routes() {
    let [main, prometheus] = routes();
    assert_eq!(status(&main, "POST", "/api/v1/push", Some("a")).await, 200);
    assert_eq!(status(&main, "POST", "/api/prom/push", Some("a")).await, 200);
    assert_eq!(status(&prometheus, "POST", "/api/v1/write", Some("a")).await, 204);
    assert_eq!(status(&main, "POST", "/api/v1/push", None).await, 401);
    assert_eq!(status(&main, "POST", "/api/v1/push", Some("a|b")).await, 400);
    assert_eq!(status(&main, "GET", "/api/v1/push", Some("a")).await, 405);
    assert_eq!(status(&main, "POST", "/api/v1/write", Some("a")).await, 404);
}
