//! Lost answers, two leaders, pauses.

use proptest::prelude::*;
use runtime::config::HumanDuration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_again() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (one, two) = (world.upload("a").await, world.upload("a").await);
    world.announce([add([&one])]).await;
    world.flaky.order("create", "catalog/log/", Fault::Lose);
    leader.step().await.unwrap_err();
    world.announce([add([&two])]).await;
    leader.step().await.unwrap();
    assert_eq!(leader.number(), 2);
    assert_eq!(content(&world.reader().await.map()).1.len(), 2);
    assert_eq!(world.keys(layout::INBOX).await.len(), 0);
}

/// The number is created by an attempt that was thought to have failed, while the next one is under way.
#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_that_lands_late_is_our_own() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (one, two) = (world.upload("a").await, world.upload("a").await);
    let stamp = leader.stamp(&leader.map());
    let late = LogObject {
        number: 1,
        leader: "a".to_owned(),
        session: leader.session,
        attempt: 0,
        at_ms: stamp.at_ms,
        forget_before_ms: stamp.forget_before_ms,
        records: vec![add([&one])],
    };
    // Nobody sees it before the create: the look before it fails to.
    world.memory.put(&layout::log(1), codec::encode(Kind::Log, &late)).await.unwrap();
    let attempt = leader.write(stamp, vec![add([&one, &two])]).await.unwrap();
    assert!(matches!(attempt, Attempt::Earlier));
    leader.append(vec![add([&one, &two])]).await.unwrap();
    assert_eq!(leader.number(), 2);
    assert_eq!(content(&world.reader().await.map()).1.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_leaders_one_goes_on() {
    let world = World::new();
    let (mut a, mut b) = (world.leader("a").await, world.leader("b").await);
    let (one, two) = (world.upload("a").await, world.upload("a").await);
    a.append(vec![add([&one])]).await.unwrap();
    let err = b.append(vec![add([&two])]).await.unwrap_err();
    assert!(matches!(err, CatalogError::LostOffice { number: 1 }), "{err}");
    // Elected again, it goes on where the other was; now the other is fenced.
    let mut b = world.leader("b").await;
    b.append(vec![add([&two])]).await.unwrap();
    assert!(matches!(a.step().await, Err(CatalogError::LostOffice { number: 2 })));
    assert_eq!(content(&world.reader().await.map()).1.len(), 2);
}

/// The number is taken between the look and the write.
#[tokio::test(start_paused = true)]
async fn a_number_that_another_has_just_written_is_seen() {
    let world = World::new();
    let (mut a, mut b) = (world.leader("a").await, world.leader("b").await);
    let one = world.upload("a").await;
    let stamp = b.stamp(&b.map());
    a.append(vec![add([&one])]).await.unwrap();
    assert!(matches!(b.write(stamp, vec![add([&one])]).await, Err(CatalogError::LostOffice { number: 1 })));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_slept_reads_from_the_roots() {
    let world = World::new();
    let mut sleeper = world.leader("a").await;
    let mut other = world.leader("b").await;
    for _ in 0..3 {
        let entry = world.upload("a").await;
        other.append(vec![add([&entry])]).await.unwrap();
    }
    other.snapshot().await.unwrap();
    // Long enough for the numbers to be gone.
    for key in world.keys("catalog/log/").await {
        world.memory.delete(&key).await.unwrap();
    }
    pass(&world.clock, 3 * DAY).await;
    let entry = world.upload("a").await;
    let err = sleeper.append(vec![add([&entry])]).await.unwrap_err();
    assert!(matches!(err, CatalogError::LostOffice { number: 1 }), "{err}");
    assert_eq!(world.keys("catalog/log/").await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_leads_while_the_catalog_is_rebuilt() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    world.memory.put(layout::REBUILDING, "{}".into()).await.unwrap();
    assert!(matches!(leader.step().await, Err(CatalogError::Rebuilding)));
    let elected = Leader::elected(world.catalog(), "b", LeaderMetrics::default()).await;
    assert!(matches!(elected, Err(CatalogError::Rebuilding)));
}

#[derive(Clone, Debug)]
enum Act {
    /// A writer uploads and announces.
    Cut,
    /// A worker merges two live blocks and announces.
    Merge(prop::sample::Index, prop::sample::Index),
    /// Somebody announces once more what was announced before: a cut or a merge.
    Again(prop::sample::Index),
    /// A leader makes a step; one that lost the office is elected again.
    Step(bool),
    /// Two leaders make a step at the same time, and a cut is announced meanwhile, after so many milliseconds.
    Both(u64),
    /// A leader makes a snapshot.
    Snapshot(bool),
    /// A reader looks.
    Read,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = || any::<prop::sample::Index>();
    let act = prop_oneof![
        3 => Just(Act::Cut),
        3 => (index(), index()).prop_map(|(a, b)| Act::Merge(a, b)),
        2 => index().prop_map(Act::Again),
        5 => any::<bool>().prop_map(Act::Step),
        5 => (0..30u64).prop_map(Act::Both),
        1 => any::<bool>().prop_map(Act::Snapshot),
        2 => Just(Act::Read),
    ];
    proptest::collection::vec(act, 20..100)
}

/// Keeps an office through a bad day: an error of the store is followed by the next step, a lost office by an election.
async fn lead(world: &World, office: &mut Option<Leader>, name: &str, snapshot: bool) {
    let Some(leader) = office else {
        *office = Leader::elected(world.catalog(), name, LeaderMetrics::default()).await.ok();
        return;
    };
    let done = if snapshot { leader.snapshot().await } else { leader.step().await.map(drop) };
    if matches!(done, Err(CatalogError::LostOffice { .. })) {
        *office = None;
    }
}

async fn bad_days(acts: Vec<Act>, seed: u64) {
    let world = World::new();
    let reader = world.reader().await;
    let bad = FlakyConfig { fail: 0.02, lose: 0.05, slow: 0.5, delay: HumanDuration::from_millis(5), seed };
    world.flaky.set(&bad);
    let mut offices = [None, None];
    let mut cuts: Vec<Entry> = Vec::new();
    let mut merges: Vec<Record> = Vec::new();
    let mut announced: Vec<Record> = Vec::new();
    for act in acts {
        match act {
            Act::Cut => {
                let entry = world.upload("a").await;
                announced.push(add([&entry]));
                world.announce([add([&entry])]).await;
                cuts.push(entry);
            }
            Act::Merge(a, b) => {
                let live = reader.map().blocks(&tenant("a"), "metrics", crate::time::TimeRange::ALL);
                if live.is_empty() {
                    continue;
                }
                let (one, two) = (a.get(&live).clone(), b.get(&live).clone());
                let mut parents = vec![one.id, two.id];
                parents.dedup();
                let mut upload = cut(BlockId::new(world.clock.now_ms()));
                upload.parents.clone_from(&parents);
                let merged = block::upload(&world.memory, &tenant("a"), &metrics(), upload).await.unwrap();
                let record = Record::replace(tenant("a"), metrics(), parents, vec![merged]);
                world.announce([record.clone()]).await;
                announced.push(record.clone());
                merges.push(record);
            }
            Act::Again(which) => {
                if !announced.is_empty() {
                    world.announce([which.get(&announced).clone()]).await;
                }
            }
            Act::Step(second) => lead(&world, &mut offices[usize::from(second)], "leader", false).await,
            Act::Both(after_ms) => {
                let entry = world.upload("a").await;
                announced.push(add([&entry]));
                let announce = async {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    world.announce([add([&entry])]).await;
                };
                let [one, two] = &mut offices;
                tokio::join!(lead(&world, one, "leader", false), announce, lead(&world, two, "leader", false));
                cuts.push(entry);
            }
            Act::Snapshot(second) => lead(&world, &mut offices[usize::from(second)], "leader", true).await,
            Act::Read => drop(reader.refresh().await),
        }
        pass(&world.clock, Duration::from_millis(700)).await;
    }
    world.flaky.set(&FlakyConfig::default());
    let mut leader = world.leader("last").await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::INBOX).await.len(), 0);
    reader.refresh().await.unwrap();
    let fresh = world.reader().await;
    // Whoever followed and whoever starts from a snapshot see the same, and it is what the log says.
    let expected = content(&leader.map());
    assert_eq!(content(&reader.map()), expected);
    assert_eq!(content(&fresh.map()), expected);
    let numbers: Vec<String> = (1..=leader.number()).map(layout::log).collect();
    assert_eq!(world.keys("catalog/log/").await, numbers);
    // Every cut is in exactly one live block: itself, or what it was merged into.
    let map = leader.map();
    for cut in &cuts {
        let holders = holders(&merges, &map, cut.id);
        assert_eq!(holders.len(), 1, "{} is in {holders:?}", cut.id);
    }
}

/// The live blocks that hold the rows of a cut: only merges that took effect are followed, for which the map has tombstones.
fn holders(merges: &[Record], map: &Map, id: BlockId) -> HashSet<BlockId> {
    match map.status(&tenant("a"), id) {
        Status::Live => HashSet::from([id]),
        Status::Unknown => HashSet::new(),
        Status::Tombstoned => {
            let children = merges.iter().filter_map(|record| match &record.change {
                Change::Replace { parents, entries } if parents.contains(&id) => Some(entries[0].id),
                _ => None,
            });
            children.flat_map(|child| holders(merges, map, child)).collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn bad_days_lose_nothing_and_double_nothing(acts in acts(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(bad_days(acts, seed));
    }
}
