//! Pages for people and tools that every process serves on its main port.
#![allow(clippy::unused_async, reason = "handlers")]

pub(crate) mod probes;
pub(crate) mod process;
mod profile;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::print::Pages;
use crate::http::not_built;
use crate::readiness::Readiness;
use crate::telemetry::Telemetry;

/// What is asked of `/config` and `/runtime_config`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What is in force.
    #[default]
    Effective,
    /// What of it is not the default.
    Diff,
    /// The defaults.
    Defaults,
}

/// Makes the YAML of `/runtime_config` for one signal; `None` when it has no overrides file.
pub type RuntimeConfigPage = Arc<dyn Fn(Mode) -> Option<String> + Send + Sync>;

/// What the pages show.
pub(crate) struct Admin {
    role: &'static str,
    config: Pages,
    readiness: Readiness,
    telemetry: Telemetry,
    pages: BTreeMap<String, String>,
    shutdown_endpoint: bool,
    pub(crate) runtime_config: Vec<RuntimeConfigPage>,
    pub(crate) shutdown: CancellationToken,
}

/// The pages of every process, for the index.
const PAGES: [(&str, &str); 9] = [
    ("/ready", "Readiness"),
    ("/metrics", "Metrics"),
    ("/config", "Configuration (also ?mode=diff, ?mode=defaults)"),
    ("/runtime_config", "Limits of single tenants (also ?mode=diff)"),
    ("/services", "Parts and their states"),
    ("/log_level", "Log level"),
    ("/debug/profile", "CPU profile as a flame graph (also ?seconds=5&frequency=99)"),
    ("/debug/pprof/profile", "CPU profile for go tool pprof"),
    ("/api/v1/status/config", "Status of the configuration, for Prometheus clients"),
];

/// What prometheus-client writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const TEXT: &str = "text/plain; charset=utf-8";

type Shared = State<Arc<Admin>>;

impl Admin {
    pub(crate) fn new(role: &'static str, config: Pages, readiness: Readiness, telemetry: Telemetry, shutdown_endpoint: bool) -> Self {
        let pages = PAGES.iter().map(|(path, title)| ((*path).to_owned(), (*title).to_owned())).collect();
        let shutdown = CancellationToken::new();
        Self { role, config, readiness, telemetry, pages, shutdown_endpoint, runtime_config: Vec::new(), shutdown }
    }

    pub(crate) fn page(&mut self, path: impl Into<String>, title: impl Into<String>) {
        self.pages.insert(path.into(), title.into());
    }

    /// The routes of the pages.
    pub(crate) fn routes(self, registry: Registry) -> Router {
        let registry = Arc::new(registry);
        let empty = || async { Json(json!({"status": "success", "data": {}})) };
        let mut routes = Router::new()
            .route("/", get(index))
            .route("/ready", get(ready))
            .route("/services", get(services))
            .route("/config", get(config))
            .route("/runtime_config", get(runtime_config))
            .route("/log_level", get(log_level).post(set_log_level))
            .route("/debug/profile", get(profile::flame_graph))
            .route("/debug/pprof/profile", get(profile::for_pprof))
            .route("/debug/pprof/{*rest}", not_built("of pprof's profiles there is that of the CPU: /debug/pprof/profile"))
            .route("/debug/fgprof", not_built("there is no profile of waiting; that of the CPU is /debug/profile"))
            .route("/memberlist", not_built("gossip keeps no keys: /cluster and /ring show who is a member"))
            .route("/api/v1/status/config", get(empty))
            .route("/api/v1/status/flags", get(empty))
            .route("/metrics", get(move || metrics(registry.clone())));
        if self.shutdown_endpoint {
            routes = routes.route("/shutdown", post(shutdown));
        }
        routes.with_state(Arc::new(self))
    }
}

async fn index(State(admin): Shared) -> Html<String> {
    let role = escape(admin.role);
    let mut page = format!("<!doctype html>\n<html lang=\"en\">\n<title>{role}</title>\n<h1>{role}</h1>\n<ul>\n");
    for (path, title) in &admin.pages {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<li><a href=\"{path}\">{title}</a></li>", path = escape(path), title = escape(title));
    }
    page.push_str("</ul>\n</html>\n");
    Html(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

async fn ready(State(admin): Shared) -> Response {
    probes::answer(&admin.readiness, "ready")
}

async fn services(State(admin): Shared) -> String {
    let mut text = format!("{}: {}\n", admin.role, admin.readiness.state());
    for (part, state) in admin.readiness.parts() {
        let _ = match state {
            Ok(()) => writeln!(text, "{part}: Running"),
            Err(why) => writeln!(text, "{part}: Starting ({why})"),
        };
    }
    text
}

async fn metrics(registry: Arc<Registry>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(err) => {
            error!(error = %err, "encode the metrics");
            (StatusCode::INTERNAL_SERVER_ERROR, "encode the metrics\n").into_response()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModeQuery {
    mode: Mode,
}

async fn config(State(admin): Shared, Query(query): Query<ModeQuery>) -> Response {
    let text = match query.mode {
        Mode::Effective => &admin.config.effective,
        Mode::Diff => &admin.config.diff,
        Mode::Defaults => &admin.config.defaults,
    };
    ([(CONTENT_TYPE, TEXT)], text.clone()).into_response()
}

async fn runtime_config(State(admin): Shared, Query(query): Query<ModeQuery>) -> Response {
    let texts: Vec<String> = admin.runtime_config.iter().filter_map(|page| page(query.mode)).collect();
    let text = if texts.is_empty() { "runtime config file doesn't exist".to_owned() } else { texts.join("---\n") };
    ([(CONTENT_TYPE, TEXT)], text).into_response()
}

async fn log_level(State(admin): Shared) -> Response {
    Json(json!({"status": "success", "message": format!("Current log level is {}", admin.telemetry.level())})).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Level {
    log_level: String,
}

/// The level comes as a parameter of the path or of a form.
async fn set_log_level(State(admin): Shared, Query(in_path): Query<Level>, form: Result<Form<Level>, FormRejection>) -> Response {
    let in_form = form.map(|Form(level)| level).unwrap_or_default();
    let level = if in_path.log_level.is_empty() { in_form.log_level } else { in_path.log_level };
    match admin.telemetry.set_level(&level) {
        Ok(()) => {
            info!(level, "log level changed");
            Json(json!({"status": "success", "message": format!("Log level set to {level}")})).into_response()
        }
        Err(err) => (StatusCode::BAD_REQUEST, Json(json!({"status": "failed", "message": err.to_string()}))).into_response(),
    }
}

async fn shutdown(State(admin): Shared) -> StatusCode {
    info!("shutdown was asked for");
    admin.shutdown.cancel();
    StatusCode::NO_CONTENT
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("pages", &self.pages).finish_non_exhaustive()
    }
}
