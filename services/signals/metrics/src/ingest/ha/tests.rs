use runtime::ManualClock;
use storage::bucket::{FlakyConfig, Memory};
use storage::flaky::Flaky;

use super::decide::Situation;
use super::*;

/// Distributors that share a bucket and a clock.
struct World {
    bucket: Arc<Memory>,
    clock: Arc<ManualClock>,
}

const START: i64 = 1_768_471_200_000;

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START * 1_000_000));
        Self { bucket: Arc::new(Memory::new(clock.clone())), clock }
    }

    fn distributor(&self, name: &str) -> HaTracker {
        let config = IngestConfig { ha_tracker_update_timeout_jitter_max: Default::default(), ..IngestConfig::default() };
        HaTracker::new(&config, self.bucket.clone(), name, self.clock.clone(), HaInstruments::default())
    }

    fn pass(&self, ms: i64) {
        self.clock.advance(ms * 1_000_000);
    }
}

fn tenant() -> TenantId {
    TenantId::parse("a").unwrap()
}

/// What becomes of a request: `ok`, or the elected replica, or why.
async fn push(distributor: &HaTracker, cluster: &str, replica: &str) -> String {
    match distributor.check(&tenant(), cluster, replica, 2).await {
        Ok(()) => "ok".to_owned(),
        Err(HaRefusal::NotElected { elected, .. }) => elected,
        Err(other) => other.to_string(),
    }
}

#[tokio::test]
async fn two_replicas_in_turn_through_two_distributors() {
    let world = World::new();
    let (one, other) = (world.distributor("one"), world.distributor("other"));
    // Ten minutes of requests each second, by turns: the first that came is taken everywhere, the other nowhere.
    for second in 0..600 {
        let (first, second) = if second % 2 == 0 { (&one, &other) } else { (&other, &one) };
        assert_eq!(push(first, "c", "r1").await, "ok");
        assert_eq!(push(second, "c", "r2").await, "r1");
        world.pass(1000);
    }
}

#[tokio::test]
async fn another_replica_is_elected_after_the_failover_timeout() {
    let world = World::new();
    let (one, other) = (world.distributor("one"), world.distributor("other"));
    assert_eq!(push(&one, "c", "r1").await, "ok");
    // Only the one distributor hears the elected replica; the other learns of it through the bucket.
    for _ in 0..20 {
        world.pass(3000);
        assert_eq!(push(&one, "c", "r1").await, "ok");
        one.look().await.unwrap();
        other.look().await.unwrap();
        assert_eq!(push(&other, "c", "r2").await, "r1");
    }
    for _ in 0..29 {
        world.pass(1000);
        assert_eq!(push(&other, "c", "r2").await, "r1", "silent, not yet long enough");
    }
    world.pass(1000);
    assert_eq!(push(&other, "c", "r2").await, "ok");
    assert_eq!(push(&other, "c", "r1").await, "r2");
    // The first distributor has not heard of it yet, but asks before it goes on with a replica that was silent.
    assert_eq!(push(&one, "c", "r1").await, "r2");
    assert_eq!(push(&one, "c", "r2").await, "ok");
}

#[tokio::test]
async fn of_two_elections_at_once_one_wins() {
    let world = World::new();
    for round in 0..50 {
        let (one, other) = (world.distributor("one"), world.distributor("other"));
        let cluster = format!("c{round}");
        let check = |distributor: HaTracker, replica: &'static str| {
            let cluster = cluster.clone();
            async move { distributor.check(&tenant(), &cluster, replica, 0).await.is_ok() }
        };
        let (r1, r2) = tokio::join!(check(one, "r1"), check(other, "r2"));
        assert!(r1 != r2, "exactly one is taken: {r1} {r2}");
    }
}

#[tokio::test]
async fn a_distributor_that_comes_later_knows_who_is_elected() {
    let world = World::new();
    assert_eq!(push(&world.distributor("one"), "c", "r1").await, "ok");
    world.pass(10_000);
    assert_eq!(push(&world.distributor("other"), "c", "r2").await, "r1");
    world.pass(30_000);
    assert_eq!(push(&world.distributor("third"), "c", "r2").await, "ok");
    // And again: an old term is removed, the numbers go on.
    for (pass, replica) in [(31_000, "r1"), (31_000, "r2"), (31_000, "r1")] {
        world.pass(pass);
        assert_eq!(push(&world.distributor("one"), "c", replica).await, "ok");
    }
    let terms = world.bucket.list("shared/metrics/ha/term/", None).await.unwrap();
    let numbers: Vec<_> = terms.iter().map(|object| object.key.rsplit('/').next().unwrap().parse::<u64>().unwrap()).collect();
    assert_eq!(numbers, [4, 5]);
    assert!(terms.iter().all(|object| storage::layout::parse(&object.key).is_some()), "the keys are of the layout");
}

#[tokio::test]
async fn pairs_are_limited_and_silent_ones_are_forgotten() {
    let world = World::new();
    let one = world.distributor("one");
    for cluster in ["c1", "c2"] {
        assert_eq!(push(&one, cluster, "r").await, "ok");
    }
    assert_eq!(push(&one, "c3", "r").await, "too many high-availability pairs, the limit is 2");
    assert_eq!(push(&world.distributor("other"), "c3", "r").await, "too many high-availability pairs, the limit is 2");
    world.pass(20 * 60 * 1000);
    assert_eq!(push(&one, "c1", "r").await, "ok");
    world.pass(11 * 60 * 1000);
    one.look().await.unwrap();
    assert_eq!(push(&one, "c3", "r").await, "ok", "c2 is forgotten");
    assert_eq!(one.0.instruments.cleanup_deleted.get(), 1);
}

#[tokio::test]
async fn who_is_cut_off_does_not_go_on_with_what_it_knew() {
    let world = World::new();
    let flaky = Arc::new(Flaky::new(world.bucket.clone(), &FlakyConfig::default()));
    let config = IngestConfig::default();
    let one = HaTracker::new(&config, flaky.clone(), "one", world.clock.clone(), HaInstruments::default());
    assert_eq!(push(&one, "c", "r1").await, "ok");
    flaky.set(&FlakyConfig { fail: 1.0, ..FlakyConfig::default() });
    for _ in 0..29 {
        world.pass(1000);
        assert_eq!(push(&one, "c", "r1").await, "ok");
    }
    world.pass(1000);
    assert_eq!(push(&one, "c", "r1").await, "the elected replica could not be looked up");
}

#[test]
fn decisions() {
    let timeouts = Timeouts { update: 15, failover: 30 };
    let elected = Elected { replica: "r1".to_owned(), term: 7, elected_at: 0, received_at: 100, heard_at: 0 };
    let decide = |elected: Option<&Elected>, replica: &str, now: i64, fresh: bool, reliable: bool| {
        decide::decide(elected, replica, Situation { now, pairs: 1, limit: 2, fresh, reliable }, &timeouts)
    };
    let refuse = Decision::Refuse { elected: "r1".to_owned() };
    assert_eq!(decide(Some(&elected), "r1", 114, false, true), Decision::Accept);
    assert_eq!(decide(Some(&elected), "r1", 115, false, true), Decision::Look);
    assert_eq!(decide(Some(&elected), "r1", 100, false, false), Decision::Look);
    assert_eq!(decide(Some(&elected), "r1", 500, true, true), Decision::Accept);
    assert_eq!(decide(Some(&elected), "r2", 129, false, true), refuse);
    assert_eq!(decide(Some(&elected), "r2", 129, false, false), Decision::Look);
    assert_eq!(decide(Some(&elected), "r2", 130, false, true), Decision::Look);
    assert_eq!(decide(Some(&elected), "r2", 130, true, true), Decision::Elect { term: 8 });
    assert_eq!(decide(None, "r1", 0, false, true), Decision::Look);
    assert_eq!(decide(None, "r1", 0, true, true), Decision::Elect { term: 1 });
}

#[tokio::test]
async fn the_page_shows_labels_as_text() {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;
    let world = World::new();
    let one = world.distributor("one");
    assert_eq!(push(&one, "<script>", "r\"1").await, "ok");
    let get = |accept: &'static str| {
        let request = axum::extract::Request::get("/distributor/ha_tracker").header("accept", accept).body(Body::empty()).unwrap();
        let answer = routes(one.clone()).oneshot(request);
        async move { String::from_utf8(to_bytes(answer.await.unwrap().into_body(), 1 << 20).await.unwrap().to_vec()).unwrap() }
    };
    let html = get("text/html").await;
    assert!(html.contains("<td>&lt;script&gt;<td>r&quot;1<td>"), "{html}");
    let json: serde_json::Value = serde_json::from_str(&get("application/json").await).unwrap();
    assert_eq!(json["elected"][0]["userID"], "a");
    assert_eq!(json["elected"][0]["cluster"], "<script>");
    assert_eq!(json["elected"][0]["electedAt"], "2026-01-15T10:00:00Z");
}
