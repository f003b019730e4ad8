//! `/distributor/ha_tracker`: which replicas are elected. HTML for people, JSON for tools.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use runtime::Chain;
use runtime::http::accepts_json;
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
        if accepts_json(headers) { Json(page).into_response() } else { Html(html(&page)).into_response() }
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

fn html(page: &Page) -> String {
    let mut out = String::from(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>High-availability pairs</title></head><body>\
         <h1>High-availability pairs</h1>",
    );
    let mut write = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a String takes everything");
    write(format_args!("<p>{} pairs, at {}</p><table border=\"1\"><tr>", page.elected.len(), page.now));
    for title in ["Tenant", "Cluster", "Elected replica", "Elected at", "Last heard", "Term"] {
        write(format_args!("<th>{title}</th>"));
    }
    for Row { user, cluster, replica, elected_at, received_at, term } in &page.elected {
        write(format_args!("</tr><tr>"));
        for cell in [user, cluster, replica, elected_at, received_at] {
            write(format_args!("<td>{}</td>", escaped(cell)));
        }
        write(format_args!("<td>{term}</td>"));
    }
    out.push_str("</tr></table></body></html>");
    out
}

/// Labels of clients are shown as text, whatever they hold.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
