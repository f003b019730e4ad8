use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use proto::quartet as pb;
use ring::{Fixed, Member, MemberState, RingSettings};
use runtime::{ErrorKind, Tasks};
use signal::{InstanceLimit, Item, Overloaded, Plugins, Refusal, SignalName, WriteBatch, WriteSink};
use tenancy::TenantId;
use tonic::Status;

use super::Replicator;
use crate::config::DistributorConfig;
use crate::ingesters::Ingesters;
use crate::metrics::DistributorMetrics;

/// How an ingester of these tests answers.
#[derive(Clone, Copy, Debug)]
enum Way {
    Stores,
    Refuses,
    Fails,
    Hangs,
    /// The first item is of a series that it has no room for.
    HasNoRoom,
    /// All of it is too much.
    IsCrowded,
}

#[derive(Debug, Default)]
struct Fakes {
    ways: HashMap<String, Way>,
    pushed: Mutex<Vec<(String, Bytes)>>,
}

impl Ingesters for Arc<Fakes> {
    fn push(
        &self,
        address: &str,
        _tenant: &TenantId,
        request: pb::PushRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<pb::PushResponse, Status>> {
        self.pushed.lock().push((address.to_owned(), request.payload.clone()));
        let refusal =
            pb::Refusal { item: 0, kind: ErrorKind::BadInput.number(), reason: "old".to_owned(), text: "too old".to_owned(), rows: 1 };
        match self.ways[address] {
            Way::Stores => async { Ok(pb::PushResponse::default()) }.boxed(),
            Way::Refuses => async { Ok(pb::PushResponse { refused: vec![refusal] }) }.boxed(),
            Way::Fails => async { Err(Status::unavailable("no disk")) }.boxed(),
            Way::HasNoRoom => async { Ok(pb::PushResponse { refused: vec![without_room()] }) }.boxed(),
            Way::IsCrowded => async { Err(signal::rpc::with_limit(Status::unavailable("crowded"), InstanceLimit::InflightPushes)) }.boxed(),
            Way::Hangs => async move {
                tokio::time::sleep(timeout).await;
                Err(Status::deadline_exceeded("late"))
            }
            .boxed(),
        }
    }

    fn statistics(&self, _: &str, _: Duration) -> BoxFuture<'static, Result<pb::StatisticsResponse, Status>> {
        async { Err(Status::unimplemented("nobody asks for statistics here")) }.boxed()
    }
}

fn without_room() -> pb::Refusal {
    let refusal = Refusal::without_room(0, 1);
    pb::Refusal { item: 0, kind: refusal.kind.number(), reason: refusal.reason, text: refusal.text, rows: 1 }
}

fn cluster(ways: [Way; 3]) -> (Replicator, Arc<Fakes>) {
    let zones: Arc<[String]> = ["a", "b", "c"].map(str::to_owned).into();
    let members = zones.iter().map(|zone| Member {
        name: format!("ingester-{zone}-0"),
        role: super::INGESTER.to_owned(),
        zone: zone.clone(),
        http: zone.clone(),
        grpc: zone.clone(),
        gossip: zone.clone(),
        signals: vec!["test".to_owned()],
        state: MemberState::Active,
        since_ms: 0,
        counter: 1,
    });
    let settings = RingSettings { replication_factor: 3, zones: zones.clone() };
    let membership = Arc::new(Fixed::new(settings, members.collect(), Vec::new()));
    let ways = zones.iter().cloned().zip(ways).collect();
    let fakes = Arc::new(Fakes { ways, pushed: Mutex::default() });
    let metrics = DistributorMetrics::register(&mut Registry::default(), 3);
    let config = DistributorConfig::default();
    let replicator = Replicator::new(&config, membership, Arc::new(fakes.clone()), Plugins::default(), metrics, Tasks::default());
    (replicator, fakes)
}

fn batch() -> WriteBatch {
    WriteBatch {
        tenant: TenantId::anonymous(),
        signal: SignalName::new("test"),
        format: 1,
        items: vec![Item { key: 7, start: 1, end: 3 }, Item { key: 4_000_000_000, start: 4, end: 6 }],
        bytes: Bytes::from_static(b".ab.cd."),
    }
}

#[tokio::test(start_paused = true)]
async fn every_replica_gets_the_bytes_of_its_items() {
    let (replicator, fakes) = cluster([Way::Stores, Way::Stores, Way::Stores]);
    assert!(replicator.write(batch()).await.unwrap().refused.is_empty());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut pushed = fakes.pushed.lock().clone();
    pushed.sort();
    let expect = ["a", "b", "c"].map(|zone| (zone.to_owned(), Bytes::from_static(b"abcd")));
    assert_eq!(pushed, expect);
}

#[tokio::test(start_paused = true)]
async fn one_replica_may_fail_or_hang() {
    for way in [Way::Fails, Way::Hangs] {
        let (replicator, _) = cluster([Way::Stores, way, Way::Stores]);
        assert!(replicator.write(batch()).await.is_ok(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_fail_are_an_error_to_try_again() {
    let (replicator, _) = cluster([Way::Stores, Way::Fails, Way::Fails]);
    let err = replicator.write(batch()).await.unwrap_err();
    assert_eq!(err.kind, ErrorKind::Unavailable);
    assert!(err.text.contains("no disk"), "{err}");
    let (replicator, _) = cluster([Way::Stores, Way::Hangs, Way::Hangs]);
    assert_eq!(replicator.write(batch()).await.unwrap_err().kind, ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_majority_refuses_one_item_and_the_others_are_stored() {
    let (replicator, _) = cluster([Way::Refuses, Way::Refuses, Way::Fails]);
    // The second item is stored by two and lost by one.
    let outcome = replicator.write(batch()).await.unwrap();
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!((outcome.refused[0].item, outcome.refused[0].reason.as_str()), (0, "old"));
    assert_eq!(outcome.refused[0].text, "too old");
}

#[tokio::test(start_paused = true)]
async fn one_crowded_replica_is_passed_over_and_two_are_named() {
    for (way, limit) in [(Way::HasNoRoom, InstanceLimit::Series), (Way::IsCrowded, InstanceLimit::InflightPushes)] {
        let (replicator, _) = cluster([way, Way::Stores, Way::Stores]);
        assert!(replicator.write(batch()).await.unwrap().refused.is_empty(), "{way:?}");
        let (replicator, _) = cluster([way, Way::Stores, way]);
        let err = replicator.write(batch()).await.unwrap_err();
        assert_eq!(err.kind, ErrorKind::Unavailable, "it is to be sent again");
        let Some(Overloaded { ingester, limit: named }) = err.overloaded else { panic!("{err}") };
        assert!(named == limit && ["ingester-a-0", "ingester-c-0"].contains(&ingester.as_str()), "{ingester}: {named}");
    }
}
