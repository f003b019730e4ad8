use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use runtime::{Classify, Compute, ErrorKind};
use signal::WriteOptions;
use storage::block::{InMemory, Ranged};
use tenancy::TenantId;

use super::{Batch, BlockFiles, Checks, ImportError, Imported, convert};
use crate::tsdb::{ChunkBytes, TsdbBlock};

const INDEX: &[u8] = include_bytes!("../tsdb/testdata/index");
const CHUNKS: &[u8] = include_bytes!("../tsdb/testdata/chunks");
const STONES: &[u8] = include_bytes!("../tsdb/testdata/tombstones");

/// First and last time of the golden block, by its own words.
const TIMES: (i64, i64) = (1_700_000_000_000, 1_700_007_200_001);

fn options() -> WriteOptions {
    WriteOptions { tenant: TenantId::parse("a").expect("a tenant"), window_ns: 7_200_000_000_000 }
}

fn in_memory(bytes: &'static [u8]) -> Arc<dyn Ranged> {
    Arc::new(InMemory(Bytes::from_static(bytes)))
}

fn golden() -> BlockFiles {
    BlockFiles { index: in_memory(INDEX), chunks: [(0, in_memory(CHUNKS))].into(), tombstones: None }
}

/// Takes the golden block over in batches of so many bytes, reading no more than what each asks for.
fn imported(batch_bytes: usize) -> Vec<Imported> {
    let block = TsdbBlock::open(Bytes::from_static(INDEX), None).expect("a block");
    let (mut all, mut from) = (Vec::new(), 0);
    while let Some(batch) = Batch::read(&block, from, batch_bytes).expect("a whole index") {
        let mut bytes = ChunkBytes::default();
        for range in batch.wanted.values() {
            let part = Bytes::from_static(CHUNKS).slice(range.start..range.end.min(CHUNKS.len()));
            bytes.add(0, range.start, part).expect("no part begins the file");
        }
        let one = batch.blocks(&block, &bytes, &options()).expect("whole chunks");
        from = one.next;
        all.push(one);
    }
    all
}

async fn converted(files: BlockFiles, checks: Checks, from: u64) -> Result<Vec<Imported>, ImportError> {
    convert(files, checks, options(), Compute::new(1), from).try_collect().await
}

#[test]
fn every_sample_is_taken_over_whatever_the_batches() {
    for (bytes, batches) in [(1, 6), (1 << 20, 1)] {
        let all = imported(bytes);
        assert_eq!(all.len(), batches);
        assert_eq!(all.iter().map(|one| one.samples).sum::<u64>(), 725);
        assert_eq!(all.iter().map(|one| one.series).sum::<u64>(), 6);
        let rows: u64 = all.iter().flat_map(|one| &one.blocks).map(|block| block.facts.rows).sum();
        assert_eq!(rows, 725);
    }
}

#[tokio::test]
async fn a_block_goes_on_from_wherever_it_was_left() {
    let checks = Checks { times: Some(TIMES), samples: true };
    for left in imported(1) {
        let rest = converted(golden(), checks, left.next).await.expect("a whole block");
        let before: u64 = imported(1).iter().take_while(|one| one.next <= left.next).map(|one| one.samples).sum();
        assert_eq!(before + rest.iter().map(|one| one.samples).sum::<u64>(), 725, "left at {}", left.next);
    }
}

#[tokio::test]
async fn deleted_samples_are_left_out() {
    let files = BlockFiles { tombstones: Some(in_memory(STONES)), ..golden() };
    let all = converted(files, Checks::default(), 0).await.expect("a whole block");
    let samples: u64 = all.iter().map(|one| one.samples).sum();
    assert!(samples > 600 && samples < 725, "{samples}");
}

#[tokio::test]
async fn what_is_wrong_with_a_block_is_its_end() {
    let narrow = Checks { times: Some((TIMES.0, TIMES.0 + 1)), samples: true };
    let err = converted(golden(), narrow, 0).await.expect_err("its chunks are later");
    assert!(err.to_string().ends_with("outside the block time range"), "{err}");
    assert_eq!(err.kind(), ErrorKind::BadInput);

    let files = BlockFiles { chunks: [(1, in_memory(CHUNKS))].into(), ..golden() };
    let err = converted(files, Checks::default(), 0).await.expect_err("its chunks are not there");
    assert_eq!((err.to_string().as_str(), err.kind()), ("open chunks/000001: no such file or directory", ErrorKind::BadInput));

    let files = BlockFiles { chunks: [(0, in_memory(&CHUNKS[..CHUNKS.len() / 2]))].into(), ..golden() };
    assert_eq!(converted(files, Checks::default(), 0).await.expect_err("half of it").kind(), ErrorKind::BadInput);

    let files = BlockFiles { index: in_memory(b"no index"), ..golden() };
    let mut all = convert(files, Checks::default(), options(), Compute::new(1), 0);
    assert!(all.next().await.is_some_and(|one| one.is_err()));
    assert!(all.next().await.is_none(), "an error is the end");
}
