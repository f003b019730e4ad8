use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use prometheus_client::registry::Registry;
use runtime::{ErrorKind, ManualClock};
use signal::{NewBlock, SignalError, Step, StepStream, Uploaded};
use storage::block::BlockFacts;
use storage::bucket::Memory;
use storage::catalog::{CatalogConfig, Entry, Leader, LeaderMetrics, Shard};
use storage::time::TimeRange;
use tokio::sync::Semaphore;

use super::*;

const SIGNAL: SignalName = SignalName::new("letters");
const HOUR_NS: i64 = 3_600_000_000_000;

/// A signal to whose format each byte of an upload's only file is a row, and a block: `!` is none.
#[derive(Clone)]
struct Letters {
    /// A step takes one of these.
    steps: Arc<Semaphore>,
    taken: Arc<AtomicUsize>,
}

impl Uploads for Letters {
    fn mount(&self, _: &mut Routes, _: Arc<dyn Depot>) {}

    fn convert(&self, upload: Uploaded, from: u64, _: i64) -> StepStream {
        let state = (self.clone(), upload.files["text"].clone(), from);
        stream::try_unfold(state, |(letters, file, at)| async move {
            let text = file.read(0..file.len()).await.map_err(|err| SignalError::internal(err.to_string()))?;
            let Some(letter) = usize::try_from(at).ok().and_then(|at| text.get(at)) else { return Ok(None) };
            letters.steps.acquire().await.expect("nobody closes it").forget();
            letters.taken.fetch_add(1, Ordering::SeqCst);
            if *letter == b'!' {
                return Err(SignalError::new(ErrorKind::BadInput, "not a letter"));
            }
            Ok(Some((Step { blocks: vec![block(*letter)], next: at + 1 }, (letters, file, at + 1))))
        })
        .boxed()
    }

    fn kept_for(&self, _: &TenantId) -> Option<Duration> {
        Some(Duration::from_secs(3600))
    }
}

fn block(letter: u8) -> NewBlock {
    let range = TimeRange { start: i64::from(letter), end: i64::from(letter) };
    let facts = BlockFacts { range, rows: 1, series: 1, hash_range: (0, 1), footer_len: 0, schema_version: 1 };
    NewBlock { facts, data: Bytes::from(vec![letter]).into(), index: None, shard: Shard::WHOLE }
}

/// A bucket, its catalog and a leader that takes what is announced.
struct Town {
    bucket: Arc<dyn Bucket>,
    clock: Arc<ManualClock>,
    catalog: Arc<Catalog>,
    letters: Letters,
    tasks: Tasks,
}

impl Town {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(1000 * HOUR_NS));
        let bucket: Arc<dyn Bucket> = Arc::new(Memory::new(clock.clone()));
        let config = CatalogConfig { follow_every: runtime::config::HumanDuration::from_millis(5), ..CatalogConfig::default() };
        let catalog = Arc::new(Catalog::new(bucket.clone(), &config, clock.clone()));
        let tasks = Tasks::default();
        let metrics = LeaderMetrics::register(&mut Registry::default());
        let mut leader = Leader::elected(catalog.clone(), "leader", metrics).await.expect("nobody else leads");
        let stop = tasks.stopping();
        tasks.detach("leader", async move {
            while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(5))).await.is_some() {
                leader.step().await.expect("the bucket is in memory");
            }
        });
        let letters = Letters { steps: Arc::new(Semaphore::new(0)), taken: Arc::default() };
        Self { bucket, clock, catalog, letters, tasks }
    }

    /// A compactor, and what stops it as if it died.
    fn compactor(&self, name: &str) -> (Arc<Yard>, Tasks) {
        let tasks = Tasks::default();
        let context = YardContext {
            name: name.to_owned(),
            signals: [(SIGNAL, Arc::new(self.letters.clone()) as Arc<dyn Uploads>)].into(),
            bucket: self.bucket.clone(),
            announcer: Announcer::new(self.bucket.clone(), self.clock.clone(), name),
            catalog: self.catalog.clone(),
            clock: self.clock.clone(),
            metrics: UploadMetrics::register(&mut Registry::default()),
            tasks: tasks.clone(),
            window_ns: HOUR_NS,
        };
        (Yard::new(&CompactorConfig::default(), context), tasks)
    }

    /// What the catalog has, by its letters, with each block that there is.
    fn letters(&self) -> String {
        let blocks = self.catalog.map().blocks(&tenant(), SIGNAL.as_str(), TimeRange::ALL);
        let mut letters: Vec<u8> = blocks.iter().map(|entry: &Arc<Entry>| u8::try_from(entry.facts.range.start).unwrap()).collect();
        letters.sort_unstable();
        String::from_utf8(letters).unwrap()
    }

    /// How many objects there are below a folder.
    async fn objects(&self, folder: &str) -> usize {
        self.bucket.list(folder, None).await.unwrap().len()
    }

    fn let_steps(&self, steps: usize) {
        self.letters.steps.add_permits(steps);
    }

    async fn stop(self) {
        self.tasks.stop(Duration::from_secs(5)).await.unwrap();
    }
}

fn tenant() -> TenantId {
    TenantId::parse("a").unwrap()
}

fn upload(id: u128) -> UploadId {
    UploadId { tenant: tenant(), signal: SIGNAL, id: Ulid::from(id) }
}

/// Uploads a text.
async fn bring(yard: &Arc<Yard>, id: u128, text: &'static str) {
    let depot = Shared(yard.clone());
    depot.begin(upload(id), Bytes::from_static(b"about")).await.unwrap();
    depot.store(upload(id), "text".to_owned(), text.len() as u64, Body::from(text)).await.unwrap();
}

async fn wait_for(yard: &Yard, id: u128, state: UploadState) {
    let reached = async {
        while yard.state(&upload(id)).await.unwrap() != state {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap_or_else(|_| panic!("waited in vain for {state:?}"));
}

/// Waits until a compactor works on nothing.
async fn idle(yard: &Yard) {
    let idle = async {
        while !yard.running.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), idle).await.expect("all work comes to an end");
}

async fn wait_for_steps(town: &Town, steps: usize) {
    let done = async {
        while town.objects("uploads/a/letters/").await < 4 + steps {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), done).await.expect("the steps are done");
}

#[tokio::test]
async fn an_upload_becomes_blocks_and_is_gone() {
    let town = Town::new().await;
    let (yard, tasks) = town.compactor("one");
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Unknown);
    bring(&yard, 1, "abc").await;
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Open { about: Bytes::from_static(b"about") });
    yard.clone().finish(upload(1)).await.unwrap();
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Converting);
    assert_eq!(town.letters(), "", "nothing is shown before all of it is there");
    town.let_steps(10);
    wait_for(&yard, 1, UploadState::Done).await;
    assert_eq!(town.letters(), "abc");
    let note = imported::read(&*town.bucket, &tenant(), Ulid::from(1)).await.unwrap().unwrap();
    assert_eq!((note.blocks.len(), note.rows), (3, 3));
    idle(&yard).await;
    tasks.stop(Duration::from_secs(5)).await.unwrap();
    assert_eq!(town.objects("uploads/").await, 0);
    town.stop().await;
}

#[tokio::test]
async fn one_is_finished_once_and_one_at_a_time() {
    let town = Town::new().await;
    let (yard, _tasks) = town.compactor("one");
    let (other, _other_tasks) = town.compactor("other");
    bring(&yard, 1, "a").await;
    bring(&yard, 2, "b").await;
    yard.clone().finish(upload(1)).await.unwrap();
    assert!(matches!(yard.clone().finish(upload(2)).await, Err(DepotError::Busy { limit: 1 })));
    assert!(matches!(other.clone().finish(upload(1)).await, Err(DepotError::Finished)));
    town.let_steps(10);
    wait_for(&yard, 1, UploadState::Done).await;
    other.clone().finish(upload(2)).await.unwrap();
    wait_for(&yard, 2, UploadState::Done).await;
    assert_eq!(town.letters(), "ab");
    town.stop().await;
}

#[tokio::test]
async fn another_compactor_goes_on_where_one_has_died() {
    let town = Town::new().await;
    let (dying, its_tasks) = town.compactor("dying");
    bring(&dying, 1, "abcde").await;
    dying.clone().finish(upload(1)).await.unwrap();
    town.let_steps(2);
    wait_for_steps(&town, 2).await;
    its_tasks.stop(Duration::from_secs(5)).await.unwrap();
    assert_eq!(town.letters(), "", "half of it is not shown");

    let (heir, _tasks) = town.compactor("heir");
    town.let_steps(10);
    heir.round().await.unwrap();
    assert!(heir.running.lock().is_empty(), "it may still be alive");
    town.clock.advance(61_000_000_000);
    heir.round().await.unwrap();
    wait_for(&heir, 1, UploadState::Done).await;
    assert_eq!(town.letters(), "abcde");
    assert_eq!(town.letters.taken.load(Ordering::SeqCst), 5, "nothing is done twice");
    assert_eq!(town.objects("tenants/").await, 2 * 5, "no block beside those of the catalog");
    town.stop().await;
}

#[tokio::test]
async fn a_compactor_that_comes_back_goes_on_at_once() {
    let town = Town::new().await;
    let (first, its_tasks) = town.compactor("same");
    bring(&first, 1, "abc").await;
    first.clone().finish(upload(1)).await.unwrap();
    town.let_steps(1);
    wait_for_steps(&town, 1).await;
    its_tasks.stop(Duration::from_secs(5)).await.unwrap();
    let (again, _tasks) = town.compactor("same");
    town.let_steps(10);
    again.round().await.unwrap();
    wait_for(&again, 1, UploadState::Done).await;
    assert_eq!(town.letters(), "abc");
    town.stop().await;
}

#[tokio::test]
async fn two_that_work_on_one_upload_make_its_blocks_once() {
    let town = Town::new().await;
    let (one, _tasks) = town.compactor("one");
    let (two, _more_tasks) = town.compactor("two");
    bring(&one, 1, "abcdefgh").await;
    one.clone().finish(upload(1)).await.unwrap();
    // The first is slow, and is taken for dead.
    town.clock.advance(61_000_000_000);
    two.round().await.unwrap();
    assert_eq!((one.running.lock().len(), two.running.lock().len()), (1, 1));
    town.let_steps(100);
    wait_for(&one, 1, UploadState::Done).await;
    idle(&one).await;
    idle(&two).await;
    assert_eq!(town.letters(), "abcdefgh");
    assert_eq!(town.objects("tenants/").await, 2 * 8, "what was made twice is removed");
    town.stop().await;
}

#[tokio::test]
async fn what_cannot_become_blocks_says_why_and_is_forgotten_later() {
    let town = Town::new().await;
    let (yard, _tasks) = town.compactor("one");
    bring(&yard, 1, "ab!").await;
    town.let_steps(10);
    yard.clone().finish(upload(1)).await.unwrap();
    wait_for(&yard, 1, UploadState::Failed { error: "not a letter".to_owned() }).await;
    idle(&yard).await;
    assert_eq!(
        (town.objects("uploads/").await, town.objects("tenants/").await),
        (2, 2 * 2),
        "its files are removed; its blocks are left to the sweep"
    );
    assert_eq!(town.letters(), "");
    town.clock.advance(HOUR_NS / 2);
    yard.round().await.unwrap();
    assert!(matches!(yard.state(&upload(1)).await.unwrap(), UploadState::Failed { .. }));
    town.clock.advance(HOUR_NS);
    yard.round().await.unwrap();
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Unknown);
    assert_eq!(town.objects("uploads/").await, 0);
    town.stop().await;
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed() {
    let town = Town::new().await;
    let (yard, _tasks) = town.compactor("one");
    bring(&yard, 1, "a").await;
    town.clock.advance(HOUR_NS / 2);
    // A file that comes shows that somebody is there.
    bring(&yard, 1, "ab").await;
    town.clock.advance(HOUR_NS * 3 / 4);
    yard.round().await.unwrap();
    assert!(matches!(yard.state(&upload(1)).await.unwrap(), UploadState::Open { .. }));
    town.clock.advance(HOUR_NS / 2);
    yard.round().await.unwrap();
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Unknown);
    assert_eq!(town.objects("uploads/").await, 0);
    town.stop().await;
}

#[tokio::test]
async fn a_damaged_upload_does_not_stand_in_the_way_of_others() {
    let town = Town::new().await;
    let (yard, _tasks) = town.compactor("one");
    bring(&yard, 1, "a").await;
    bring(&yard, 2, "b").await;
    town.bucket.put(&(layout::upload(&tenant(), SIGNAL.as_str(), Ulid::from(1)) + "state.json"), Bytes::from_static(b"{")).await.unwrap();
    assert!(matches!(yard.state(&upload(1)).await, Err(DepotError::Damaged { .. })));
    town.clock.advance(2 * HOUR_NS);
    yard.round().await.unwrap();
    assert_eq!(yard.state(&upload(2)).await.unwrap(), UploadState::Unknown);
    town.stop().await;
}

#[tokio::test]
async fn a_tenant_that_is_deleted_has_no_uploads() {
    let town = Town::new().await;
    let (yard, _tasks) = town.compactor("one");
    bring(&yard, 1, "a").await;
    bring(&yard, 2, "b").await;
    town.let_steps(10);
    yard.clone().finish(upload(2)).await.unwrap();
    wait_for(&yard, 2, UploadState::Done).await;
    yard.forget(&tenant()).await.unwrap();
    assert_eq!(yard.state(&upload(1)).await.unwrap(), UploadState::Unknown);
    assert_eq!(yard.state(&upload(2)).await.unwrap(), UploadState::Unknown);
    town.stop().await;
}
