//! Bytes that went bad cost the record they belong to, and no other.

use proptest::prelude::*;

use super::*;
use crate::wal::frame::{FRAME, HEADER, PREAMBLE};
use crate::wal::reader::{SegmentReader, Step};

/// Where each record of a file stands, frame and payload.
fn extents(path: &Path) -> Vec<(u64, std::ops::Range<usize>)> {
    let mut reader = SegmentReader::open(path).unwrap();
    let mut extents = Vec::new();
    while let Step::Frame(frame) = reader.step().unwrap() {
        let end = usize::try_from(reader.position()).unwrap();
        extents.push((frame.seq, end - usize::try_from(frame.size()).unwrap()..end));
    }
    extents
}

fn change(path: &Path, at: usize, mask: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= mask;
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_bad_byte_costs_one_record(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..20),
        place in any::<prop::sample::Index>(),
        mask in 1..=u8::MAX,
    ) {
        let bench = Bench::new(500);
        let (wal, _) = bench.reopen();
        for payload in &payloads {
            append(&wal, "a", payload);
        }
        drop(wal);
        let files = bench.files();
        let sizes: Vec<usize> = files.iter().map(|file| fs::read(file).unwrap().len()).collect();
        let mut at = place.index(sizes.iter().sum());
        let mut file = 0;
        while at >= sizes[file] {
            at -= sizes[file];
            file += 1;
        }
        let hit = extents(&files[file]).into_iter().find(|(_, extent)| extent.contains(&at)).map(|(seq, _)| seq);
        prop_assert_eq!(hit.is_none(), at < PREAMBLE);
        change(&files[file], at, mask);

        let expected: Vec<_> = (1..).zip(&payloads).filter(|(seq, _)| Some(*seq) != hit).map(|(seq, payload)| (seq, payload.clone())).collect();
        // Opened twice: the first opening must not make it worse.
        for _ in 0..2 {
            let found: Vec<_> = bench.reopen().1.into_iter().map(|row| (row.seq.0, row.payload.to_vec())).collect();
            prop_assert_eq!(&found, &expected);
        }
    }
}

#[test]
fn damage_is_counted_and_a_torn_tail_is_not() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    for payload in [&b"one"[..], b"two", b"three"] {
        append(&wal, "a", payload);
    }
    drop(wal);
    let file = bench.files().remove(0);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert_eq!((texts(&bench.reopen().1), bench.instruments.corruptions.get()), (vec!["a one".to_owned(), "a two".to_owned()], 0));
    let two = extents(&file)[1].1.clone();
    assert_eq!(fs::read(&file).unwrap().len(), two.end, "the torn tail is cut off");

    change(&file, two.end - 1, 1);
    assert_eq!((texts(&bench.reopen().1), bench.instruments.corruptions.get()), (vec!["a one".to_owned()], 1));
    change(&file, two.start, 1);
    assert_eq!((texts(&bench.reopen().1), bench.instruments.corruptions.get()), (vec!["a one".to_owned()], 2));
}

#[test]
fn a_record_inside_of_a_payload_is_not_taken_for_one() {
    let bench = Bench::new(1 << 20);
    let (wal, _) = bench.reopen();
    append(&wal, "a", b"one");
    let mut forged = Frame { seq: 9, kind: Kind::Rows, tenant: tenant("victim"), len: 4, payload_crc: crc32fast::hash(b"evil") }.encode(0);
    forged.extend_from_slice(b"evil");
    append(&wal, "a", &forged);
    append(&wal, "a", b"three");
    drop(wal);
    let file = bench.files().remove(0);
    let begin = extents(&file)[1].1.start;
    change(&file, begin + FRAME - 1, 1);
    assert_eq!(texts(&bench.reopen().1), ["a one", "a three"]);
}

#[test]
fn a_segment_without_a_header_does_not_keep_the_log_from_opening() {
    let bench = Bench::new(1 << 20);
    for _ in 0..3 {
        let (wal, _) = bench.reopen();
        append(&wal, "a", format!("of {}", wal.segment().0).as_bytes());
    }
    let files = bench.files();
    change(&files[1], 1, 1);
    change(&files[1], HEADER + 1, 1);
    fs::write(&files[2], &fs::read(&files[2]).unwrap()[..PREAMBLE - 1]).unwrap();
    assert_eq!(texts(&bench.reopen().1), ["a of 1"]);
    assert_eq!(bench.instruments.corruptions.get(), 1);
    assert!(files[1].exists() && !files[2].exists(), "what may hold records stays, what cannot goes");
}

#[test]
fn many_false_beginnings_are_passed_in_one_go() {
    let bench = Bench::new(1 << 30);
    let (wal, _) = bench.reopen();
    append(&wal, "a", &b"QWRC".repeat(500_000));
    append(&wal, "a", b"two");
    drop(wal);
    let file = bench.files().remove(0);
    change(&file, PREAMBLE, 1);
    assert_eq!(texts(&bench.reopen().1), ["a two"]);
}
