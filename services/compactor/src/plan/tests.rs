use std::collections::BTreeSet;
use std::sync::Arc;

use storage::block::{BlockFacts, BlockId, SignalId};
use storage::catalog::{Entry, FileRef, Shard};
use storage::time::TimeRange;
use tenancy::TenantId;
use ulid::Ulid;

use super::{PlanRules, job, plan, rewrites};

fn rules() -> PlanRules {
    PlanRules {
        windows_ns: vec![10, 100],
        settled_before_ns: 1000,
        max_inputs: 32,
        target_bytes: 1 << 20,
        shards: 4,
        split_from_bytes: 1000,
        replicas: 3,
        unpack_before_ns: 500,
    }
}

fn block(id: u128, start: i64, end: i64, arrived: i64, parents: &[u128]) -> Arc<Entry> {
    let range = TimeRange { start, end };
    Arc::new(Entry {
        id: BlockId(Ulid::from(id)),
        tenant: TenantId::anonymous(),
        signal: SignalId::parse("test").unwrap(),
        facts: BlockFacts { range, rows: 1, series: 1, hash_range: (0, u32::MAX), footer_len: 1, schema_version: 1 },
        data: FileRef { object: String::new(), offset: 0, len: 1 },
        index: None,
        arrival: TimeRange { start: arrived, end: arrived },
        retention_ns: end,
        level: u8::from(!parents.is_empty()),
        shard: Shard::WHOLE,
        parents: parents.iter().map(|id| BlockId(Ulid::from(*id))).collect(),
        delete_number: 0,
        rules: None,
    })
}

fn check(blocks: &[Arc<Entry>], expect: &[&[u128]]) {
    let found: Vec<Vec<u128>> =
        plan(blocks, &rules()).iter().map(|group| group.iter().map(|entry| u128::from(entry.id.0)).collect()).collect();
    assert_eq!(found, expect);
}

#[test]
fn replicas_of_a_window_are_merged() {
    check(&[block(1, 0, 9, 5, &[]), block(2, 1, 8, 6, &[]), block(3, 12, 15, 7, &[])], &[&[1, 2]]);
}

#[test]
fn a_window_waits_for_its_young_blocks() {
    check(&[block(1, 0, 9, 5, &[]), block(2, 1, 8, 2000, &[])], &[]);
    // And so does the longer one around it.
    check(&[block(1, 0, 9, 5, &[]), block(2, 1, 8, 2000, &[]), block(3, 12, 15, 7, &[])], &[]);
}

#[test]
fn short_windows_come_before_long_ones() {
    check(&[block(1, 0, 9, 5, &[]), block(2, 1, 8, 6, &[]), block(3, 12, 15, 7, &[]), block(4, 110, 111, 7, &[])], &[&[1, 2]]);
    check(&[block(5, 0, 9, 5, &[1, 2]), block(3, 12, 15, 7, &[]), block(4, 110, 111, 7, &[])], &[&[3, 5]]);
}

#[test]
fn what_one_merge_made_is_left_alone() {
    check(&[block(5, 0, 9, 5, &[1, 2]), block(6, 0, 9, 5, &[1, 2])], &[]);
    // A late block joins them.
    check(&[block(5, 0, 9, 5, &[1, 2]), block(6, 0, 9, 5, &[1, 2]), block(7, 3, 4, 9, &[])], &[&[7, 5, 6]]);
}

#[test]
fn a_block_before_the_epoch_has_its_window() {
    check(&[block(1, -5, -1, 5, &[]), block(2, -9, -2, 6, &[]), block(3, 1, 2, 6, &[])], &[&[1, 2]]);
}

/// A block of so many bytes.
fn sized(id: u128, level: u8, len: u64) -> Arc<Entry> {
    let mut entry = Entry::clone(&block(id, 0, 9, 5, &[]));
    (entry.level, entry.data.len) = (level, len);
    Arc::new(entry)
}

fn shards(group: &[Arc<Entry>], rules: &PlanRules) -> u32 {
    job(group, rules, &[], 1, 1).unwrap().shards
}

#[test]
fn only_large_merges_are_split() {
    let cuts = |len| (1..=3).map(|id| sized(id, 0, len)).collect::<Vec<_>>();
    assert_eq!(shards(&cuts(999), &rules()), 0, "three replicas of one block");
    assert_eq!(shards(&cuts(1000), &rules()), 4);
    assert_eq!(shards(&[sized(1, 1, 499), sized(2, 1, 500)], &rules()), 0);
    assert_eq!(shards(&[sized(1, 1, 500), sized(2, 1, 500)], &rules()), 4, "merged blocks are no replicas");
    assert_eq!(shards(&[sized(1, 1, 400), sized(2, 0, 1800)], &rules()), 4);
    assert_eq!(shards(&cuts(u64::MAX), &PlanRules { shards: 0, ..rules() }), 0, "the tenant is not split");
    assert_eq!(shards(&cuts(1), &PlanRules { split_from_bytes: 0, ..rules() }), 4);
}

#[test]
fn what_is_split_stays_so() {
    let mut entry = Entry::clone(&sized(1, 1, 1));
    entry.shard = Shard { index: 1, of: 4 };
    assert_eq!(shards(&[Arc::new(entry), sized(2, 0, 1)], &rules()), 4);
}

fn packed(id: u128, arrived: i64, object: u128) -> Arc<Entry> {
    let mut entry = Entry::clone(&block(id, 0, 9, arrived, &[]));
    entry.data.object = storage::layout::packed("test", Ulid::from(object));
    Arc::new(entry)
}

#[test]
fn packed_blocks_get_objects_of_their_own_in_time() {
    let (old, young, plain) = (packed(1, 500, 1), packed(2, 501, 1), block(3, 0, 9, 5, &[]));
    let wanted = |condemned: &[&str], merges: &[Vec<Arc<Entry>>]| {
        let condemned: BTreeSet<&str> = condemned.iter().copied().collect();
        let all = [old.clone(), young.clone(), plain.clone()];
        let found = rewrites(&all, merges, |entry| rules().unpacks(entry, &condemned));
        found.iter().map(|group| group.iter().map(|entry| u128::from(entry.id.0)).collect()).collect::<Vec<Vec<u128>>>()
    };
    assert_eq!(wanted(&[], &[]), [[1]]);
    assert_eq!(wanted(&[], &[vec![old.clone(), plain.clone()]]), Vec::<Vec<u128>>::new(), "the merge does it");
    let [this, other] = [1, 2].map(|object| storage::layout::packed("test", Ulid::from(object)));
    assert_eq!(wanted(&[&this], &[]), [[1], [2]], "at once where another's bytes must go");
    assert_eq!(wanted(&[&other], &[]), [[1]]);
    // A job of one block has a window, whatever the block's is.
    assert_eq!(job(std::slice::from_ref(&young), &rules(), &[], 1, 1).unwrap().window_ns, 10);
}
