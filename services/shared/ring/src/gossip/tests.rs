use super::*;
use crate::fixtures::member;

const HEARTBEAT: Duration = Duration::from_millis(20);

async fn start(name: &str, tasks: &Tasks) -> (Gossip, SocketAddr) {
    let settings = GossipSettings {
        cluster_id: "test".to_owned(),
        heartbeat: HEARTBEAT,
        missing_after: Duration::from_secs(2),
        dead_grace: Duration::from_secs(60),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let gossip = Gossip::start(settings, (listener, at), &member(name, ""), None, tasks, GossipMetrics::default()).await.unwrap();
    (gossip, at)
}

/// Keys about processes that a member has now.
async fn said(gossip: &Gossip) -> usize {
    gossip.handle.with_chitchat(|chitchat| chitchat.self_node_state().iter_prefix(PROCESS).count()).await
}

/// Rounds of both members, until it has come to pass.
async fn until(what: &str, both: [(&Gossip, bool); 2], fits: impl Fn(&[Heard], usize) -> bool) {
    let process = member("querier", "").process();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let mut heard = Vec::new();
        let mut keys = 0;
        for (gossip, followed) in both {
            let followers = followed.then(|| ((process.role.clone(), process.id.clone()), process.clone())).into_iter().collect();
            heard.push(gossip.round(&followers, Instant::now()).await);
            keys += said(gossip).await;
        }
        if fits(&heard, keys) {
            return;
        }
        assert!(Instant::now() < end, "{what} has not come to pass: {keys} keys, {heard:#?}");
        tokio::time::sleep(HEARTBEAT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_members_speaks_for_a_process() {
    let tasks = Tasks::default();
    let ((a, _), (b, b_at)) = (start("a", &tasks).await, start("b", &tasks).await);
    a.greet(b_at);
    let alive = |heard: &[Heard]| heard.iter().all(|heard| heard.members.values().any(|life| life.alive));
    let known = |heard: &[Heard]| heard.iter().all(|heard| !heard.processes.is_empty());
    until("one voice", [(&a, true), (&b, true)], |heard, keys| alive(heard) && known(heard) && keys == 1).await;
    let speaker_is_a = said(&a).await == 1;
    until("the other's voice", [(&a, !speaker_is_a), (&b, speaker_is_a)], |heard, keys| {
        known(heard) && keys == 1 && heard.iter().all(|heard| heard.processes.len() == 1 || heard.processes[0] == heard.processes[1])
    })
    .await;
    until("silence", [(&a, false), (&b, false)], |heard, keys| keys == 0 && heard.iter().all(|heard| heard.processes.is_empty())).await;
    a.stop();
    b.stop();
    tasks.stop(Duration::from_secs(5)).await.unwrap();
}

#[test]
fn ids_are_short_and_distinct() {
    let ids: std::collections::BTreeSet<String> = (0..2000).map(|n| short_id(&format!("ingester-zone-a-{n}"))).collect();
    assert_eq!(ids.len(), 2000);
    assert!(ids.iter().all(|id| id.len() == 8));
}
