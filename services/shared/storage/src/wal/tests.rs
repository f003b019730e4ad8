mod damage;
mod failures;
mod golden;
mod marks;
mod model;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use std::{fs, io};

use runtime::ManualClock;
use runtime::config::{ByteSize, HumanDuration};
use ulid::Ulid;

use super::disk::LogFile;
use super::*;

/// A disk that syncs nothing, to be fast, and that can be full or broken.
#[derive(Debug, Default)]
struct FakeDisk {
    /// Bytes that can still be written.
    space: Arc<Mutex<Option<u64>>>,
    sync_fails: Arc<AtomicBool>,
}

struct FakeFile {
    file: fs::File,
    space: Arc<Mutex<Option<u64>>>,
    sync_fails: Arc<AtomicBool>,
}

impl Disk for FakeDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = fs::File::create(path)?;
        Ok(Box::new(FakeFile { file, space: self.space.clone(), sync_fails: self.sync_fails.clone() }))
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for FakeFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut space = self.space.lock();
        let fits = space.map_or(bytes.len(), |space| bytes.len().min(usize::try_from(space).unwrap()));
        io::Write::write_all(&mut self.file, &bytes[..fits])?;
        if let Some(space) = &mut *space {
            *space -= fits as u64;
        }
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.sync_fails.load(Ordering::SeqCst) { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

/// A log that can be opened again and again.
struct Bench {
    directory: tempfile::TempDir,
    disk: Arc<FakeDisk>,
    clock: Arc<ManualClock>,
    config: WalConfig,
    instruments: Instruments,
}

impl Bench {
    fn new(segment_size: u64) -> Self {
        let config = WalConfig {
            segment_size: ByteSize(segment_size),
            retry_after: HumanDuration::from_millis(5),
            keep_read_back: HumanDuration::default(),
            ..WalConfig::default()
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            disk: Arc::default(),
            clock: Arc::new(ManualClock::at(1_000_000_000)),
            config,
            instruments: WalMetrics::default().of("metrics"),
        }
    }

    fn open(&self) -> (Wal, Replay) {
        let directory = self.directory.path().to_owned();
        Wal::open_on(self.disk.clone(), directory, self.config.clone(), self.clock.clone(), self.instruments.clone()).unwrap()
    }

    /// Opens the log and takes its rows; no block is known.
    fn reopen(&self) -> (Wal, Vec<Row>) {
        let (wal, replay) = self.open();
        let rows = replay.rows(|_, _| false).collect();
        (wal, rows)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// Appends to whatever segment is open.
fn append_loosely(wal: &Wal, name: &str, payload: &[u8]) -> Result<Appended, WalError> {
    let mut segment = wal.segment();
    loop {
        match wal.append(segment, &tenant(name), Bytes::copy_from_slice(payload)) {
            Err(WalError::SegmentClosed(now)) => segment = now,
            other => return other,
        }
    }
}

/// Appends and waits until the record is durable.
fn append(wal: &Wal, name: &str, payload: &[u8]) -> Seq {
    let appended = append_loosely(wal, name, payload).unwrap();
    appended.durable.wait().unwrap();
    appended.seq
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{} {}", row.tenant, String::from_utf8_lossy(&row.payload))).collect()
}

#[test]
fn what_was_appended_comes_back_in_order() {
    let bench = Bench::new(1 << 20);
    let (wal, rows) = bench.reopen();
    assert_eq!(rows, []);
    assert_eq!((append(&wal, "a", b"one"), append(&wal, "b", b"two"), append(&wal, "a", b"")), (Seq(1), Seq(2), Seq(3)));
    drop(wal);
    let (wal, rows) = bench.reopen();
    assert_eq!(texts(&rows), ["a one", "b two", "a "]);
    assert!(rows.iter().all(|row| row.segment == Segment(1)), "{rows:?}");
    assert_eq!((wal.segment(), append(&wal, "a", b"four")), (Segment(2), Seq(4)), "a restart begins a new segment");
    drop(wal);
    assert_eq!(texts(&bench.reopen().1), ["a one", "b two", "a ", "a four"]);
}

#[test]
fn a_full_segment_closes_and_the_record_is_prepared_again() {
    let bench = Bench::new(100);
    let (wal, _) = bench.reopen();
    let segment = wal.segment();
    wal.append(segment, &tenant("a"), Bytes::from(vec![1; 60])).unwrap().durable.wait().unwrap();
    let refused = wal.append(segment, &tenant("a"), Bytes::from(vec![2; 60]));
    assert!(matches!(refused, Err(WalError::SegmentClosed(Segment(2)))), "{refused:?}");
    // A record that is longer than a segment gets one of its own.
    wal.append(Segment(2), &tenant("a"), Bytes::from(vec![2; 600])).unwrap().durable.wait().unwrap();
    drop(wal);
    let segments: Vec<_> = bench.reopen().1.iter().map(|row| (row.segment.0, row.payload.len())).collect();
    assert_eq!(segments, [(1, 60), (2, 600)]);
}

#[test]
fn appends_of_many_threads_are_numbered_as_they_stand_in_the_log() {
    let bench = Bench::new(4000);
    let (wal, _) = bench.reopen();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let wal = &wal;
            scope.spawn(move || {
                for turn in 0..50 {
                    append(wal, &format!("t{thread}"), format!("{turn}").as_bytes());
                }
            });
        }
    });
    drop(wal);
    let rows = bench.reopen().1;
    assert_eq!(rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    for thread in 0..4 {
        let own = rows.iter().filter(|row| row.tenant == tenant(&format!("t{thread}")));
        let turns: Vec<u32> = own.map(|row| String::from_utf8_lossy(&row.payload).parse().unwrap()).collect();
        assert_eq!(turns, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_too_long_or_too_much_is_refused_with_its_numbers() {
    let mut bench = Bench::new(1 << 20);
    bench.config.max_record = ByteSize(10);
    let (wal, _) = bench.reopen();
    let err = append_loosely(&wal, "a", &[0; 11]).unwrap_err();
    assert_eq!(err.to_string(), "a record of 11 bytes is over the limit of 10");
    let state = State { next: 1, segment: 1, segment_bytes: 0, queued: 90, queue: Vec::new(), failed: None, closed: false };
    assert!(state.admit(10, 100).is_ok());
    assert_eq!(state.admit(11, 100).unwrap_err().to_string(), "90 bytes already wait for the log");
}

#[tokio::test]
async fn a_closed_log_refuses_appends_and_has_all_earlier_ones() {
    let mut bench = Bench::new(1 << 20);
    bench.config.fsync = Fsync::Never;
    let (wal, _) = bench.reopen();
    let appended = append_loosely(&wal, "a", b"one").unwrap();
    wal.sync().await.unwrap();
    appended.durable.await.unwrap();
    let last = append_loosely(&wal, "a", b"two").unwrap();
    wal.close().await.unwrap();
    last.durable.await.unwrap();
    assert!(matches!(append_loosely(&wal, "a", b"three"), Err(WalError::Closed)));
    assert!(matches!(wal.close().await, Err(WalError::Closed)));
    assert_eq!(texts(&bench.reopen().1), ["a one", "a two"]);
}

fn id(number: u128) -> BlockId {
    BlockId(Ulid(number))
}
