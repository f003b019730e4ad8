use super::*;

/// Keeps everything, at once.
#[derive(Debug, Default)]
pub(super) struct Plain(pub(super) parking_lot::Mutex<std::collections::BTreeMap<String, Bytes>>);

impl Cache for Plain {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        let found = self.0.lock().get(key).cloned();
        Box::pin(async move { found })
    }

    fn put(&self, key: &str, value: Bytes) {
        self.0.lock().insert(key.to_owned(), value);
    }
}

pub(super) fn instruments() -> Instruments {
    CacheMetrics::default().of("chunks-cache")
}

pub(super) fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn memory_is_bounded_by_bytes() {
    let cache = Memory::new(100_000);
    for number in 0..100 {
        cache.put(&format!("key {number}"), Bytes::from(vec![0; 10_000]));
        let _ = cache.get("key 0").await;
    }
    let mut kept = 0;
    for number in 0..100 {
        kept += usize::from(cache.get(&format!("key {number}")).await.is_some());
    }
    assert!((1..=9).contains(&kept), "{kept} of 100");
}

#[tokio::test]
async fn what_a_far_level_has_goes_into_the_nearer_ones() {
    let (near, middle, far) = (Arc::new(Plain::default()), Arc::new(Plain::default()), Arc::new(Plain::default()));
    let levels: Vec<(_, Arc<dyn Cache>)> = vec![("memory", near.clone()), ("disk", middle.clone()), ("memcached", far.clone())];
    let tiered = Tiered::new(levels, &instruments());
    middle.put("a", bytes("from the disk"));
    assert_eq!(tiered.get("a").await, Some(bytes("from the disk")));
    assert_eq!((near.get("a").await, far.get("a").await), (Some(bytes("from the disk")), None));
    tiered.put("b", bytes("new"));
    assert_eq!(
        (near.get("b").await, middle.get("b").await, far.get("b").await),
        (Some(bytes("new")), Some(bytes("new")), Some(bytes("new")))
    );
    assert_eq!(tiered.get("c").await, None);
}

#[tokio::test]
async fn requests_and_hits_are_counted_under_the_names_of_mimir() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = CacheMetrics::register(&mut registry);
    let config = CacheConfig::default();
    let cache = open("chunks-cache", &config, &metrics).unwrap();
    cache.put("a", bytes("a"));
    assert_eq!((cache.get("a").await, cache.get("b").await), (Some(bytes("a")), None));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    for line in [
        "thanos_cache_requests_total{name=\"chunks-cache\"} 2",
        "thanos_cache_hits_total{name=\"chunks-cache\"} 1",
        "quartet_cache_level_hits_total{name=\"chunks-cache\",level=\"memory\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}
