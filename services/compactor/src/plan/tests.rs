use std::sync::Arc;

use storage::block::{BlockFacts, BlockId, SignalId};
use storage::catalog::{Entry, FileRef, Shard};
use storage::time::TimeRange;
use tenancy::TenantId;
use ulid::Ulid;

use super::{PlanRules, plan};

fn rules() -> PlanRules {
    PlanRules { windows_ns: vec![10, 100], settled_before_ns: 1000, max_inputs: 32, target_bytes: 1 << 20, shards: 0 }
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
