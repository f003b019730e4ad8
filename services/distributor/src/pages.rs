//! A page for operators: what every tenant has in the ingesters' memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::try_join_all;
use proto::quartet as pb;
use ring::Membership;
use ring::roles::INGESTER;
use runtime::http::{Table, accepts_json};
use serde_json::{Value, json};

use crate::ingesters::Ingesters;

/// What the page is made from.
#[derive(Clone)]
pub(crate) struct Pages {
    /// Which ingesters there are.
    pub(crate) membership: Arc<dyn Membership>,
    /// How they are asked.
    pub(crate) ingesters: Arc<dyn Ingesters>,
    /// How long one may take.
    pub(crate) timeout: Duration,
}

/// An ingester did not answer. Without it the sums would be too small, so there are none.
#[derive(Debug, thiserror::Error)]
#[error("failed to get the statistics of ingester {ingester}: {}", .source.message())]
struct Missing {
    ingester: String,
    source: tonic::Status,
}

/// The sums of a tenant's signal over all ingesters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    series: u64,
    milli_rows: u64,
}

impl Pages {
    pub(crate) fn routes(self) -> Router {
        Router::new().route("/distributor/all_user_stats", get(all_user_stats)).with_state(self)
    }

    /// The sums, most series first.
    async fn sums(&self) -> Result<Vec<((String, String), Sum)>, Missing> {
        let view = self.membership.view();
        let ring = view.ring(INGESTER);
        let asked = ring.members().iter().map(|seen| {
            let (ingester, answer) = (seen.member.name.clone(), self.ingesters.statistics(&seen.member.grpc, self.timeout));
            async move { answer.await.map_err(|source| Missing { ingester, source }) }
        });
        Ok(summed(try_join_all(asked).await?))
    }
}

/// Adds up what ingesters say.
fn summed(answers: Vec<pb::StatisticsResponse>) -> Vec<((String, String), Sum)> {
    let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for one in answers.into_iter().flat_map(|answer| answer.tenants) {
        let sum = sums.entry((one.tenant, one.signal)).or_default();
        sum.series = sum.series.saturating_add(one.series);
        sum.milli_rows = sum.milli_rows.saturating_add(one.milli_rows);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| Reverse(sum.series));
    sums
}

/// `GET /distributor/all_user_stats`: as Mimir has it, with every replica counted.
async fn all_user_stats(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let sums = match pages.sums().await {
        Ok(sums) => sums,
        Err(err) => return (StatusCode::INTERNAL_SERVER_ERROR, format!("{err}\n")).into_response(),
    };
    if accepts_json(&headers) {
        return Json(sums.iter().map(row).collect::<Value>()).into_response();
    }
    let factor = pages.membership.view().settings().replication_factor;
    let title = format!("Tenants in the ingesters: every replica counts, of {factor}");
    let mut table = Table::new(title, ["User", "Signal", "# Series", "Total Ingest Rate", "API Ingest Rate", "Rule Ingest Rate"]);
    for ((tenant, signal), sum) in sums {
        let rate = format!("{:.2}", per_second(&sum));
        table.row([tenant, signal, sum.series.to_string(), rate.clone(), rate, "0.00".to_owned()]);
    }
    table.page()
}

/// A row as Mimir names its fields. There is no ruler, so that all rows came by the API.
fn row(((tenant, signal), sum): &((String, String), Sum)) -> Value {
    let rate = per_second(sum);
    json!({
        "userID": tenant,
        "signal": signal,
        "ingestionRate": rate,
        "numSeries": sum.series,
        "APIIngestionRate": rate,
        "RuleIngestionRate": 0.0,
    })
}

fn per_second(sum: &Sum) -> f64 {
    sum.milli_rows as f64 / 1000.0
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("ingesters", &self.ingesters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(of: &[(&str, u64, u64)]) -> pb::StatisticsResponse {
        let tenants = of.iter().map(|&(tenant, series, milli_rows)| {
            let (tenant, signal) = (tenant.to_owned(), "metrics".to_owned());
            pb::TenantStatistics { tenant, signal, series, milli_rows }
        });
        pb::StatisticsResponse { tenants: tenants.collect() }
    }

    #[test]
    fn replicas_are_added_up_and_the_largest_tenant_comes_first() {
        let sums = summed(vec![answer(&[("small", 1, 500), ("large", 5, 0)]), answer(&[("small", 2, 250)]), answer(&[])]);
        let text: Vec<Value> = sums.iter().map(row).collect();
        assert_eq!((&text[0]["userID"], &text[0]["numSeries"]), (&json!("large"), &json!(5)));
        assert_eq!((&text[1]["userID"], &text[1]["numSeries"], &text[1]["ingestionRate"]), (&json!("small"), &json!(3), &json!(0.75)));
    }
}
