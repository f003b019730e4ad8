//! Disks that are full or broken: pushes are refused, and the log recovers by itself.

use std::time::{Duration, Instant};

use super::*;

/// Appends again and again until the log takes it.
fn append_at_last(wal: &Wal, name: &str, payload: &[u8]) -> Seq {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match append_loosely(wal, name, payload) {
            Ok(appended) => {
                appended.durable.wait().unwrap();
                return appended.seq;
            }
            Err(err) => assert!(Instant::now() < deadline, "still refused: {err}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    append(&wal, "a", b"one");
    let segment = wal.segment();
    *bench.disk.space.lock() = Some(40);
    let refused = append_loosely(&wal, "a", &[b'x'; 100]).unwrap().durable.wait();
    assert!(matches!(refused, Err(WalError::Full)), "{refused:?}");
    let refused = append_loosely(&wal, "a", b"small");
    assert!(matches!(refused, Err(WalError::Full)), "no record may follow one that was refused: {refused:?}");
    assert_eq!(bench.instruments.writes_failed.get(), 1);

    *bench.disk.space.lock() = None;
    append_at_last(&wal, "a", b"four");
    let refused = wal.append(segment, &tenant("a"), Bytes::from_static(b"refers to what was refused"));
    assert!(matches!(refused, Err(WalError::SegmentClosed(_))), "{refused:?}");
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a one", "a four"]);
    assert_eq!(bench.instruments.corruptions.get(), 0, "nothing of the refused record is left");
}

#[test]
fn a_disk_that_is_full_from_the_start_is_waited_for() {
    let bench = Bench::new(1 << 20);
    *bench.disk.space.lock() = Some(0);
    let (wal, _) = bench.reopen();
    assert!(matches!(append_loosely(&wal, "a", b"one"), Err(WalError::Full)));
    *bench.disk.space.lock() = None;
    append_at_last(&wal, "a", b"two");
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a two"]);
}

#[test]
fn a_failed_sync_refuses_the_whole_group() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    append(&wal, "a", b"one");
    bench.disk.sync_fails.store(true, Ordering::SeqCst);
    let first = append_loosely(&wal, "a", b"two").unwrap();
    let Err(err) = first.durable.wait() else { panic!("it was not synced") };
    assert_eq!(runtime::Chain(&err).to_string(), "write the log: the disk is broken");
    bench.disk.sync_fails.store(false, Ordering::SeqCst);
    append_at_last(&wal, "a", b"three");
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a one", "a three"]);
}

#[test]
fn a_full_disk_is_emptied_by_what_is_in_blocks() {
    let bench = Bench::new(300);
    let (wal, _) = bench.reopen();
    let mut last = Seq(0);
    for _ in 0..10 {
        last = append(&wal, "a", &[b'x'; 200]);
    }
    wal.mark(&tenant("a"), last, &[id(1)]).unwrap().durable.wait().unwrap();
    *bench.disk.space.lock() = Some(0);
    let mark = wal.mark_done(&tenant("a"), last, &[id(1)]).unwrap();
    assert!(matches!(mark.durable.wait(), Err(WalError::Full)));
    let before = bench.files().len();
    let compacted = wal.compact().unwrap();
    assert!(compacted.deleted >= 9, "{compacted:?} of {before}");
    *bench.disk.space.lock() = None;
    append_at_last(&wal, "a", b"new");
    wal.mark_done(&tenant("a"), last, &[id(1)]).unwrap().durable.wait().unwrap();
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a new"]);
}

#[test]
fn written_records_are_acknowledged_before_the_sync_of_an_interval() {
    let mut bench = Bench::new(1 << 20);
    bench.config.fsync = Fsync::Interval;
    bench.config.fsync_interval = HumanDuration::from_millis(10);
    let (wal, _) = bench.reopen();
    append(&wal, "a", b"one");
    bench.disk.sync_fails.store(true, Ordering::SeqCst);
    append(&wal, "a", b"two");
    let deadline = Instant::now() + Duration::from_secs(10);
    while bench.instruments.writes_failed.get() == 0 {
        assert!(Instant::now() < deadline, "the interval's sync did not come");
        std::thread::yield_now();
    }
    bench.disk.sync_fails.store(false, Ordering::SeqCst);
    append_at_last(&wal, "a", b"three");
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a one", "a two", "a three"]);
}
