use super::*;
use crate::bucket::FlakyConfig;
use crate::flaky::{Fault, Flaky};
use crate::testing::{clock, cut, memory, metrics, tenant};

#[tokio::test]
async fn a_block_is_read_as_it_was_uploaded() {
    let bucket: Arc<dyn Bucket> = Arc::new(memory(&clock()));
    let id = BlockId::new(7);
    let entry = upload(&*bucket, &tenant("a"), &metrics(), cut(id)).await.unwrap();
    assert_eq!(entry.fault(), None);
    let block = open(&bucket, &entry);
    assert_eq!(block.data.read(0..block.data.len()).await.unwrap(), format!("data of {id}"));
    assert_eq!(block.index.unwrap().read(1..3).await.unwrap(), "nd");
    assert!(block.data.read(3..3).await.unwrap().is_empty());
    assert!(matches!(block.data.read(0..1000).await, Err(StoreError::Range { .. })));
    let meta = bucket.get(&format!("tenants/a/metrics/{id}/meta.json")).await.unwrap();
    assert_eq!(read_meta(&meta).unwrap(), entry);
}

#[tokio::test]
async fn a_removed_block_is_gone_and_says_so() {
    let bucket: Arc<dyn Bucket> = Arc::new(memory(&clock()));
    let entry = upload(&*bucket, &tenant("a"), &metrics(), cut(BlockId::new(7))).await.unwrap();
    remove(&*bucket, &entry.tenant, &entry.signal, entry.id).await.unwrap();
    assert!(bucket.list("", None).await.unwrap().is_empty());
    assert!(open(&bucket, &entry).data.read(0..1).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn without_its_data_there_is_no_meta() {
    let flaky = Flaky::new(Arc::new(memory(&clock())), &FlakyConfig::default());
    flaky.order("put", "/index", Fault::Fail);
    let id = BlockId::new(7);
    upload(&flaky, &tenant("a"), &metrics(), cut(id)).await.unwrap_err();
    let keys: Vec<String> = flaky.list("", None).await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, [format!("tenants/a/metrics/{id}/data.parquet")]);
}

#[test]
fn a_later_meta_is_refused() {
    let entry = cut(BlockId::new(7)).entry(&tenant("a"), &metrics(), FileRef { object: "x".into(), offset: 0, len: 1 }, None);
    let text = String::from_utf8(write_meta(&entry).to_vec()).unwrap();
    assert_eq!(read_meta(text.as_bytes()).unwrap(), entry);
    assert!(matches!(read_meta(text.replace("\"version\": 1", "\"version\": 2").as_bytes()), Err(MetaError::Version(2))));
    // Fields of a later minor version are no error.
    assert_eq!(read_meta(text.replace("\"version\": 1", "\"version\": 1, \"later\": 5").as_bytes()).unwrap(), entry);
}
