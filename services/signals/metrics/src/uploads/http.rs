//! The four routes. Each looks at how far the upload is before anything else of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode};
use runtime::config::{ByteSize, HumanDuration};
use runtime::http::{BodyError, read_body};
use runtime::{Chain, Clock};
use serde::Serialize;
use signal::{Depot, UploadId, UploadState};
use tenancy::{Overrides, Tenants};
use tracing::{error, info, warn};
use ulid::Ulid;

use super::error::{MAX_META, UploadError};
use super::meta::{self, META, UploadMeta};
use crate::NAME;
use crate::limits::MetricsLimits;

/// What handlers are given.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) limits: Overrides<MetricsLimits>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) depot: Arc<dyn Depot>,
}

/// How far an upload is, as clients read it.
#[derive(Debug, Serialize)]
struct Checked {
    result: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

impl Api {
    /// The routes; the door has to stand before them.
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/api/v1/upload/block/{block}/start", post(start))
            .route("/api/v1/upload/block/{block}/files", post(file))
            .route("/api/v1/upload/block/{block}/finish", post(finish))
            .route("/api/v1/upload/block/{block}/check", get(check))
            .with_state(self)
    }

    /// The upload that a request names, if its tenant may upload.
    fn upload(&self, block: &str, tenants: &Tenants) -> Result<UploadId, UploadError> {
        let id = Ulid::from_string(block).map_err(|_| UploadError::BlockId)?;
        let [tenant] = tenants.all() else { return Err(UploadError::TenantId) };
        if !self.limits.of(tenant).compactor_block_upload_enabled {
            return Err(UploadError::Disabled);
        }
        Ok(UploadId { tenant: tenant.clone(), signal: NAME, id })
    }

    /// What was said of an upload that files may come of; none: it was not begun.
    async fn open(&self, upload: &UploadId) -> Result<Option<UploadMeta>, UploadError> {
        match self.depot.state(upload.clone()).await? {
            UploadState::Unknown => Ok(None),
            UploadState::Open { about } => Ok(Some(UploadMeta::read(&about)?)),
            UploadState::Converting => Err(UploadError::Converting),
            UploadState::Failed { .. } => Err(UploadError::Failed),
            UploadState::Done => Err(UploadError::Exists),
        }
    }

    async fn start(&self, upload: UploadId, headers: &HeaderMap, body: Body) -> Result<(), UploadError> {
        self.open(&upload).await?;
        let body = read_body(headers, body, ByteSize(MAX_META)).await.map_err(|err| match err {
            BodyError::TooLarge { .. } => UploadError::MetaTooLarge,
            _ => UploadError::Broken,
        })?;
        let meta = UploadMeta::read(&body)?;
        let (limits, now_ms) = (self.limits.of(&upload.tenant), self.clock.now_ms());
        meta.check(&limits, now_ms)?;
        let own = Some(limits.retention_series.longest(limits.compactor_blocks_retention_period)).filter(|kept| !kept.is_zero());
        let kept = own.map(HumanDuration::get).or_else(|| self.depot.default_retention());
        if kept.is_some_and(|kept| meta.max_time < now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))) {
            return Err(UploadError::TooOld(meta.max_time));
        }
        self.depot.begin(upload.clone(), meta.write().into()).await?;
        info!(%upload, "the upload of a block begins");
        Ok(())
    }

    async fn file(&self, upload: UploadId, path: &str, body: Body) -> Result<(), UploadError> {
        if path.is_empty() {
            return Err(UploadError::NoPath);
        }
        if path.trim_end_matches('/').rsplit('/').next() == Some(META) {
            return Err(UploadError::MetaFile);
        }
        if meta::Path::parse(path).is_none() {
            return Err(UploadError::Path(path.to_owned()));
        }
        // None where the body comes in chunks.
        let declared = body.size_hint().exact();
        if declared == Some(0) {
            return Err(UploadError::Empty);
        }
        let meta = self.open(&upload).await?.ok_or(UploadError::NotStarted)?;
        let len = meta.size_of(path).ok_or(UploadError::Unexpected)?;
        if declared.is_some_and(|declared| declared != len) {
            return Err(UploadError::Size);
        }
        Ok(self.depot.store(upload, path.to_owned(), len, body).await?)
    }

    async fn finish(&self, upload: UploadId) -> Result<(), UploadError> {
        self.open(&upload).await?.ok_or(UploadError::NotStarted)?;
        Ok(self.depot.finish(upload).await?)
    }

    async fn check(&self, upload: UploadId) -> Result<Checked, UploadError> {
        let (result, error) = match self.depot.state(upload).await? {
            UploadState::Unknown => return Err(UploadError::Unknown),
            UploadState::Open { .. } => ("uploading", String::new()),
            UploadState::Converting => ("validating", String::new()),
            UploadState::Failed { error } => ("failed", error),
            UploadState::Done => ("complete", String::new()),
        };
        Ok(Checked { result, error })
    }
}

/// The answer to a request. What is ours to mend goes into the log, with what the client is told to find it by.
fn answer(what: &'static str, block: &str, done: Result<impl IntoResponse, UploadError>) -> Response {
    match done {
        Ok(done) => done.into_response(),
        Err(err) => {
            if err.status() == StatusCode::INTERNAL_SERVER_ERROR {
                error!(what, block, error = %Chain(&err), "an upload failed");
            } else {
                warn!(what, block, error = %err, "an upload is refused");
            }
            err.into_response()
        }
    }
}

async fn start(State(api): State<Api>, Path(block): Path<String>, Extension(tenants): Extension<Tenants>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let done = async { api.start(api.upload(&block, &tenants)?, &head.headers, body).await };
    answer("start", &block, done.await)
}

async fn file(
    State(api): State<Api>,
    Path(block): Path<String>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    Extension(tenants): Extension<Tenants>,
    request: Request,
) -> Response {
    let path = query.ok().and_then(|Query(mut query)| query.remove("path")).unwrap_or_default();
    let done = async { api.file(api.upload(&block, &tenants)?, &path, request.into_body()).await };
    answer("files", &block, done.await)
}

async fn finish(State(api): State<Api>, Path(block): Path<String>, Extension(tenants): Extension<Tenants>) -> Response {
    let done = async { api.finish(api.upload(&block, &tenants)?).await };
    answer("finish", &block, done.await)
}

async fn check(State(api): State<Api>, Path(block): Path<String>, Extension(tenants): Extension<Tenants>) -> Response {
    let done = async { api.check(api.upload(&block, &tenants)?).await.map(Json) };
    answer("check", &block, done.await)
}
