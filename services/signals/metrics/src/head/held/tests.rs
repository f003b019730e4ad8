use proptest::prelude::*;

use super::*;

fn held() -> impl Strategy<Value = Held> {
    let near = (1_768_471_200_000..1_768_478_400_000_i64, 0..1_800_000_u32, 1..3_u32, 0..1_u64 << 30);
    let any = (any::<i64>(), any::<u32>(), any::<u32>(), any::<u64>());
    prop_oneof![4 => near.boxed(), 1 => any.boxed()].prop_map(|(min_t, span, file, at)| Held { min_t, span, file, at })
}

proptest! {
    #[test]
    fn it_is_a_list(all in prop::collection::vec(held(), 0..20), gone in 0..3_u32) {
        let mut list = HeldList::default();
        all.iter().for_each(|held| list.push(*held));
        prop_assert_eq!(list.iter().collect::<Vec<_>>(), all.clone());
        prop_assert_eq!(all.iter().copied().collect::<HeldList>().bytes, list.bytes.clone());
        list.retain(|held| held.file != gone);
        prop_assert_eq!(list.iter().collect::<Vec<_>>(), all.into_iter().filter(|held| held.file != gone).collect::<Vec<_>>());
        prop_assert_eq!(list.is_empty(), list.iter().next().is_none());
    }
}

/// Chunks of half an hour one after the other, among those of 200,000 other series.
#[test]
fn a_chunk_takes_few_bytes() {
    let chunks = (0..8_u32).map(|n| Held {
        min_t: 1_768_471_200_000 + i64::from(n) * 1_800_000,
        span: 1_785_000,
        file: 3,
        at: u64::from(n) * 80_000_000 + 1234,
    });
    let list: HeldList = chunks.collect();
    assert!(list.heap_bytes() <= 8 * 13, "{} bytes", list.heap_bytes());
}
