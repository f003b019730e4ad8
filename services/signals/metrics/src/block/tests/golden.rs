//! Blocks as each version of the schema wrote them must open for ever: one from a cut (level 0), one from a merge (level 1).
//!
//! `testdata/<version>` holds them. A new version of the schema: add its name to [`VERSIONS`] and run this test once,
//! which writes what is not there yet. Never change a file that a release wrote.

use std::fs;
use std::path::PathBuf;

use expect_test::expect;
use storage::catalog::Shard;

use super::*;

/// Every version that a release has written, the newest last. `v1` merged without packing chunks.
const VERSIONS: [&str; 2] = ["v1", "v1-packed"];

/// What a cut wrote.
fn rows() -> Vec<SeriesChunks> {
    vec![series("up", &steady(1_700_000_000_000, 130)), series("down", &steady(1_700_000_000_000, 2))]
}

/// What a later cut wrote: more of one series, and the end of the first cut again.
fn later_rows() -> Vec<SeriesChunks> {
    vec![series("up", &steady(1_700_000_000_000, 400)[100..]), series("new", &steady(1_700_003_000_000, 3))]
}

fn level_0() -> NewBlock {
    write(rows(), 24 * HOUR_NS).remove(0)
}

fn level_1() -> NewBlock {
    let later = write(later_rows(), 24 * HOUR_NS).remove(0);
    merged(&[&level_0(), &later], 24 * HOUR_NS, u64::MAX).remove(0)
}

/// The files of a block of a version, under the facts that the catalog has of it.
fn committed(version: &str, name: &str, facts: &storage::block::BlockFacts) -> NewBlock {
    let directory = directory(version, name);
    let file = |name: &str| Bytes::from(fs::read(directory.join(name)).unwrap());
    NewBlock { data: file("data.parquet").into(), index: Some(file("index")), facts: facts.clone(), shard: Shard::WHOLE }
}

fn bless(version: &str, name: &str, block: &NewBlock) {
    let directory = directory(version, name);
    if !directory.exists() {
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("data.parquet"), data(block)).unwrap();
        fs::write(directory.join("index"), block.index.as_ref().unwrap()).unwrap();
    }
}

fn directory(version: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/block/testdata").join(version).join(name)
}

#[test]
fn a_cut_of_each_version_opens() {
    let written = level_0();
    expect!["BlockFacts { range: TimeRange { start: 1700000000000000000, end: 1700001935000999999 }, rows: 132, series: 2, hash_range: (1263755199, 2934432372), footer_len: 1324, schema_version: 1 }"].assert_eq(&format!("{:?}", written.facts));
    let [.., newest] = VERSIONS;
    bless(newest, "level-0", &written);
    for version in VERSIONS {
        let block = committed(version, "level-0", &written.facts);
        assert_eq!(samples(&[block]), merge_replicas(rows(), i64::MIN, i64::MAX).unwrap(), "{version}");
    }
}

#[test]
fn a_merge_of_each_version_opens_and_merges_on() {
    let written = level_1();
    expect!["BlockFacts { range: TimeRange { start: 1700000000000000000, end: 1700005985000999999 }, rows: 405, series: 3, hash_range: (1263755199, 2934432372), footer_len: 1325, schema_version: 1 }"].assert_eq(&format!("{:?}", written.facts));
    let [.., newest] = VERSIONS;
    bless(newest, "level-1", &written);
    let expected = merge_replicas(rows().into_iter().chain(later_rows()), i64::MIN, i64::MAX).unwrap();
    for version in VERSIONS {
        let (cut, block) = (committed(version, "level-0", &level_0().facts), committed(version, "level-1", &written.facts));
        assert_eq!(samples(std::slice::from_ref(&block)), expected, "{version}");
        assert_eq!(samples(&merged(&[&cut, &block], 24 * HOUR_NS, u64::MAX)), expected, "{version}");
    }
}

/// Rows of every kind: what only version 2 of the schema has.
fn all_kinds() -> Vec<SeriesRows> {
    let floats = steady(1_700_000_000_000, 10);
    let histograms: Vec<_> = (0..10).map(|n: u8| kinds::histogram(1_700_000_200_000 + i64::from(n) * 15_000, n)).collect();
    let exemplars = [kinds::exemplar(1_700_000_000_000, 0.5), kinds::exemplar(1_700_000_100_000, 1.5)];
    vec![kinds::rows("both", &floats, &histograms, &exemplars), kinds::rows("late", &floats, &[], &exemplars[1..])]
}

fn level_0_of_all_kinds() -> NewBlock {
    let metadata = vec![kinds::about("both", 1_700_000_000_000, "first"), kinds::about("late", 1_700_000_100_000, "second")];
    write_cut(CutData::new(all_kinds(), metadata), 24 * HOUR_NS).remove(0)
}

#[test]
fn blocks_of_all_kinds_of_each_version_open() {
    let cut = level_0_of_all_kinds();
    let later = write_cut(CutData::new(all_kinds(), vec![kinds::about("both", 1_700_000_300_000, "first")]), 24 * HOUR_NS).remove(0);
    let merge = merged(&[&cut, &later], 24 * HOUR_NS, u64::MAX).remove(0);
    expect!["BlockFacts { range: TimeRange { start: 1700000000000000000, end: 1700000335000999999 }, rows: 35, series: 2, hash_range: (729268428, 3652732616), footer_len: 1329, schema_version: 2 }"].assert_eq(&format!("{:?}", merge.facts));
    bless("v2", "level-0", &cut);
    bless("v2", "level-1", &merge);
    let expected = kinds::expected(&all_kinds());
    for (name, facts) in [("level-0", &cut.facts), ("level-1", &merge.facts)] {
        let block = [committed("v2", name, facts)];
        assert_eq!((samples(&block), kinds::exemplars(&block, TimeRange::ALL)), expected, "{name}");
        let metadata = kinds::metadata(&block, TimeRange::ALL);
        let t = if name == "level-0" { 1_700_000_000_000 } else { 1_700_000_300_000 };
        assert_eq!(metadata, [kinds::about("both", t, "first"), kinds::about("late", 1_700_000_100_000, "second")], "{name}");
    }
}
