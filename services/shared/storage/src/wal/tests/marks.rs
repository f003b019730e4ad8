//! What marks cover is left out by a restart and removed from the disk.

use super::*;

fn mark(wal: &Wal, name: &str, upto: Seq, ids: &[BlockId]) {
    wal.mark(&tenant(name), upto, ids).unwrap().durable.wait().unwrap();
}

fn done(wal: &Wal, name: &str, upto: Seq, ids: &[BlockId]) {
    wal.mark_done(&tenant(name), upto, ids).unwrap().durable.wait().unwrap();
}

fn reopen_knowing(bench: &Bench, known: &[BlockId]) -> Vec<String> {
    let (_wal, replay) = bench.open();
    texts(&replay.rows(|_, id| known.contains(id)).collect::<Vec<_>>())
}

#[test]
fn a_first_mark_counts_when_all_its_blocks_are_known() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    let upto = append(&wal, "a", b"one");
    append(&wal, "b", b"two");
    mark(&wal, "a", upto, &[id(1), id(2)]);
    append(&wal, "a", b"three");
    drop(wal);
    assert_eq!(reopen_knowing(&bench, &[id(1)]), ["a one", "b two", "a three"]);
    assert_eq!(reopen_knowing(&bench, &[id(2), id(1)]), ["b two", "a three"]);
    assert_eq!(reopen_knowing(&bench, &[]), ["b two", "a three"], "what was known has its second mark");
}

#[test]
fn a_second_mark_covers_its_own_cut_and_not_one_that_is_still_on_its_way() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    let first = append(&wal, "a", b"one");
    mark(&wal, "a", first, &[id(1)]);
    let second = append(&wal, "a", b"two");
    mark(&wal, "a", second, &[id(2)]);
    done(&wal, "a", second, &[id(2)]);
    drop(wal);
    assert_eq!(reopen_knowing(&bench, &[]), ["a one"]);
    // The rows came in again, and the next cut takes all that is there.
    let (wal, _) = bench.reopen();
    let third = append(&wal, "a", b"three");
    mark(&wal, "a", third, &[id(3)]);
    drop(wal);
    assert_eq!(reopen_knowing(&bench, &[id(3)]), [""; 0]);
}

#[test]
fn a_cut_that_is_uploaded_again_is_marked_again() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    let first = append(&wal, "a", b"one");
    mark(&wal, "a", first, &[id(1)]);
    let second = append(&wal, "a", b"two");
    mark(&wal, "a", second, &[id(2)]);
    done(&wal, "a", first, &[id(1)]);
    mark(&wal, "a", second, &[id(3)]);
    drop(wal);
    assert_eq!(reopen_knowing(&bench, &[]), ["a two"]);
    assert_eq!(reopen_knowing(&bench, &[id(3)]), [""; 0]);
}

#[test]
fn blocks_read_back_lately_are_named_after_a_restart() {
    let mut bench = Bench::new(100);
    bench.config.keep_read_back = HumanDuration::from_secs(60);
    let (wal, _) = bench.reopen();
    let early = append(&wal, "a", b"one");
    done(&wal, "a", early, &[id(1)]);
    bench.clock.advance(50_000_000_000);
    let late = append(&wal, "a", b"two");
    done(&wal, "a", late, &[id(2)]);
    bench.clock.advance(30_000_000_000);
    wal.compact().unwrap();
    drop(wal);
    let (wal, replay) = bench.open();
    let named: Vec<_> = replay.read_back().iter().map(|mark| (mark.ids.clone(), mark.at_ns)).collect();
    assert_eq!(named, [(vec![id(2)], 51_000_000_000)]);
    drop(replay);
    // Later, nothing is kept for them.
    bench.clock.advance(60_000_000_000);
    wal.compact().unwrap();
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn idle_tenants_cost_nothing() {
    let bench = Bench::new(2000);
    let (wal, _) = bench.reopen();
    for number in 0..100 {
        let name = format!("t{number}");
        let upto = append(&wal, &name, &[0; 100]);
        mark(&wal, &name, upto, &[id(number)]);
        done(&wal, &name, upto, &[id(number)]);
    }
    let upto = append(&wal, "busy", &[0; 1990]);
    mark(&wal, "busy", upto, &[id(1)]);
    wal.compact().unwrap();
    wal.compact().unwrap();
    assert_eq!(wal.shared.books.lock().tenants(), 1);
    assert!(bench.files().len() <= 2, "{:?}", bench.files());
}

#[test]
fn a_segment_that_one_tenant_holds_is_rewritten() {
    let bench = Bench::new(3000);
    let (wal, _) = bench.reopen();
    let stuck = append(&wal, "stuck", b"waits for its upload");
    let mut last = Seq(0);
    for _ in 0..20 {
        last = append(&wal, "a", &[0; 200]);
    }
    mark(&wal, "a", last, &[id(1)]);
    done(&wal, "a", last, &[id(1)]);
    let before = wal.disk_bytes();
    assert_eq!(wal.compact().unwrap(), Compacted { deleted: 0, rewritten: 1 });
    assert!(wal.disk_bytes() < before - 2000);
    assert_eq!(wal.compact().unwrap(), Compacted::default());
    let sizes: u64 = bench.files().iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!(wal.disk_bytes(), sizes);
    drop(wal);
    let (_wal, rows) = bench.reopen();
    assert_eq!(texts(&rows), ["stuck waits for its upload"]);
    assert_eq!((rows[0].seq, rows[0].segment), (stuck, Segment(1)), "number and segment are kept");
}

#[test]
fn nothing_is_compacted_while_a_replay_reads() {
    let bench = Bench::new(100);
    let (wal, _) = bench.reopen();
    let mut last = Seq(0);
    for _ in 0..5 {
        last = append(&wal, "a", &[0; 60]);
    }
    drop(wal);
    let (wal, replay) = bench.open();
    let mut rows = replay.rows(|_, _| false);
    assert!(rows.next().is_some());
    done(&wal, "a", last, &[id(1)]);
    assert_eq!(wal.compact().unwrap(), Compacted::default());
    assert_eq!(rows.by_ref().count(), 4);
    drop(rows);
    assert_eq!(wal.compact().unwrap().deleted, 5);
}
