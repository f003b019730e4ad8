//! Whether the process serves, on ports with a name: whoever takes one of them for a Prometheus or a Loki of its own asks there.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::readiness::Readiness;

/// The routes: `/ready` as Mimir and Loki have it, `/-/ready` and `/-/healthy` as Prometheus does.
pub(crate) fn routes(readiness: &Readiness) -> Router {
    let ready = |text: &'static str| {
        let readiness = readiness.clone();
        get(move || std::future::ready(answer(&readiness, text)))
    };
    Router::new()
        .route("/ready", ready("ready"))
        .route("/-/ready", ready("Quartet is Ready.\n"))
        .route("/-/healthy", get(async || "Quartet is Healthy.\n"))
}

/// `text`, or 503 in Mimir's form: a line for each state that is not running. The parts and their reasons follow.
pub(super) fn answer(readiness: &Readiness, text: &'static str) -> Response {
    match readiness.get() {
        Ok(()) => text.into_response(),
        Err(reasons) => {
            let head = format!("Some services are not Running:\n{}: {}\n", readiness.state(), reasons.len());
            let lines: String = reasons.iter().flat_map(|reason| [reason, "\n"]).collect();
            (StatusCode::SERVICE_UNAVAILABLE, head + &lines).into_response()
        }
    }
}
