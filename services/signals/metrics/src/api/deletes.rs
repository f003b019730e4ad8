//! `/api/v1/admin/tsdb/delete_series` and `/api/v1/admin/tsdb/clean_tombstones`, as Prometheus has them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use signal::{RowDeletes, RowDrop, TimeRange};
use tenancy::TenantId;

use super::caller::Caller;
use super::error::PromError;
use super::params::Params;
use super::{Api, lists, times};
use crate::NAME;
use crate::drops;

/// `POST` and `PUT /api/v1/admin/tsdb/delete_series`: what has arrived of these series and times is gone when it answers.
pub(super) async fn delete_series(State(api): State<Api>, caller: Caller, params: Params) -> Result<StatusCode, PromError> {
    let (tenant, deletes) = of_one(&api, &caller)?;
    if params.all("match[]").next().is_none() {
        return Err(PromError::bad_data("no match[] parameter provided"));
    }
    let (start, end) = times::window(&params)?;
    let sets = lists::matcher_sets(&params).map_err(|err| PromError::parameter("match[]", err))?;
    if start <= end {
        let rows = RowDrop { range: TimeRange::from_ms(start, end), what: drops::encode(&sets) };
        deletes.delete(tenant, NAME, rows).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST` and `PUT /api/v1/admin/tsdb/clean_tombstones`: answers when no block holds deleted rows any more.
pub(super) async fn clean_tombstones(State(api): State<Api>, caller: Caller) -> Result<StatusCode, PromError> {
    let (tenant, deletes) = of_one(&api, &caller)?;
    deletes.settle(tenant, NAME).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A delete is of one tenant, and is refused where the caller may not see all of its series.
fn of_one<'a>(api: &Api, caller: &'a Caller) -> Result<(&'a TenantId, Arc<dyn RowDeletes>), PromError> {
    let [tenant] = caller.tenants.all() else { return Err(PromError::bad_data("multiple org IDs present")) };
    if !caller.access.is_unlimited() {
        return Err(PromError::bad_data("a label policy hides series that would be deleted"));
    }
    let deletes = api.exec.deletes().ok_or_else(|| PromError::bad_data("this process records no deletes"))?;
    Ok((tenant, deletes))
}
