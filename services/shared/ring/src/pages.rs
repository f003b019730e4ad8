//! `/ring` and `/cluster`: HTML for people, JSON for tools.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use runtime::http::accepts_json;
use runtime::http::html::{escaped, head};
use runtime::{Chain, Clock};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::member::Process;
use crate::membership::Membership;
use crate::rings::{MemberId, Ring, Seen};
use crate::roles;
use crate::view::View;

/// What the pages show, and what they can do.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The cluster.
    pub membership: Arc<dyn Membership>,
    /// Where members can be forgotten; none in a cluster that stands still.
    pub cluster: Option<Cluster>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// A member as `/ring` shows it. Fields beyond those of [`Seen`] are computed.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    seen: &'a Seen,
    /// Milliseconds since it last began or ceased to take writes.
    age_ms: i64,
    /// Share of all keys that have a replica there.
    owned_share: f64,
}

#[derive(Debug, Serialize)]
struct RingPage<'a> {
    members: Vec<Row<'a>>,
    processes: &'a [Process],
}

#[derive(Debug, Deserialize)]
struct Forget {
    forget: String,
}

/// Adds `/ring`, its aliases by role, and `/cluster` to the main port.
pub fn mount(routes: &mut runtime::http::Routes, pages: Pages) {
    let ring = |role: Option<&'static str>| {
        get(move |State(pages): State<Pages>, headers: HeaderMap| async move { pages.ring(role, &headers) })
            .post(move |State(pages): State<Pages>, Form(form): Form<Forget>| async move { pages.forget(role, &form.forget).await })
    };
    let router = Router::new()
        .route("/ring", ring(None))
        .route("/ingester/ring", ring(Some(roles::INGESTER)))
        .route("/store-gateway/ring", ring(Some(roles::STORE_GATEWAY)))
        .route("/compactor/ring", ring(Some(roles::COMPACTOR)))
        .route(
            "/distributor/ring",
            get(|State(pages): State<Pages>, headers: HeaderMap| async move { pages.processes(Some(roles::DISTRIBUTOR), &headers) }),
        )
        .route("/cluster", get(|State(pages): State<Pages>, headers: HeaderMap| async move { pages.processes(None, &headers) }));
    routes.main(router.with_state(pages));
}

impl Pages {
    fn ring(&self, role: Option<&str>, headers: &HeaderMap) -> Response {
        let view = self.membership.view();
        let rings: Vec<&Arc<Ring>> = view.rings().filter(|ring| role.is_none_or(|role| ring.role() == role)).collect();
        let now_ms = self.clock.now_ms();
        let rows: Vec<Row<'_>> = rings.iter().flat_map(|ring| rows(ring, now_ms)).collect();
        if accepts_json(headers) {
            return Json(RingPage { members: rows, processes: &view.facts().processes }).into_response();
        }
        Html(html(role, &view, &rows, self.cluster.is_some())).into_response()
    }

    fn processes(&self, role: Option<&str>, headers: &HeaderMap) -> Response {
        let mut processes = self.membership.view().all_processes();
        processes.retain(|process| role.is_none_or(|role| process.role == role));
        if accepts_json(headers) {
            return Json(serde_json::json!({ "processes": processes })).into_response();
        }
        let mut page = head("Cluster");
        page.push_str("<table><tr><th>Role<th>Name<th>HTTP<th>gRPC");
        for process in processes {
            let [role, id, http, grpc] = [&process.role, &process.id, &process.http, &process.grpc].map(|text| escaped(text));
            let _ = write!(page, "<tr><td>{role}<td>{id}<td>{http}<td>{grpc}");
        }
        page.push_str("</table>");
        Html(page).into_response()
    }

    async fn forget(&self, role: Option<&str>, name: &str) -> Response {
        let Some(cluster) = &self.cluster else {
            return (StatusCode::NOT_IMPLEMENTED, "the members of this process do not change").into_response();
        };
        let view = self.membership.view();
        if !view.rings().any(|ring| role.is_none_or(|role| ring.role() == role) && ring.find(name).is_some()) {
            return (StatusCode::NOT_FOUND, "there is no such member").into_response();
        }
        match cluster.forget(name).await {
            // The place from which the form was sent, whatever proxy is in between.
            Ok(()) => (StatusCode::FOUND, [(LOCATION, "#")]).into_response(),
            Err(err) => (StatusCode::SERVICE_UNAVAILABLE, Chain(&err).to_string()).into_response(),
        }
    }
}

fn rows(ring: &Ring, now_ms: i64) -> impl Iterator<Item = Row<'_>> {
    ring.members().iter().enumerate().map(move |(index, seen)| Row {
        seen,
        age_ms: now_ms.saturating_sub(seen.member.since_ms),
        owned_share: ring.owned_share(MemberId::new(index)),
    })
}

fn html(role: Option<&str>, view: &View, rows: &[Row<'_>], can_forget: bool) -> String {
    let mut page = head(&role.map_or_else(|| "Ring".to_owned(), |role| format!("Ring: {role}")));
    let settings = view.settings();
    let zones = if settings.zones.is_empty() { "none".to_owned() } else { escaped(&settings.zones.join(", ")) };
    let _ = write!(page, "<p>Replicas of each item: {}. Zones: {zones}.</p>", settings.replication_factor);
    page.push_str("<form method=\"post\"><table><tr><th>Member<th>Role<th>Zone<th>State<th>Alive<th>Age<th>Owns<th>gRPC<th>");
    for row in rows {
        let member = &row.seen.member;
        let [name, role, zone, grpc] = [&member.name, &member.role, &member.zone, &member.grpc].map(|text| escaped(text));
        let alive = if row.seen.alive { "yes" } else { "missing" };
        let age = row.age_ms.max(0) / 1000;
        let share = row.owned_share * 100.0;
        let _ = write!(page, "<tr><td>{name}<td>{role}<td>{zone}<td>{}<td>{alive}<td>{age} s<td>{share:.2} %<td>{grpc}<td>", member.state);
        if can_forget {
            let _ = write!(page, "<button name=\"forget\" value=\"{name}\">Forget</button>");
        }
    }
    page.push_str("</table></form>");
    page
}
