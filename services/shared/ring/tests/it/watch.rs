use proto::quartet::Hello;
use proto::quartet::ring_admin_client::RingAdminClient;
use quartet_ring::Membership;
use runtime::grpc::{Channels, ClientConfig};

use crate::support::{Process, active, bucket, follower, wait, writable};

fn ids(process: &Process, role: &str) -> usize {
    process.cluster.view().processes(role).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_knows_all_processes_each_once() {
    let bucket = bucket();
    let (a, b) = (active(&bucket, "a").await, active(&bucket, "b").await);
    let (d, q) = (follower(&bucket, "distributor").await, follower(&bucket, "querier").await);
    let all =
        |view: &quartet_ring::View| view.processes("distributor").len() == 1 && view.processes("querier").len() == 1 && writable(view) == 2;
    for process in [&a, &b, &d, &q] {
        wait(&process.cluster, "all processes", all).await;
        assert_eq!(process.cluster.view().all_processes().len(), 4);
    }
    let second = follower(&bucket, "distributor").await;
    for process in [&a, &b, &d, &q, &second] {
        wait(&process.cluster, "two distributors", |view| view.processes("distributor").len() == 2).await;
    }
    d.running.stop().await.unwrap();
    for process in [&a, &b, &q, &second] {
        wait(&process.cluster, "one distributor", |view| view.processes("distributor").len() == 1).await;
    }
    assert_eq!(ids(&second, "querier"), 1);
    for process in [a, b, q, second] {
        process.running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_outlives_the_member_that_it_follows() {
    let bucket = bucket();
    let (a, b, c) = (active(&bucket, "a").await, active(&bucket, "b").await, active(&bucket, "c").await);
    let querier = follower(&bucket, "querier").await;
    for process in [&a, &b, &c, &querier] {
        wait(&process.cluster, "a whole cluster", |view| writable(view) == 3 && view.processes("querier").len() == 1).await;
    }
    a.running.stop().await.unwrap();
    b.running.stop().await.unwrap();
    wait(&querier.cluster, "one living member", |view| writable(view) == 1).await;
    wait(&c.cluster, "a querier that follows the last member", |view| view.processes("querier").len() == 1 && writable(view) == 1).await;
    assert!(querier.cluster.view().writable("ingester").is_err());
    c.running.stop().await.unwrap();
    querier.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_with_a_name() {
    let bucket = bucket();
    let member = active(&bucket, "a").await;
    let channel = Channels::new(&ClientConfig::default()).unwrap().get(&member.running.grpc.to_string()).unwrap();
    let mut client = RingAdminClient::new(channel);
    let hello = |role: &str, id: String| Hello { role: role.to_owned(), id, http: String::new(), grpc: String::new() };
    for bad in [vec![], vec![hello("", "a".to_owned())], vec![hello("querier", String::new())], vec![hello("querier", "x".repeat(301))]] {
        let status = client.watch(tokio_stream::iter(bad)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    }
    assert!(member.cluster.view().processes("querier").is_empty());
    member.running.stop().await.unwrap();
}
