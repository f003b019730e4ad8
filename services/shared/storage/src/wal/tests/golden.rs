//! A segment as release 0 wrote it must open for ever.

use super::*;
use crate::wal::frame::SegmentHeader;

const SEGMENT: &[u8] = include_bytes!("../testdata/segment-v1.wal");

fn written_now() -> Vec<u8> {
    let salt = 0x5eed_5a17;
    let mut out = SegmentHeader { salt, segment: 7, base: 100, created_ns: 1_700_000_000_000_000_000 }.encode();
    let mark = |upto| {
        let mark = Mark {
            tenant: tenant("team-a"),
            after: Seq(0),
            upto: Seq(upto),
            ids: vec![id(5), id(1 << 80)],
            at_ns: 1_700_000_000_000_000_001,
        };
        mark::encode(&mark)
    };
    let records = [
        (100, Kind::Rows, "team-a", b"rows of a".to_vec()),
        (101, Kind::Rows, "anonymous", vec![0; 100]),
        (102, Kind::FirstMark, "team-a", mark(100)),
        (105, Kind::Rows, "team-a", Vec::new()),
        (106, Kind::SecondMark, "team-a", mark(100)),
    ];
    for (seq, kind, name, payload) in records {
        let len = u32::try_from(payload.len()).unwrap();
        let frame = Frame { seq, kind, tenant: tenant(name), len, payload_crc: crc32fast::hash(&payload) };
        out.extend_from_slice(&frame.encode(salt));
        out.extend_from_slice(&payload);
    }
    out
}

#[test]
fn the_format_is_the_one_of_the_committed_segment() {
    assert!(written_now() == SEGMENT, "the format has changed: it needs a new version, and this one must still be read");
}

#[test]
fn the_committed_segment_opens() {
    let bench = Bench::new(1 << 20);
    bench.clock.set(1_700_000_000_000_000_000);
    fs::write(bench.directory.path().join("000000000007.wal"), SEGMENT).unwrap();
    let (wal, replay) = bench.open();
    assert_eq!((wal.segment(), replay.open_marks()), (Segment(8), &[][..]));
    let read_back: Vec<_> = replay.read_back().iter().map(|mark| (mark.tenant.as_str(), mark.upto, mark.ids.clone())).collect();
    assert_eq!(read_back, [("team-a", Seq(100), vec![id(5), id(1 << 80)])]);
    let rows: Vec<_> = replay.rows(|_, _| false).collect();
    assert_eq!(rows.iter().map(|row| (row.segment.0, row.seq.0, row.payload.len())).collect::<Vec<_>>(), [(7, 101, 100), (7, 105, 0)]);
    assert_eq!(append(&wal, "team-a", b""), Seq(107));
}

#[test]
fn a_segment_of_a_later_release_is_left_alone() {
    let bench = Bench::new(1 << 20);
    let mut later = SegmentHeader { salt: 1, segment: 7, base: 100, created_ns: 0 }.encode();
    later.truncate(frame::HEADER - 4);
    later[8] = 2;
    let crc = crc32fast::hash(&later);
    later.extend_from_slice(&crc.to_le_bytes());
    later.extend_from_within(..);
    let path = bench.directory.path().join("000000000007.wal");
    fs::write(&path, &later).unwrap();
    let (wal, rows) = bench.reopen();
    assert_eq!((wal.segment(), rows), (Segment(8), vec![]));
    append(&wal, "a", b"one");
    wal.compact().unwrap();
    assert_eq!((fs::read(&path).unwrap(), bench.instruments.corruptions.get()), (later, 1));
}
