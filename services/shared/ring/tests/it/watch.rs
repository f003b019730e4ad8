use quartet_ring::{Membership, MemoryStore};

use crate::support::{Process, active, follower, wait, writable};

fn ids(process: &Process, role: &str) -> usize {
    process.cluster.view().processes(role).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_knows_all_processes_each_once() {
    let store = MemoryStore::default();
    let (a, b) = (active(&store, "a").await, active(&store, "b").await);
    let (d, q) = (follower(&store, "distributor").await, follower(&store, "querier").await);
    let all =
        |view: &quartet_ring::View| view.processes("distributor").len() == 1 && view.processes("querier").len() == 1 && writable(view) == 2;
    for process in [&a, &b, &d, &q] {
        wait(&process.cluster, "all processes", all).await;
        assert_eq!(process.cluster.view().all_processes().len(), 4);
    }
    let second = follower(&store, "distributor").await;
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
    let store = MemoryStore::default();
    let (a, b, c) = (active(&store, "a").await, active(&store, "b").await, active(&store, "c").await);
    let querier = follower(&store, "querier").await;
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
