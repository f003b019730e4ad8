//! `quartet.v1.CompactorAdmin`, and the same over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use proto::quartet as pb;
use proto::quartet::compactor_admin_server::{CompactorAdmin, CompactorAdminServer};
use tonic::{Request, Status};
use ulid::Ulid;

use crate::leader::Office;
use crate::metrics::CompactorMetrics;

/// The service.
#[derive(Clone, Debug)]
pub struct Admin {
    office: Arc<Office>,
    metrics: CompactorMetrics,
}

/// Pause between two looks at the board.
const LOOK: Duration = Duration::from_millis(200);

/// Looks that must find nothing to do, one after the other: a merge's result comes into the leader's map with its next steps.
const QUIET_LOOKS: u32 = 15;

impl Admin {
    /// Over this process's office.
    #[must_use]
    pub fn new(office: Arc<Office>, metrics: CompactorMetrics) -> Self {
        Self { office, metrics }
    }

    /// As tonic mounts it.
    #[must_use]
    pub fn server(self, max_message: usize) -> CompactorAdminServer<Self> {
        CompactorAdminServer::new(self).max_decoding_message_size(max_message).max_encoding_message_size(max_message)
    }

    /// The HTTP routes.
    pub fn routes(self) -> Router {
        Router::new().route("/compactor/compact", post(compact)).with_state(self)
    }

    /// Plans and waits until there is nothing left to merge. None: this process does not lead.
    async fn compact_all(&self) -> Option<pb::CompactResponse> {
        let before = (self.metrics.merged.get(), self.metrics.blocks_in.get(), self.metrics.blocks_out.get());
        let (mut jobs, mut quiet) = (0u32, 0);
        while quiet < QUIET_LOOKS {
            let left = self.office.plan_now()?;
            quiet = if left == 0 { quiet + 1 } else { 0 };
            jobs = jobs.max(u32::try_from(left).unwrap_or(u32::MAX));
            tokio::time::sleep(LOOK).await;
        }
        // Workers elsewhere count for themselves: these are the figures of this process, and the most jobs seen at once.
        let since = |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        Some(pb::CompactResponse {
            jobs: jobs.max(since(self.metrics.merged.get(), before.0)),
            blocks_in: since(self.metrics.blocks_in.get(), before.1),
            blocks_out: since(self.metrics.blocks_out.get(), before.2),
        })
    }

    fn not_the_leader(&self) -> String {
        match self.office.elected() {
            Some((name, address)) => format!("{name} at {address} is to lead"),
            None => "no compactor is to lead now".to_owned(),
        }
    }
}

async fn compact(State(admin): State<Admin>) -> Response {
    match admin.compact_all().await {
        Some(done) => {
            let text = format!("{{\"jobs\":{},\"blocksIn\":{},\"blocksOut\":{}}}\n", done.jobs, done.blocks_in, done.blocks_out);
            ([(axum::http::header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        None => (StatusCode::CONFLICT, admin.not_the_leader() + "\n").into_response(),
    }
}

#[tonic::async_trait]
impl CompactorAdmin for Admin {
    async fn compact(&self, _: Request<pb::CompactRequest>) -> Result<tonic::Response<pb::CompactResponse>, Status> {
        let done = self.compact_all().await.ok_or_else(|| Status::failed_precondition(self.not_the_leader()))?;
        Ok(tonic::Response::new(done))
    }

    async fn take_job(&self, request: Request<pb::TakeJobRequest>) -> Result<tonic::Response<pb::TakeJobResponse>, Status> {
        let taken = self.office.take(&request.get_ref().worker).ok_or_else(|| Status::failed_precondition(self.not_the_leader()))?;
        let job = match taken {
            None => Vec::new(),
            Some(job) => serde_json::to_vec(&job).map_err(|err| Status::internal(err.to_string()))?,
        };
        Ok(tonic::Response::new(pb::TakeJobResponse { job: job.into() }))
    }

    async fn finish_job(&self, request: Request<pb::FinishJobRequest>) -> Result<tonic::Response<pb::FinishJobResponse>, Status> {
        let id: Ulid = request.get_ref().job.parse().map_err(|_| Status::invalid_argument("job: not the name of a job"))?;
        if self.office.finish(id) {
            Ok(tonic::Response::new(pb::FinishJobResponse {}))
        } else {
            Err(Status::failed_precondition(self.not_the_leader()))
        }
    }
}
