use proptest::prelude::*;

use super::*;
use crate::chunk::tests::runs;

fn files() -> (tempfile::TempDir, Files) {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path().join("head"));
    (directory, files)
}

fn chunk(n: i64, len: usize) -> Chunk {
    let byte = u8::try_from(n % 251).unwrap();
    Chunk { min_t: n, max_t: n + 10, count: 3, encoding: Encoding::Xor, bytes: vec![byte; len].into() }
}

fn read(files: &Files, held: &Held) -> Chunk {
    files.stored(held).unwrap().read().unwrap()
}

proptest! {
    #[test]
    fn what_was_kept_comes_back(all in prop::collection::vec((runs(), any::<bool>()), 1..30)) {
        let (_directory, mut files) = files();
        let mut kept = Vec::new();
        for (samples, cut) in all {
            if let Some(chunk) = Chunk::encode(&samples).filter(|chunk| chunk.max_t - chunk.min_t <= MAX_SPAN) {
                kept.push((files.keep(&ChunkRef::from(&chunk)), chunk));
            }
            if cut {
                files.cut();
            }
        }
        for (held, chunk) in &kept {
            prop_assert_eq!(&read(&files, held), chunk);
        }
    }
}

#[test]
fn chunks_go_to_a_file_without_a_name() {
    let (directory, files) = files();
    let lens = [0, 1, 500, 505, 506, 3000, 70_000];
    let kept: Vec<_> = (0..2000).map(|n| (n, lens[usize::try_from(n).unwrap() % lens.len()])).collect();
    let held: Vec<Held> = kept.iter().map(|(n, len)| files.keep(&ChunkRef::from(&chunk(*n, *len)))).collect();
    for ((n, len), held) in kept.iter().zip(&held) {
        assert_eq!(read(&files, held), chunk(*n, *len));
    }
    let bytes: usize = kept.iter().map(|(_, len)| len + HEADER).sum();
    assert_eq!(files.fresh_bytes(), bytes as u64);
    assert!(files.heap_bytes() <= 4 * FLUSH_BYTES, "{} bytes stay in memory", files.heap_bytes());
    assert_eq!(fs::read_dir(directory.path().join("head")).unwrap().count(), 0);
}

#[test]
fn a_reader_keeps_what_is_forgotten() {
    let (_directory, mut files) = files();
    let old: Vec<Held> = (0..1000).map(|n| files.keep(&ChunkRef::from(&chunk(n, 400)))).collect();
    let cut = files.cut();
    let new = files.keep(&ChunkRef::from(&chunk(7, 400)));
    assert!(old.iter().all(|held| held.cut() == cut && !files.is_fresh(held)) && files.is_fresh(&new));
    let reader = files.stored(&old[0]).unwrap();
    files.forget(cut);
    assert!(files.stored(&old[0]).is_none());
    assert_eq!(reader.read().unwrap(), chunk(0, 400));
    assert_eq!(read(&files, &new), chunk(7, 400));
    // What no cut has taken is never forgotten.
    files.forget(new.cut());
    assert_eq!(read(&files, &new), chunk(7, 400));
}

#[test]
fn where_nothing_can_be_written_chunks_stay_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("head");
    fs::write(&blocked, "a file where the directory should be").unwrap();
    let files = Files::new(blocked.clone());
    let keep = |from: i64| -> Vec<Held> { (from..from + 1000).map(|n| files.keep(&ChunkRef::from(&chunk(n, 400)))).collect() };
    let mut held = keep(0);
    assert!(files.heap_bytes() >= 400_000);
    // When there is room again, all of it goes to the file.
    fs::remove_file(&blocked).unwrap();
    held.extend(keep(1000));
    assert!(files.heap_bytes() <= 4 * FLUSH_BYTES, "{} bytes stay in memory", files.heap_bytes());
    for (n, held) in (0..).zip(&held) {
        assert_eq!(read(&files, held), chunk(n, 400));
    }
}
