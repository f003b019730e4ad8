//! `/distributor/ha_tracker`: which replicas are elected. HTML for people, JSON for tools.

use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use runtime::Chain;
use runtime::http::{Table, accepts_json};
use serde::Serialize;
use tracing::warn;

use super::HaTracker;
use crate::head::Rfc3339;

/// What the page shows.
#[derive(Debug, Serialize)]
struct Page {
    elected: Vec<Row>,
    now: String,
}

#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "userID")]
    user: String,
    cluster: String,
    replica: String,
    elected_at: String,
    /// When it was last heard.
    received_at: String,
    term: u64,
}

/// The route.
pub(in crate::ingest) fn routes(tracker: HaTracker) -> Router {
    Router::new().route("/distributor/ha_tracker", get(move |headers: HeaderMap| async move { tracker.page(&headers).await }))
}

impl HaTracker {
    async fn page(&self, headers: &HeaderMap) -> Response {
        self.0.asked.store(true, Ordering::Relaxed);
        if let Err(err) = self.look().await {
            warn!(error = %Chain(&err), "the page of high-availability pairs shows what was known before");
        }
        let page = Page { elected: self.rows(), now: Rfc3339(self.0.clock.now_ms()).to_string() };
        if accepts_json(headers) { Json(page).into_response() } else { table(&page).page() }
    }

    fn rows(&self) -> Vec<Row> {
        let known = self.0.known.lock();
        let pairs = known.tenants.iter().flat_map(|(tenant, pairs)| pairs.iter().map(move |pair| (tenant, pair)));
        let mut rows: Vec<Row> = pairs
            .map(|(tenant, (cluster, elected))| Row {
                user: tenant.as_str().to_owned(),
                cluster: cluster.clone(),
                replica: elected.replica.clone(),
                elected_at: Rfc3339(elected.elected_at).to_string(),
                received_at: Rfc3339(elected.received_at).to_string(),
                term: elected.term,
            })
            .collect();
        rows.sort();
        rows
    }
}

fn table(page: &Page) -> Table {
    let columns = ["Tenant", "Cluster", "Elected replica", "Elected at", "Last heard", "Term"];
    let mut table = Table::new(format!("High-availability pairs, {}", page.now), columns);
    for Row { user, cluster, replica, elected_at, received_at, term } in &page.elected {
        let texts = [user, cluster, replica, elected_at, received_at].map(Clone::clone);
        table.row(texts.into_iter().chain([term.to_string()]));
    }
    table
}
