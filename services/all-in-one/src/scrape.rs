//! The process watches itself: its own `/metrics` become series of the tenant `anonymous`, so that a newcomer's first query has an answer.

pub(crate) mod text;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use proto::prometheus as pb;
use runtime::{Chain, Clock};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Scrapes one process, and writes to it.
pub(crate) struct SelfScrape {
    pub(crate) address: String,
    pub(crate) period: Duration,
    pub(crate) tenant: String,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Why a scrape brought nothing.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error("ask for the metrics")]
    Client(#[from] hyper_util::client::legacy::Error),
    #[error("read the answer")]
    Body(#[from] hyper::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("make the request")]
    Request(#[from] http::Error),
    #[error("compress the samples")]
    Snappy(#[from] snap::Error),
}

impl SelfScrape {
    /// Scrapes until `stop` fires. What cannot be written is left out: the next scrape comes soon.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut tick = tokio::time::interval(self.period.max(Duration::from_millis(100)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if let Err(err) = self.once(&client).await {
                debug!(error = %Chain(&err), "own metrics were not stored");
            }
        }
    }

    async fn once(&self, client: &Client<HttpConnector, Full<Bytes>>) -> Result<(), ScrapeError> {
        let now = self.clock.now_ms();
        let request = Request::get(format!("http://{}/metrics", self.address)).body(Full::default())?;
        let answer = client.request(request).await?;
        if !answer.status().is_success() {
            return Err(ScrapeError::Status(answer.status()));
        }
        let body = answer.into_body().collect().await?.to_bytes();
        let timeseries = text::parse(&String::from_utf8_lossy(&body), now, &[("instance", &self.address), ("job", "quartet")]);
        let write = pb::WriteRequest { timeseries, metadata: Vec::new() };
        let compressed = snap::raw::Encoder::new().compress_vec(&write.encode_to_vec())?;
        let request = Request::post(format!("http://{}/api/v1/push", self.address))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .header(tenancy::http::TENANT_HEADER, &self.tenant)
            .body(Full::new(Bytes::from(compressed)))?;
        let answer = client.request(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(ScrapeError::Status(answer.status())) }
    }
}
