use bytes::Bytes;
use signal::WriteOptions;
use tenancy::TenantId;

use super::{Batches, Imported};
use crate::tsdb::{ChunkBytes, TsdbBlock};

const INDEX: &[u8] = include_bytes!("../tsdb/testdata/index");
const CHUNKS: &[u8] = include_bytes!("../tsdb/testdata/chunks");

/// Takes the golden block over in batches of so many bytes, reading no more than what each asks for.
fn imported(batch_bytes: usize) -> Vec<Imported> {
    let block = TsdbBlock::open(Bytes::from_static(INDEX), None).expect("a block");
    let options = WriteOptions { tenant: TenantId::parse("a").expect("a tenant"), window_ns: 7_200_000_000_000 };
    let batches = Batches::new(block.series()).of_bytes(batch_bytes);
    let each = batches.map(|batch| {
        let batch = batch.expect("a whole index");
        let mut bytes = ChunkBytes::default();
        for range in batch.wanted.values() {
            let part = Bytes::from_static(CHUNKS).slice(range.start..range.end.min(CHUNKS.len()));
            bytes.add(0, range.start, part).expect("no part begins the file");
        }
        batch.blocks(&block, &bytes, &options).expect("whole chunks")
    });
    each.collect()
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
