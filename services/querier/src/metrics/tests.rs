use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use proto::quartet as pb;
use ring::{Fixed, Member, MemberState, Membership, RingSettings};
use signal::{InstanceLimit, QueryError, SignalName, TimeRange};
use storage::block::{BlockFacts, BlockId, SignalId};
use storage::catalog::{Entry, FileRef, Shard};
use tenancy::TenantId;
use tokio::sync::mpsc;
use tonic::Status;

use super::*;
use crate::blocks::{BlocksScan, plan};
use crate::heads::HeadsScan;
use crate::leaf::{LeafClients, Messages};

const SIGNAL: SignalName = SignalName::new("test");

/// Leaves that say that they are done, but for some addresses, which do not answer.
#[derive(Debug)]
struct Leaves {
    silent: &'static [&'static str],
}

impl LeafClients for Leaves {
    fn scan(&self, address: &str, _: &TenantId, request: pb::ScanRequest) -> BoxFuture<'static, Result<Messages, Status>> {
        if self.silent.contains(&address) {
            let crowded = signal::rpc::with_limit(Status::unavailable("silent"), InstanceLimit::InflightReads);
            return async { Err(crowded) }.boxed();
        }
        let done = |ask: &pb::BlockAsk| {
            let entry: Entry = serde_json::from_slice(&ask.entry).unwrap();
            Ok(pb::ScanResponse::block_done(entry.id.to_string(), false))
        };
        let mut messages: Vec<_> = request.blocks.iter().map(done).collect();
        if request.heads {
            messages.push(Ok(pb::ScanResponse::header(pb::LeafHeader::default())));
        }
        async move { Ok(stream::iter(messages).boxed()) }.boxed()
    }
}

/// Three members of a role, each in its zone, which is its address.
fn membership(role: &str) -> Fixed {
    let zones: Arc<[String]> = ["a", "b", "c"].map(str::to_owned).into();
    let members = zones.iter().map(|zone| Member {
        name: format!("{role}-{zone}-0"),
        role: role.to_owned(),
        zone: zone.clone(),
        http: zone.clone(),
        grpc: zone.clone(),
        gossip: zone.clone(),
        signals: vec![SIGNAL.as_str().to_owned()],
        state: MemberState::Active,
        since_ms: 0,
        counter: 1,
    });
    Fixed::new(RingSettings { replication_factor: 3, zones: zones.clone() }, members.collect(), Vec::new())
}

fn block() -> Arc<Entry> {
    let range = TimeRange { start: 0, end: 1 };
    Arc::new(Entry {
        id: BlockId::new(0),
        tenant: TenantId::anonymous(),
        signal: SignalId::parse(SIGNAL.as_str()).unwrap(),
        facts: BlockFacts { range, rows: 1, series: 1, hash_range: (0, 1), footer_len: 1, schema_version: 1 },
        data: FileRef { object: "data".to_owned(), offset: 0, len: 1 },
        index: None,
        arrival: range,
        retention_ns: 0,
        level: 0,
        shard: Shard::default(),
        parents: Vec::new(),
        delete_number: 0,
        rules: None,
    })
}

async fn scan_blocks(metrics: &QuerierMetrics, silent: &'static [&'static str]) -> Result<(), QueryError> {
    let (rows, _receiver) = mpsc::channel(1);
    let scan = BlocksScan {
        clients: &Leaves { silent },
        tenant: &TenantId::anonymous(),
        signal: SIGNAL,
        range: TimeRange::ALL,
        payload: Bytes::new(),
        deletes: Bytes::new(),
        replicas: 3,
        rows: &rows,
        metrics,
    };
    let ring = membership(ring::roles::STORE_GATEWAY).view().ring(ring::roles::STORE_GATEWAY);
    scan.run(&ring, plan(vec![block()], &[])).await.map(drop)
}

async fn scan_heads(metrics: &QuerierMetrics, silent: &'static [&'static str]) -> Result<(), QueryError> {
    let (rows, _receiver) = mpsc::channel(1);
    let scan = HeadsScan {
        clients: &Leaves { silent },
        tenant: &TenantId::anonymous(),
        signal: SIGNAL,
        range: TimeRange::ALL,
        payload: Bytes::new(),
        deletes: Bytes::new(),
        ask_all_after: Duration::from_secs(60),
        turn: 0,
        rows: &rows,
        metrics,
    };
    let ring = membership(ring::roles::INGESTER).view().ring(ring::roles::INGESTER);
    scan.run(&ring.read_shard("anonymous", SIGNAL.as_str(), 0, 0, 0)).await.map(drop)
}

fn shown(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn questions_to_leaves_are_counted() {
    let mut registry = Registry::default();
    let metrics = QuerierMetrics::register(&mut registry);
    assert_eq!(scan_blocks(&metrics, &[]).await, Ok(()));
    let unanswered = scan_blocks(&metrics, &["a", "b", "c"]).await.unwrap_err();
    let text = format!("The failed blocks are: {} (silent)", BlockId::new(0));
    assert_eq!((unanswered.reason.as_str(), unanswered.text.len()), (QueryError::BLOCKS_UNANSWERED, text.len()));
    assert_eq!(scan_heads(&metrics, &["b"]).await, Ok(()));
    let crowded = scan_heads(&metrics, &["a", "b"]).await.unwrap_err();
    assert_eq!(InstanceLimit::of(&crowded.reason), Some(InstanceLimit::InflightReads), "{crowded}");
    let lines = shown(&registry);
    for line in [
        // One store-gateway, then three, the second and third of them asked anew.
        "cortex_querier_storegateway_instances_hit_per_query_sum 4.0",
        "cortex_querier_storegateway_instances_hit_per_query_count 2",
        "cortex_querier_storegateway_refetches_per_query_sum 2.0",
        "cortex_querier_storegateway_refetches_per_query_bucket{le=\"0.0\"} 1",
        "cortex_querier_blocks_consistency_checks_total 2",
        "cortex_querier_blocks_consistency_checks_failed_total 1",
        "cortex_distributor_query_duration_seconds_count{method=\"Distributor.QueryStream\",status_code=\"200\"} 1",
        "cortex_distributor_query_duration_seconds_count{method=\"Distributor.QueryStream\",status_code=\"500\"} 1",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line}: {lines:#?}");
    }
}

#[test]
fn what_runs_is_shown_until_it_ends() {
    let mut registry = Registry::default();
    let metrics = QuerierMetrics::register(&mut registry);
    metrics.show_most(8);
    let (one, _two) = (metrics.begin(), metrics.begin());
    drop(one);
    let lines = shown(&registry);
    for line in ["prometheus_engine_queries 1", "prometheus_engine_queries_concurrent_max 8"] {
        assert!(lines.iter().any(|shown| shown == line), "{line}: {lines:#?}");
    }
}
