//! `/api/v1/labels`, `/api/v1/label/{name}/values` and `/api/v1/series`.

use axum::extract::{Path, State};
use axum::response::Response;
use index::Matcher;
use signal::{SubQuery, TimeRange};
use syntax::LabelMatcher;

use super::answer::ask;
use super::caller::Caller;
use super::error::PromError;
use super::log::QueryLog;
use super::params::Params;
use super::{Api, answer, times};
use crate::NAME;
use crate::limits::MetricsLimits;
use crate::query::promql::{parse_selector, selects_everything};
use crate::query::subquery::Task;
use crate::wire::LeafQuery;

/// `GET` and `POST /api/v1/labels`.
pub(super) async fn labels(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let request = Request { api, caller, params };
    request
        .answer("labels", |params, limits| {
            let limit = least(times::limit(params)?, limits.max_label_names_limit);
            let sets = matcher_sets(params).map_err(PromError::bad_data)?;
            Ok((LeafQuery::LabelNames { sets, limit: one_more(limit) }, limit))
        })
        .await
}

/// `GET /api/v1/label/{name}/values`.
pub(super) async fn label_values(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, PromError> {
    let request = Request { api, caller, params };
    request
        .answer("label_values", |params, limits| {
            let name = unescape_name(&name);
            if name.is_empty() {
                return Err(PromError::bad_data("invalid label name: \"\""));
            }
            let limit = least(times::limit(params)?, limits.max_label_values_limit);
            let sets = matcher_sets(params).map_err(PromError::bad_data)?;
            Ok((LeafQuery::LabelValues { name, sets, limit: one_more(limit) }, limit))
        })
        .await
}

/// `GET` and `POST /api/v1/series`.
pub(super) async fn series(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let request = Request { api, caller, params };
    request
        .answer("series", |params, limits| {
            if params.all("match[]").next().is_none() {
                return Err(PromError::bad_data("no match[] parameter provided"));
            }
            let limit = least(times::limit(params)?, limits.max_series_query_limit);
            let sets = matcher_sets(params).map_err(|err| PromError::parameter("match[]", err))?;
            Ok((LeafQuery::Series { sets, limit: one_more(limit) }, limit))
        })
        .await
}

struct Request {
    api: Api,
    caller: Caller,
    params: Params,
}

impl Request {
    /// Answers with the list that `question` makes of the parameters, cut at the limit beside it (0 is none).
    async fn answer(
        self,
        kind: &'static str,
        question: impl FnOnce(&Params, &MetricsLimits) -> Result<(LeafQuery, usize), PromError> + Send,
    ) -> Result<Response, PromError> {
        let matches: Vec<&str> = self.params.all("match[]").collect();
        let mut log = QueryLog::begin(&self.api.deps, kind, &self.caller, &matches.join(" "));
        let outcome = self.run(question, &mut log).await;
        log.answer(outcome)
    }

    async fn run(
        &self,
        question: impl FnOnce(&Params, &MetricsLimits) -> Result<(LeafQuery, usize), PromError> + Send,
        log: &mut QueryLog,
    ) -> Result<Vec<u8>, PromError> {
        let Self { api, caller, params } = self;
        let limits = MetricsLimits::of_all(&api.deps.limits, &caller.tenants);
        let (start, end) = times::window(params)?;
        let (query, limit) = question(params, &limits)?;
        let (start, end) = clamp(start, end, &limits, api.deps.clock.now_ms());
        log.times(start, end, 0);
        if start > end {
            return Ok(answer::no_list().write("", limit, None));
        }
        log.parts(1);
        let timeout = api.deps.query.timeout.get();
        let payload = Task::List(query).encode(&caller.access);
        let part = SubQuery { tenants: caller.tenants.clone(), signal: NAME, payload, range: TimeRange::from_ms(start, end), timeout };
        let written = ask(api, vec![part], 1, timeout, move |answer| (answer.fetched, answer.write("", limit, None)));
        let (fetched, body) = written.await?;
        log.fetched(fetched);
        Ok(body)
    }
}

/// Cuts a window to what the tenant's limits allow.
fn clamp(start: i64, end: i64, limits: &MetricsLimits, now: i64) -> (i64, i64) {
    let start = start.max(super::oldest(limits, now));
    let longest = limits.max_labels_query_length;
    if longest.is_zero() { (start, end) } else { (start.max(end.min(now).saturating_sub(longest.as_ms())), end) }
}

/// The lesser of two limits of which 0 is none.
fn least(asked: usize, allowed: u64) -> usize {
    match (asked, usize::try_from(allowed).unwrap_or(usize::MAX)) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

/// What leaves are asked for, so that it shows when there is more than the limit.
const fn one_more(limit: usize) -> u64 {
    if limit == 0 { 0 } else { (limit as u64).saturating_add(1) }
}

/// The selectors of `match[]`.
pub(super) fn matcher_sets(params: &Params) -> Result<Vec<Vec<LabelMatcher>>, String> {
    params
        .all("match[]")
        .map(|selector| {
            let matchers = parse_selector(selector).map_err(|err| err.to_string())?;
            Matcher::compile_all(&matchers).map_err(|err| err.to_string())?;
            if selects_everything(&matchers) {
                return Err("match[] must contain at least one non-empty matcher".to_owned());
            }
            Ok(matchers)
        })
        .collect()
}

/// Resolves the escapes of a name that had to go through an old client: `U__citt_e0_` is `città`. What is not well
/// escaped is the name as it stands.
fn unescape_name(name: &str) -> String {
    name.strip_prefix("U__").and_then(unescape).unwrap_or_else(|| name.to_owned())
}

fn unescape(escaped: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find('_')?;
        if end == 0 {
            out.push('_');
        } else {
            let code = rest.get(..end).filter(|code| code.len() <= 6 && code.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests;
