use proptest::prelude::*;
use tokio::sync::Semaphore;
use ulid::Ulid;

use super::*;
use crate::block::{BlockFacts, BlockId, InMemory};
use crate::cache::tests::{Plain, bytes};
use crate::time::TimeRange;

const PAGE: u64 = 4096;

/// A file that notes what is read of it, and whose reads wait for a permit.
#[derive(Debug)]
struct Noted {
    file: InMemory,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    gate: Arc<Semaphore>,
    fails: bool,
}

impl Noted {
    fn new(len: usize, permits: usize) -> Self {
        let content: Vec<u8> = (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        Self { file: InMemory(content.into()), reads: Arc::default(), gate: Arc::new(Semaphore::new(permits)), fails: false }
    }
}

impl Ranged for Noted {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        self.reads.lock().push(range.clone());
        let (reading, gate, fails) = (self.file.read(range), self.gate.clone(), self.fails);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            if fails { Err(StoreError::NotFound { key: "the file".to_owned() }) } else { reading.await }
        })
    }
}

fn cached(blocks: &CachedBlocks, file: Arc<Noted>) -> Arc<dyn Ranged> {
    let facts = BlockFacts { range: TimeRange::ALL, rows: 1, series: 1, hash_range: (0, 0), footer_len: 0, schema_version: 3 };
    let index: Arc<dyn Ranged> = Arc::new(InMemory(bytes("the index")));
    blocks.reader(BlockReader { id: BlockId(Ulid(1)), facts, data: file, index: Some(index) }).data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reads_are_those_of_the_file(
        len in 1..60_000usize,
        reads in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12),
    ) {
        let file = Arc::new(Noted::new(len, 1000));
        let blocks = CachedBlocks::new(Arc::new(Plain::default()), PAGE);
        let through = cached(&blocks, file.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (one, other) in &reads {
            let (one, other) = (one.index(len + 1) as u64, other.index(len + 1) as u64);
            let range = one.min(other)..one.max(other);
            let read = runtime.block_on(through.read(range.clone())).unwrap();
            prop_assert_eq!(read, runtime.block_on(file.file.read(range)).unwrap());
        }
        let mut pages: Vec<u64> = file.reads.lock().iter().flat_map(|range| range.start / PAGE..range.end.div_ceil(PAGE)).collect();
        let all = pages.len();
        pages.sort_unstable();
        pages.dedup();
        prop_assert_eq!(pages.len(), all, "each page is fetched once");
    }
}

#[tokio::test]
async fn neighbours_are_fetched_together_and_cached_pages_are_not_fetched() {
    let file = Arc::new(Noted::new(40_000, 100));
    let blocks = CachedBlocks::new(Arc::new(Plain::default()), PAGE);
    let through = cached(&blocks, file.clone());
    through.read(5000..5001).await.unwrap();
    through.read(0..40_000).await.unwrap();
    through.read(39_000..40_000).await.unwrap();
    assert_eq!(*file.reads.lock(), [4096..8192, 0..4096, 8192..40_000]);
}

#[tokio::test]
async fn readers_of_the_same_page_fetch_it_once() {
    let file = Arc::new(Noted::new(40_000, 0));
    let blocks = CachedBlocks::new(Arc::new(Plain::default()), PAGE);
    let through = cached(&blocks, file.clone());
    let reads = [0..100, 50..9000, 0..40_000, 8191..8193].map(|range| through.read(range));
    let all = futures::future::join_all(reads);
    tokio::pin!(all);
    assert!(futures::poll!(&mut all).is_pending());
    file.gate.add_permits(100);
    let lengths: Vec<usize> = all.await.into_iter().map(|read| read.unwrap().len()).collect();
    assert_eq!(lengths, [100, 8950, 40_000, 2]);
    assert_eq!(*file.reads.lock(), [0..4096, 4096..12_288, 12_288..40_000]);
    assert!(blocks.is_idle());
}

#[tokio::test]
async fn a_reader_that_leaves_does_not_take_the_page_from_the_others() {
    let file = Arc::new(Noted::new(10_000, 0));
    let blocks = CachedBlocks::new(Arc::new(Plain::default()), PAGE);
    let through = cached(&blocks, file.clone());
    let (mut first, mut second) = (through.read(0..10), through.read(5..15));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    drop(first);
    file.gate.add_permits(1);
    assert_eq!(second.await.unwrap().len(), 10);
    assert_eq!(file.reads.lock().len(), 1);
    // When all leave, nothing is left of the fetch.
    let mut third = through.read(9000..9010);
    assert!(futures::poll!(&mut third).is_pending());
    drop(third);
    assert!(blocks.is_idle());
}

#[tokio::test]
async fn all_who_wait_get_the_error_and_the_next_tries_again() {
    let mut file = Noted::new(10_000, 0);
    file.fails = true;
    let file = Arc::new(file);
    let blocks = CachedBlocks::new(Arc::new(Plain::default()), PAGE);
    let through = cached(&blocks, file.clone());
    let both = futures::future::join(through.read(0..10), through.read(5..15));
    tokio::pin!(both);
    assert!(futures::poll!(&mut both).is_pending());
    file.gate.add_permits(2);
    let (one, other) = both.await;
    assert!(one.is_err_and(|err| err.is_not_found()) && other.is_err_and(|err| err.is_not_found()));
    assert!(through.read(0..10).await.is_err());
    assert_eq!(file.reads.lock().len(), 2);
    assert!(matches!(through.read(9_999..10_001).await, Err(StoreError::Range { len: 10_000, .. })));
}

#[tokio::test]
async fn a_value_of_the_wrong_length_is_not_believed() {
    let cache = Arc::new(Plain::default());
    let file = Arc::new(Noted::new(10_000, 100));
    let through = cached(&CachedBlocks::new(cache.clone(), PAGE), file.clone());
    let right = through.read(0..10_000).await.unwrap();
    cache.0.lock().values_mut().for_each(|value| value.truncate(100));
    assert_eq!(through.read(0..10_000).await.unwrap(), right);
    assert_eq!(cache.0.lock().keys().next().unwrap(), "p1:00000000000000000000000001:data.parquet:3:4096:0");
}
