use signal::{Amount, ScanAccount, Stage};

use super::*;

fn account_of(block: &NewBlock, query: &LeafQuery) -> ScanAccount {
    let query =
        ScanQuery { tenant: TenantId::anonymous(), range: TimeRange::ALL, payload: query.encode(), alone: false, drops: Arc::default() };
    let account = Arc::new(ScanAccount::default());
    let batches: Vec<Bytes> = block_on(MetricsBlocks.scan(reader(block), &query, &account).try_collect()).unwrap();
    assert!(!batches.is_empty());
    Arc::into_inner(account).expect("the scan is over")
}

#[test]
fn what_a_scan_of_chunks_takes_is_added_up() {
    let block = &write(vec![series("a", &steady(0, 300)), series("b", &steady(0, 300)), series("c", &steady(0, 10))], 30 * HOUR_NS)[0];
    let matchers = vec![LabelMatcher { name: "__name__".to_owned(), op: MatchOp::Regex, value: "a|b".to_owned() }];
    let sent: Vec<_> = chunks(reader(block), matchers.clone(), TimeRange::ALL).unwrap().into_iter().flat_map(|one| one.chunks).collect();
    let account = account_of(block, &LeafQuery::Chunks { matchers, shard: None });
    assert_eq!(account.indexes(), Amount { count: 1, bytes: block.index.as_ref().unwrap().len() as u64 });
    assert_eq!(account.groups(), Some(2));
    let bytes = sent.iter().map(|chunk| chunk.bytes.len() as u64).sum();
    assert_eq!(account.rows_returned(), Amount { count: sent.len() as u64, bytes });
    // The third series lies in the same page.
    let read = account.rows_read();
    assert!(read.count == sent.len() as u64 + 1 && read.bytes > 0 && read.bytes < block.data.len(), "{read:?}");
    assert!(Stage::ALL.iter().all(|stage| !account.time(*stage).is_zero()));
}

#[test]
fn a_question_for_labels_reads_no_rows() {
    let block = &write(vec![series("a", &steady(0, 300))], 30 * HOUR_NS)[0];
    let account = account_of(block, &LeafQuery::LabelNames { sets: Vec::new(), limit: 0 });
    assert_eq!((account.indexes().count, account.groups(), account.rows_read()), (1, None, Amount::default()));
}
