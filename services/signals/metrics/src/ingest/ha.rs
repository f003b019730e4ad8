//! High-availability pairs: of several replicas of a sender, the samples of one are stored.
//!
//! Which one is elected is one decision for all distributors. It stands in the bucket as a *term*: an object that is created if absent, so
//! that of two distributors that elect at once one wins and the other reads who did. A term never changes; another replica is elected by
//! the next term. What distributors have *heard* of elected replicas they tell each other in one object each. See [`store`] for both.
//!
//! Every distributor knows the terms and what the others have heard as it was [`IngestConfig::ha_tracker_refresh`] ago, and looks again before
//! it elects. It relies on what it knows no longer than the failover timeout: a distributor that is cut off from the bucket refuses
//! rather than going on with a replica that the others may have given up. So two replicas are accepted side by side no longer than a refresh.
//!
//! [`IngestConfig::ha_tracker_refresh`]: super::IngestConfig::ha_tracker_refresh

mod decide;
pub mod instruments;
mod page;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use runtime::{Chain, Clock, Tasks};
use storage::bucket::Bucket;
use storage::error::StoreError;
use tenancy::TenantId;
use tracing::{info, warn};

use super::IngestConfig;
use decide::{Decision, Timeouts};
use instruments::{HaInstruments, Pair as PairLabels};
pub(super) use page::routes;
use store::{Heard, Store, Term};

/// How long a pair may be silent before it is forgotten, ms.
const FORGET_AFTER: i64 = 30 * 60 * 1000;

/// How often one request looks again when others elect at the same time.
const ATTEMPTS: usize = 6;

/// Knows which replica of each pair is elected. Clones share it.
#[derive(Clone)]
pub struct HaTracker(Arc<Inner>);

struct Inner {
    timeouts: Timeouts,
    store: Store,
    clock: Arc<dyn Clock>,
    instruments: HaInstruments,
    known: Mutex<Known>,
    /// One look at a time: whoever waits for it takes what it found.
    looking: tokio::sync::Mutex<()>,
    /// Whether anybody has asked: tenants without pairs cost nothing.
    asked: AtomicBool,
}

/// What is known.
#[derive(Debug, Default)]
struct Known {
    tenants: HashMap<TenantId, HashMap<String, Elected>>,
    /// When the last look began that came to an end, ms.
    looked_at: Option<i64>,
}

/// The elected replica of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elected {
    replica: String,
    term: u64,
    elected_at: i64,
    /// When any distributor last took a request of it, as far as is known here, ms.
    received_at: i64,
    /// When this distributor did; 0: never.
    heard_at: i64,
}

/// Why a request of a replica is not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HaRefusal {
    /// Another replica is elected.
    #[error("replicas did not match, rejecting sample: replica={replica}, elected={elected}")]
    NotElected {
        /// The one that sent.
        replica: String,
        /// The one that is stored.
        elected: String,
    },
    /// The tenant has too many pairs.
    #[error("too many high-availability pairs, the limit is {limit}")]
    TooManyClusters {
        /// How many it may have.
        limit: u64,
    },
    /// It is not known which replica is elected.
    #[error("the elected replica could not be looked up")]
    Store(#[source] StoreError),
    /// Others elect at the same time, again and again.
    #[error("the election of a replica did not come to an end")]
    Unsettled,
}

impl HaTracker {
    /// A tracker over what all distributors share.
    ///
    /// * `name`: of this distributor, another one for each.
    #[must_use]
    pub fn new(config: &IngestConfig, bucket: Arc<dyn Bucket>, name: &str, clock: Arc<dyn Clock>, instruments: HaInstruments) -> Self {
        Self(Arc::new(Inner {
            timeouts: Timeouts::new(config, name),
            store: Store::new(bucket, name),
            clock,
            instruments,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            asked: AtomicBool::new(false),
        }))
    }

    /// Looks again every [`IngestConfig::ha_tracker_refresh`] until the tasks stop.
    pub fn start(&self, config: &IngestConfig, tasks: &Tasks) {
        let (tracker, period, stop) = (self.clone(), config.ha_tracker_refresh.get(), tasks.stopping());
        tasks.detach("high-availability pairs", async move {
            while stop.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
                if tracker.0.asked.load(Ordering::Relaxed)
                    && let Err(err) = tracker.look().await
                {
                    warn!(error = %Chain(&err), "what other distributors know of high-availability pairs could not be read");
                }
            }
        });
    }

    /// Takes a request of a replica, or says why not.
    pub(super) async fn check(&self, tenant: &TenantId, cluster: &str, replica: &str, limit: u64) -> Result<(), HaRefusal> {
        self.0.asked.store(true, Ordering::Relaxed);
        let mut fresh = false;
        for _ in 0..ATTEMPTS {
            match self.decide(tenant, cluster, replica, limit, fresh) {
                Decision::Accept => return Ok(()),
                Decision::Refuse { elected } => return Err(HaRefusal::NotElected { replica: replica.to_owned(), elected }),
                Decision::TooMany => return Err(HaRefusal::TooManyClusters { limit }),
                Decision::Look => {
                    self.look_after(self.0.clock.now_ms()).await.map_err(HaRefusal::Store)?;
                    fresh = true;
                }
                Decision::Elect { term } => {
                    let created = self.elect(tenant, cluster, replica, term).await.map_err(HaRefusal::Store)?;
                    // Another distributor was faster: who won is read.
                    fresh = created;
                }
            }
        }
        Err(HaRefusal::Unsettled)
    }

    fn decide(&self, tenant: &TenantId, cluster: &str, replica: &str, limit: u64, fresh: bool) -> Decision {
        let now = self.0.clock.now_ms();
        let mut known = self.0.known.lock();
        let reliable = known.looked_at.is_some_and(|at| now.saturating_sub(at) < self.0.timeouts.failover);
        let pairs = known.tenants.get(tenant).map_or(0, HashMap::len) as u64;
        let elected = known.tenants.get_mut(tenant).and_then(|pairs| pairs.get_mut(cluster));
        let decision =
            decide::decide(elected.as_deref(), replica, decide::Situation { now, pairs, limit, fresh, reliable }, &self.0.timeouts);
        if let (Decision::Accept, Some(elected)) = (&decision, elected) {
            elected.received_at = elected.received_at.max(now);
            elected.heard_at = now;
        }
        decision
    }

    /// Elects a replica. False: another distributor elected at the same time.
    async fn elect(&self, tenant: &TenantId, cluster: &str, replica: &str, number: u64) -> Result<bool, StoreError> {
        let now = self.0.clock.now_ms();
        self.0.instruments.cas(tenant, cluster);
        let term = Term { cluster: cluster.to_owned(), replica: replica.to_owned(), elected_at: now, by: self.0.store.name().to_owned() };
        if !self.0.store.create(tenant, number, &term).await? {
            return Ok(false);
        }
        info!(%tenant, cluster, replica, term = number, "replica elected");
        self.take(tenant, number, term, now);
        Ok(true)
    }

    /// Learns of a term.
    fn take(&self, tenant: &TenantId, number: u64, term: Term, now: i64) {
        let Term { cluster, replica, elected_at, .. } = term;
        let mut known = self.0.known.lock();
        let pairs = known.tenants.entry(tenant.clone()).or_default();
        let changed = pairs.get(&cluster).is_none_or(|before| before.replica != replica);
        if pairs.get(&cluster).is_some_and(|before| before.term >= number) {
            return;
        }
        let labels = PairLabels { cluster: cluster.clone(), user: tenant.as_str().to_owned() };
        self.0.instruments.elected(&labels, changed, elected_at, now);
        pairs.insert(cluster, Elected { replica, term: number, elected_at, received_at: elected_at, heard_at: 0 });
    }

    /// Looks unless somebody did since `wanted`, ms.
    async fn look_after(&self, wanted: i64) -> Result<(), StoreError> {
        let one = self.0.looking.lock().await;
        let looked = self.0.known.lock().looked_at;
        if looked.is_some_and(|at| at > wanted) { Ok(()) } else { self.look_alone(one).await }
    }

    /// Tells the others what was heard here, and reads what they tell and which terms there are.
    pub async fn look(&self) -> Result<(), StoreError> {
        let one = self.0.looking.lock().await;
        self.look_alone(one).await
    }

    async fn look_alone(&self, _one: tokio::sync::MutexGuard<'_, ()>) -> Result<(), StoreError> {
        let now = self.0.clock.now_ms();
        self.tell(now).await?;
        self.read_terms(now).await?;
        for heard in self.0.store.heard(now).await? {
            self.hear(&heard);
        }
        self.show();
        self.forget(now).await?;
        self.0.known.lock().looked_at = Some(now);
        Ok(())
    }

    /// Tells the others what was heard here.
    async fn tell(&self, now: i64) -> Result<(), StoreError> {
        let mut heard = Vec::new();
        for (tenant, pairs) in &self.0.known.lock().tenants {
            // Nobody needs to know of what was long ago.
            let recent = pairs.iter().filter(|(_, elected)| elected.heard_at > now.saturating_sub(FORGET_AFTER));
            heard.extend(recent.map(|(cluster, elected)| Heard {
                tenant: tenant.as_str().to_owned(),
                cluster: cluster.clone(),
                term: elected.term,
                at: elected.heard_at,
            }));
        }
        if heard.is_empty() { Ok(()) } else { self.0.store.tell(now, heard).await }
    }

    /// Reads terms that are new, and forgets pairs that have none.
    async fn read_terms(&self, now: i64) -> Result<(), StoreError> {
        let before: HashMap<_, _> = self.numbers();
        let newest = self.0.store.newest().await?;
        for ((tenant, hash), number) in &newest {
            if before.get(&(tenant.clone(), *hash)).is_none_or(|known| known < number)
                && let Some(term) = self.0.store.term(tenant, *hash, *number).await?
            {
                self.take(tenant, *number, term, now);
            }
        }
        let mut known = self.0.known.lock();
        for (tenant, pairs) in &mut known.tenants {
            // A pair that was elected here since the list was made is not in it.
            pairs.retain(|cluster, elected| elected.elected_at >= now || newest.contains_key(&(tenant.clone(), store::hash(cluster))));
        }
        known.tenants.retain(|_, pairs| !pairs.is_empty());
        Ok(())
    }

    fn numbers(&self) -> HashMap<(TenantId, u128), u64> {
        let known = self.0.known.lock();
        let pairs = known.tenants.iter().flat_map(|(tenant, pairs)| pairs.iter().map(move |pair| (tenant, pair)));
        pairs.map(|(tenant, (cluster, elected))| ((tenant.clone(), store::hash(cluster)), elected.term)).collect()
    }

    /// Takes what another distributor has heard.
    fn hear(&self, heard: &Heard) {
        let Ok(tenant) = TenantId::parse(&heard.tenant) else { return };
        let mut known = self.0.known.lock();
        let pair = known.tenants.get_mut(&tenant).and_then(|pairs| pairs.get_mut(&heard.cluster));
        if let Some(elected) = pair.filter(|elected| elected.term == heard.term) {
            elected.received_at = elected.received_at.max(heard.at);
        }
    }

    fn show(&self) {
        let known = self.0.known.lock();
        for (tenant, pairs) in &known.tenants {
            self.0.instruments.count(tenant, pairs.len());
            for (cluster, elected) in pairs {
                let labels = PairLabels { cluster: cluster.clone(), user: tenant.as_str().to_owned() };
                self.0.instruments.received(&labels, elected.received_at);
            }
        }
    }

    /// Removes pairs of which nothing has been heard for long.
    async fn forget(&self, now: i64) -> Result<(), StoreError> {
        let mut silent = Vec::new();
        for (tenant, pairs) in &self.0.known.lock().tenants {
            let old = pairs.iter().filter(|(_, elected)| elected.received_at < now.saturating_sub(FORGET_AFTER));
            silent.extend(old.map(|(cluster, elected)| (tenant.clone(), cluster.clone(), elected.term)));
        }
        if silent.is_empty() {
            return Ok(());
        }
        self.0.instruments.cleanup_started.inc();
        for (tenant, cluster, term) in silent {
            self.0.instruments.cleanup_marked.inc();
            self.0.store.remove(&tenant, store::hash(&cluster), term).await.inspect_err(|_| {
                self.0.instruments.cleanup_failed.inc();
            })?;
            self.0.instruments.cleanup_deleted.inc();
            self.0.instruments.forget(&PairLabels { cluster: cluster.clone(), user: tenant.as_str().to_owned() });
            if let Some(pairs) = self.0.known.lock().tenants.get_mut(&tenant) {
                pairs.remove(&cluster);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HaTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HaTracker").field("name", &self.0.store.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
