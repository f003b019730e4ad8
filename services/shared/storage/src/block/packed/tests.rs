use std::sync::Arc;

use super::*;
use crate::block::{BlockId, open};
use crate::testing::{clock, cut, memory, metrics, tenant};

fn blocks(count: u32) -> Vec<(TenantId, BlockUpload)> {
    (0..count).map(|number| (tenant(&format!("tenant-{number}")), cut(BlockId::new(i64::from(number) + 10)))).collect()
}

#[tokio::test]
async fn packed_blocks_are_read_and_listed() {
    let bucket: Arc<dyn Bucket> = Arc::new(memory(&clock()));
    for count in [0, 1, 3, 2000] {
        let blocks = blocks(count);
        let id = Ulid::from_parts(1, u128::from(count));
        let entries = upload(&*bucket, &metrics(), id, &blocks).await.unwrap();
        let key = layout::packed("metrics", id);
        let size = bucket.head(&key).await.unwrap().size;
        assert_eq!(directory(&*bucket, &key, size).await.unwrap(), entries);
        for (entry, (tenant, block)) in entries.iter().zip(&blocks).take(5) {
            assert_eq!((entry.fault(), &entry.tenant), (None, tenant));
            let reader = open(&bucket, entry);
            assert_eq!(reader.data.read(0..reader.data.len()).await.unwrap(), block.data.to_bytes().unwrap());
            assert_eq!(reader.index.unwrap().read(0..5).await.unwrap(), "index");
        }
    }
}

#[tokio::test]
async fn a_damaged_directory_is_seen() {
    let bucket = memory(&clock());
    let id = Ulid::from_parts(1, 1);
    let key = layout::packed("metrics", id);
    let (whole, _) = pack(&metrics(), id, &blocks(3)).unwrap();
    let files = blocks(3).iter().map(|(_, block)| block.data.to_bytes().unwrap().len() + 5).sum::<usize>();
    for at in files..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x10;
        bucket.put(&key, bytes.into()).await.unwrap();
        directory(&bucket, &key, whole.len() as u64).await.unwrap_err();
    }
    for len in 0..whole.len() {
        bucket.put(&key, whole.slice(..len)).await.unwrap();
        directory(&bucket, &key, len as u64).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_directory_may_not_name_other_objects() {
    let bucket = memory(&clock());
    let (bytes, _) = pack(&metrics(), Ulid::from_parts(1, 1), &blocks(1)).unwrap();
    let other = layout::packed("metrics", Ulid::from_parts(1, 2));
    bucket.put(&other, bytes.clone()).await.unwrap();
    let err = directory(&bucket, &other, bytes.len() as u64).await.unwrap_err();
    assert!(matches!(err, PackedError::Foreign { .. }), "{err}");
}
