//! `/api/v1/format_query` and `/api/v1/parse_query`: what a query's text means, without asking for data.

use axum::extract::State;
use axum::response::Response;

use super::answer::success;
use super::error::PromError;
use super::params::Params;
use super::{Api, json};
use crate::query;
use crate::query::promql::parse;

/// `GET` and `POST /api/v1/format_query`.
pub(super) async fn format_query(State(api): State<Api>, params: Params) -> Result<Response, PromError> {
    describe(api, params, |expr, out| json::text(out, &expr.pretty())).await
}

/// `GET` and `POST /api/v1/parse_query`.
pub(super) async fn parse_query(State(api): State<Api>, params: Params) -> Result<Response, PromError> {
    describe(api, params, |expr, out| out.extend_from_slice(expr.to_json().to_string().as_bytes())).await
}

async fn describe(
    api: Api,
    params: Params,
    write: impl FnOnce(&query::promql::Expr, &mut Vec<u8>) + Send + 'static,
) -> Result<Response, PromError> {
    let described = query::run(&api.deps.compute, move || {
        let expr = parse(params.get("query"))?;
        let mut out = Vec::new();
        json::begin(&mut out);
        write(&expr, &mut out);
        json::end(&mut out, &[], &[]);
        Ok(out)
    });
    let described: Result<Vec<u8>, query::promql::ParseError> = described.await?;
    described.map(success).map_err(|err| PromError::parameter("query", err))
}
