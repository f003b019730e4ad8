use std::time::Instant;

use quartet_ring::{MemberState, Membership, RingConfig, setup};
use runtime::App;
use runtime::config::HumanDuration;
use runtime::grpc::ClientConfig;

use crate::support::{MISSING_AFTER, active, active_as, bucket, config, follower, member, object, setup, wait, writable};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_is_missing_in_time_and_comes_back() {
    let bucket = bucket();
    let watcher = follower(&bucket, "distributor").await;
    assert!(watcher.cluster.view().writable("ingester").is_err(), "nobody is there");
    let (a, b, c) = (active(&bucket, "a").await, active(&bucket, "b").await, active(&bucket, "c").await);
    for process in [&a, &b, &c, &watcher] {
        wait(&process.cluster, "three active members", |view| writable(view) == 3).await;
    }
    let ring = watcher.cluster.view().ring("ingester");
    assert_eq!(ring.shard("t", "metrics", 0).replicas(7).unwrap().members().len(), 3);
    let since = ring.members()[2].member.since_ms;

    let died = Instant::now();
    c.running.stop().await.unwrap();
    for process in [&a, &b, &watcher] {
        wait(&process.cluster, "a missing member", |view| writable(view) == 2).await;
    }
    // One second, two rounds of gossip, and what a busy machine adds to them.
    assert!(died.elapsed() < MISSING_AFTER * 3, "noticed after {:?}", died.elapsed());
    let ring = watcher.cluster.view().ring("ingester");
    assert_eq!(ring.members().len(), 3, "missing is not absent");
    assert!(ring.members()[2].missing_since_ms.is_some());
    assert_eq!(ring.shard("t", "metrics", 0).replicas(7).unwrap().unsent(), 1);
    assert_eq!(watcher.cluster.view().writable("ingester"), Ok(()));

    let c = member(&bucket, "c").await;
    let joining =
        |view: &quartet_ring::View| view.ring("ingester").members()[2].member.state == MemberState::Joining && writable(view) == 2;
    wait(&watcher.cluster, "a member that joins again", joining).await;
    c.cluster.set_state(MemberState::Active).await.unwrap();
    for process in [&a, &b, &c, &watcher] {
        wait(&process.cluster, "three active members again", |view| writable(view) == 3).await;
    }
    assert_eq!(watcher.cluster.view().ring("ingester").members()[2].member.since_ms, since, "a restart keeps the place");
    for process in [a, b, c, watcher] {
        process.running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_in_the_bucket_and_everywhere() {
    let bucket = bucket();
    let (a, b) = (active(&bucket, "a").await, active(&bucket, "b").await);
    wait(&b.cluster, "two active members", |view| writable(view) == 2).await;
    a.cluster.set_state(MemberState::ReadOnly).await.unwrap();
    assert_eq!(object(&bucket, "ingester-a-0").await.unwrap().state, MemberState::ReadOnly);
    wait(&b.cluster, "a member that only reads", |view| view.ring("ingester").members()[0].member.state == MemberState::ReadOnly).await;
    a.cluster.leave().await.unwrap();
    wait(&b.cluster, "one member", |view| view.ring("ingester").members().len() == 1).await;
    assert_eq!(object(&bucket, "ingester-a-0").await, None);
    a.running.stop().await.unwrap();
    b.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_living_member_that_is_forgotten_writes_its_object_again() {
    let bucket = bucket();
    let (a, b) = (active(&bucket, "a").await, active(&bucket, "b").await);
    wait(&b.cluster, "two active members", |view| writable(view) == 2).await;
    b.cluster.forget("ingester-a-0").await.unwrap();
    let written_again = async {
        while object(&bucket, "ingester-a-0").await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::DEADLINE, written_again).await.expect("the object is there again");
    wait(&b.cluster, "two active members", |view| writable(view) == 2).await;
    a.running.stop().await.unwrap();
    wait(&b.cluster, "a missing member", |view| writable(view) == 1).await;
    b.cluster.forget("ingester-a-0").await.unwrap();
    wait(&b.cluster, "one member", |view| view.ring("ingester").members().len() == 1).await;
    b.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_says_farewell_is_missing_at_once() {
    let bucket = bucket();
    // Nobody is missing for his silence in this test.
    let patient = |config: RingConfig| RingConfig { missing_after: HumanDuration::from_secs(600), ..config };
    let (a, b) = (active_as(&bucket, "a", patient).await, active_as(&bucket, "b", patient).await);
    wait(&b.cluster, "two active members", |view| writable(view) == 2).await;
    a.cluster.farewell().await;
    a.running.stop().await.unwrap();
    wait(&b.cluster, "a missing member", |view| writable(view) == 1).await;
    let a = active_as(&bucket, "a", patient).await;
    wait(&b.cluster, "two active members again", |view| writable(view) == 2).await;
    a.running.stop().await.unwrap();
    b.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_name_belongs_to_one_role() {
    let bucket = bucket();
    let ingester = active(&bucket, "a").await;
    let mut app = App::for_test("compactor").await.unwrap();
    let (config, client) = (config("ingester-a-0", "a"), ClientConfig::default());
    let refused = setup::member(&mut app, setup(&bucket, &config, &client)).await.unwrap_err();
    assert_eq!(
        runtime::Chain(&refused).to_string(),
        "join the ring: ingester-a-0 is the name of a member with the role ingester: ring.member must be unique in the cluster"
    );
    ingester.running.stop().await.unwrap();
}

#[tokio::test]
async fn alone_everything_is_one_process() {
    let mut app = App::for_test("all-in-one").await.unwrap();
    let alone = setup::alone(&mut app, &["ingester", "store-gateway", "compactor"], &["distributor"], &["metrics".to_owned()]);
    let view = alone.view();
    assert_eq!(view.writable("ingester"), Ok(()));
    assert_eq!(view.all_processes().len(), 4);
    let ring = view.ring("store-gateway");
    assert_eq!(ring.owners("metrics", 7, 2).len(), 1);
    let running = app.serve().await;
    let answer = crate::pages::json(running.http, "/ring").await;
    assert_eq!(answer["members"].as_array().unwrap().len(), 3);
    running.stop().await.unwrap();
}
