//! The stream of a member to a process without state: whole views, whenever they change.

use std::sync::Arc;
use std::time::Duration;

use proto::quartet::ring_admin_server::RingAdmin;
use proto::quartet::{Hello, RingView};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use super::Shared;
use super::member::{Following, MemberPart};
use crate::member::Process;
use crate::membership::Changes;
use crate::view::View;

/// Longest name or address in a hello.
const MAX_TEXT: usize = 300;

/// `RingAdmin` of a member.
#[derive(Clone, Debug)]
pub struct WatchService {
    shared: Arc<Shared>,
    member: Arc<MemberPart>,
    draining: CancellationToken,
}

impl WatchService {
    pub(super) const fn new(shared: Arc<Shared>, member: Arc<MemberPart>, draining: CancellationToken) -> Self {
        Self { shared, member, draining }
    }
}

#[tonic::async_trait]
impl RingAdmin for WatchService {
    type WatchStream = ReceiverStream<Result<RingView, Status>>;

    async fn watch(&self, request: Request<Streaming<Hello>>) -> Result<Response<Self::WatchStream>, Status> {
        let mut hellos = request.into_inner();
        let patience = self.shared.config.missing_after.get();
        let first = match tokio::time::timeout(patience, hellos.message()).await {
            Ok(hello) => hello?.ok_or_else(|| Status::invalid_argument("a stream without a hello"))?,
            Err(_) => return Err(Status::deadline_exceeded("no hello came")),
        };
        let following = Following::new(self.member.clone(), process(first)?);
        let (views, stream) = mpsc::channel(1);
        let changes = Changes::new(self.shared.views.subscribe());
        let first = self.shared.views.borrow().clone();
        let stop = self.draining.clone();
        self.shared.environment.tasks.detach("ring watch", async move {
            let reason = stop.run_until_cancelled(forward(hellos, first, changes, views, patience)).await.unwrap_or("the member stops");
            debug!(?following, reason, "a stream of the ring ends");
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Sends each view until the process is gone, or silent for `patience`. Returns why it ended.
async fn forward(
    mut hellos: Streaming<Hello>,
    first: Arc<View>,
    mut changes: Changes,
    views: mpsc::Sender<Result<RingView, Status>>,
    patience: Duration,
) -> &'static str {
    let mut next = Some(first);
    let silent = tokio::time::sleep(patience);
    tokio::pin!(silent);
    loop {
        if let Some(view) = next.take() {
            let view = RingView { json: view.json() };
            match tokio::time::timeout(patience, views.send(Ok(view))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return "the process hung up",
                Err(_) => return "the process does not read",
            }
        }
        tokio::select! {
            hello = hellos.message() => match hello {
                Ok(Some(_)) => silent.as_mut().reset(tokio::time::Instant::now() + patience),
                Ok(None) => return "the process closed it",
                Err(_) => return "the connection broke",
            },
            view = changes.changed() => match view {
                Some(view) => next = Some(view),
                None => return "the member is gone",
            },
            () = &mut silent => return "the process is silent",
        }
    }
}

fn process(hello: Hello) -> Result<Process, Status> {
    let Hello { role, id, http, grpc } = hello;
    if role.is_empty() || id.is_empty() || [&role, &id, &http, &grpc].iter().any(|text| text.len() > MAX_TEXT) {
        return Err(Status::invalid_argument("a hello names role and id, and no text is longer than 300 bytes"));
    }
    Ok(Process { role, id, http, grpc })
}
