use serde_json::json;
use storage::block::InMemory;

use super::*;

const NOW: i64 = 1_000_000;

fn good() -> Value {
    json!({
        "ulid": "01M88CNAFHTFCDGCJS0RMWKA2Z",
        "minTime": 1000,
        "maxTime": 2000,
        "version": 1,
        "stats": { "numSamples": 1 },
        "thanos": {
            "labels": { "__org_id__": "other", "__compactor_shard_id__": "2_of_4" },
            "downsample": { "resolution": 0 },
            "source": "",
            "files": [
                { "rel_path": "meta.json" },
                { "rel_path": "index", "size_bytes": 3 },
                { "rel_path": "chunks/000001", "size_bytes": 4 },
            ],
        },
    })
}

/// The good one with another value at a place.
fn with(place: &str, value: Value) -> Value {
    let mut meta = good();
    *meta.pointer_mut(place).expect("a place of the good one") = value;
    meta
}

fn limits(max_block_size: u64) -> MetricsLimits {
    MetricsLimits { compactor_block_upload_max_block_size_bytes: max_block_size, ..MetricsLimits::default() }
}

fn check(meta: &Value, limits: &MetricsLimits) -> Result<(), String> {
    let meta = UploadMeta::read(meta.to_string().as_bytes()).map_err(|err| err.to_string())?;
    let again = UploadMeta::read(&meta.write()).expect("what is written is read");
    assert_eq!(again, meta);
    meta.check(limits, NOW).map_err(|err| err.to_string())
}

#[test]
fn a_meta_of_prometheus_with_its_files_is_good() {
    assert_eq!(check(&good(), &limits(0)), Ok(()));
    assert_eq!(check(&good(), &limits(7)), Ok(()));
    for (place, value) in [
        ("/thanos/labels/__compactor_shard_id__", json!("")),
        ("/thanos/labels", Value::Null),
        ("/thanos/files", Value::Null),
        ("/maxTime", json!(1000)),
        ("/maxTime", json!(NOW)),
    ] {
        assert_eq!(check(&with(place, value.clone()), &limits(0)), Ok(()), "{place} {value}");
    }
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_mimir() {
    for (place, value, text) in [
        ("/minTime", json!("then"), "malformed request body"),
        ("/ulid", json!("not one"), "malformed request body"),
        ("/version", json!(2), "version must be 1"),
        ("/version", Value::Null, "version must be 1"),
        ("/minTime", json!(-1), "invalid minTime/maxTime: minTime=-1, maxTime=2000"),
        ("/maxTime", json!(999), "invalid minTime/maxTime: minTime=1000, maxTime=999"),
        ("/maxTime", json!(NOW + 1), "block time(s) greater than the present: minTime=1000, maxTime=1000001"),
        ("/thanos/downsample/resolution", json!(300_000), "block contains downsampled data"),
        ("/thanos/labels/__compactor_shard_id__", json!("5_of_4"), "invalid __compactor_shard_id__ external label: \"5_of_4\""),
        ("/thanos/labels/__compactor_shard_id__", json!("0_of_4"), "invalid __compactor_shard_id__ external label: \"0_of_4\""),
        ("/thanos/labels", json!({ "cluster": "a" }), "unsupported external label: cluster"),
        ("/thanos/files/2/rel_path", json!("chunks/1"), "file with invalid path: chunks/1"),
        ("/thanos/files/2/rel_path", json!("../index"), "file with invalid path: ../index"),
        ("/thanos/files/2/rel_path", json!("tombstones"), "file with invalid path: tombstones"),
        ("/thanos/files/1/size_bytes", json!(0), "file with invalid size: index"),
        ("/thanos/files/1/size_bytes", json!(-5), "file with invalid size: index"),
    ] {
        assert_eq!(check(&with(place, value.clone()), &limits(0)), Err(text.to_owned()), "{place} {value}");
    }
    assert_eq!(check(&good(), &limits(6)), Err("block exceeds the maximum block size limit of 6 bytes".to_owned()));
    let huge = with("/thanos/files/1/size_bytes", json!(i64::MAX));
    assert_eq!(check(&huge, &limits(1 << 62)), Err(format!("block exceeds the maximum block size limit of {} bytes", 1u64 << 62)));
    for body in ["", "{", "[]", "7"] {
        assert_eq!(UploadMeta::read(body.as_bytes()), Err(MetaFault::Malformed), "{body}");
    }
    assert_eq!(UploadMeta::read(b"null").and_then(|meta| meta.check(&limits(0), NOW)), Err(MetaFault::Version));
}

#[test]
fn files_must_be_as_they_were_announced() {
    let meta = UploadMeta::read(good().to_string().as_bytes()).expect("it is good");
    assert_eq!((meta.size_of("index"), meta.size_of("chunks/000001"), meta.size_of("chunks/000002")), (Some(3), Some(4), None));
    assert_eq!(meta.size_of("meta.json"), None);
    let file = |bytes: &'static [u8]| Arc::new(InMemory(bytes.into())) as Arc<dyn Ranged>;
    let mut files = BTreeMap::from([("index".to_owned(), file(b"abc"))]);
    let said = |files: &BTreeMap<String, Arc<dyn Ranged>>| meta.check_files(files).map_err(|err| err.to_string());
    assert_eq!(said(&files), Err("failed to stat chunks/000001: no such file or directory".to_owned()));
    files.insert("chunks/000001".to_owned(), file(b"abc"));
    assert_eq!(said(&files), Err("file size mismatch for chunks/000001".to_owned()));
    files.insert("chunks/000001".to_owned(), file(b"abcd"));
    assert_eq!(said(&files), Ok(()));
}

#[test]
fn times_are_shown_as_go_shows_them() {
    let shown = |ms| GoTime(ms).to_string();
    assert_eq!(shown(0), "1970-01-01 00:00:00 +0000 UTC");
    assert_eq!(shown(1_700_000_000_120), "2023-11-14 22:13:20.12 +0000 UTC");
}
