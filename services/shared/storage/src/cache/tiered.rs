//! Caches one behind the other, from the nearest to the farthest.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;

use super::{Cache, Instruments};

/// Asks the levels in order; what one of them has goes into those before it.
#[derive(Debug)]
pub struct Tiered(Vec<Level>);

#[derive(Debug)]
struct Level {
    cache: Arc<dyn Cache>,
    hits: Counter,
}

impl Tiered {
    /// A cache of `levels`, each with its name, the nearest first. Without any it keeps nothing.
    #[must_use]
    pub fn new(levels: Vec<(&'static str, Arc<dyn Cache>)>, instruments: &Instruments) -> Self {
        Self(levels.into_iter().map(|(name, cache)| Level { cache, hits: instruments.level(name) }).collect())
    }
}

impl Cache for Tiered {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            for (number, level) in self.0.iter().enumerate() {
                if let Some(value) = level.cache.get(key).await {
                    level.hits.inc();
                    self.0[..number].iter().for_each(|nearer| nearer.cache.put(key, value.clone()));
                    return Some(value);
                }
            }
            None
        })
    }

    fn put(&self, key: &str, value: Bytes) {
        self.0.iter().for_each(|level| level.cache.put(key, value.clone()));
    }
}
