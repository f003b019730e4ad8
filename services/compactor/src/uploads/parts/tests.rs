use std::sync::Arc;

use proptest::prelude::*;
use runtime::SystemClock;
use storage::bucket::Memory;

use super::*;

fn body(pieces: Vec<Vec<u8>>) -> Body {
    Body::from_stream(futures::stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)))))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    /// However a body comes and however it is cut, each of its ranges is read back.
    #[test]
    fn every_range_is_read_back(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        part_len in 1u64..50,
        ends in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let whole = pieces.concat();
        let (a, b) = (ends.0.index(whole.len() + 1), ends.1.index(whole.len() + 1));
        let range = a.min(b)..a.max(b);
        let bucket: Arc<dyn Bucket> = Arc::new(Memory::new(Arc::new(SystemClock)));
        let note = run(write(&*bucket, "u/", whole.len() as u64, part_len, Ulid(7), body(pieces))).unwrap();
        let file = open(&bucket, "u/", note);
        prop_assert_eq!(file.len(), whole.len() as u64);
        let read = run(file.read(range.start as u64..range.end as u64)).unwrap();
        prop_assert_eq!(&read[..], &whole[range]);
    }
}

#[test]
fn a_body_of_another_length_leaves_nothing() {
    for (declared, pieces) in [(5, vec![vec![1; 4]]), (5, vec![vec![1; 3], vec![2; 3]]), (1, vec![])] {
        let bucket: Arc<dyn Bucket> = Arc::new(Memory::new(Arc::new(SystemClock)));
        let done = run(write(&*bucket, "u/", declared, 2, Ulid(7), body(pieces)));
        assert!(matches!(done, Err(DepotError::Length { expected }) if expected == declared), "{done:?}");
        assert_eq!(run(bucket.list("", None)).unwrap(), []);
    }
}

#[test]
fn a_range_beyond_the_end_is_an_error() {
    let bucket: Arc<dyn Bucket> = Arc::new(Memory::new(Arc::new(SystemClock)));
    let note = run(write(&*bucket, "u/", 3, 2, Ulid(7), body(vec![vec![1, 2, 3]]))).unwrap();
    let read = run(open(&bucket, "u/", note).read(1..4));
    assert!(matches!(read, Err(StoreError::Range { start: 1, end: 4, len: 3 })), "{read:?}");
}
