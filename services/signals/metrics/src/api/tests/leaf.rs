//! Leaves in memory: the series of the tenants `team` and `limited`, from two replicas of which each has gaps of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use index::Matcher;
use parking_lot::RwLock;
use runtime::ErrorKind;
use signal::{LeafBatch, LeafStream, Leaves, QueryError, Scan, Source};
use syntax::LabelMatcher;

use crate::chunk::encode_run;
use crate::model::{Exemplar, Labels, Metadata, MetricType, Sample};
use crate::query::subquery::milliseconds;
use crate::wire::{
    CardinalityQuery, Counted, Group, HeadFact, LeafQuery, LeafRows, MetadataEntry, MetricMetadata, SeriesChunks, SeriesExemplars, ordered,
};

/// All leaves of a cluster.
pub(super) struct MemoryLeaves {
    series: RwLock<Vec<(Labels, Vec<Sample>)>>,
    scans: AtomicUsize,
    fails: AtomicBool,
    budget: AtomicU64,
}

impl MemoryLeaves {
    /// Series of the four hours before `now`, ms.
    pub(super) fn new(now: i64) -> Self {
        let times = || (now - 14_400_000..=now).step_by(15_000);
        let constant = |v: f64| times().map(|t| Sample { t, v }).collect::<Vec<_>>();
        let mut series = Vec::new();
        for job in ["node", "api"] {
            series.push((Labels::from_pairs([("__name__", "up"), ("job", job)]), constant(1.0)));
            let counts = times().enumerate().map(|(index, t)| Sample { t, v: (index * 3 % 1000) as f64 });
            series.push((Labels::from_pairs([("__name__", "requests_total"), ("job", job)]), counts.collect()));
        }
        for (kind, v) in [("nan", f64::NAN), ("inf", f64::NEG_INFINITY), ("zero", -0.0), ("tiny", 1e-7), ("huge", 1e23)] {
            series.push((Labels::from_pairs([("__name__", "special"), ("kind", kind)]), constant(v)));
        }
        series.push((Labels::from_pairs([("__name__", "température"), ("città", "Zürich")]), constant(20.5)));
        Self { series: RwLock::new(series), scans: AtomicUsize::default(), fails: AtomicBool::default(), budget: AtomicU64::new(u64::MAX) }
    }

    /// Stores a sample, in order or late; one of the same time gives way.
    pub(super) fn store(&self, labels: &Labels, sample: Sample) {
        let mut all = self.series.write();
        if !all.iter().any(|(known, _)| known == labels) {
            all.push((labels.clone(), Vec::new()));
        }
        let (_, samples) = all.iter_mut().find(|(known, _)| known == labels).unwrap();
        samples.retain(|known| known.t != sample.t);
        samples.push(sample);
        samples.sort_by_key(|sample| sample.t);
    }

    /// How often leaves were scanned.
    pub(super) fn scans(&self) -> usize {
        self.scans.load(Ordering::Relaxed)
    }

    /// From now on no leaf answers.
    pub(super) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// What each query may reserve from now on.
    pub(super) fn budget(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Relaxed);
    }

    /// The leaves of one sub-query.
    pub(super) fn of(self: &Arc<Self>) -> Arc<dyn Leaves> {
        Arc::new(OfQuery { all: self.clone(), left: AtomicU64::new(self.budget.load(Ordering::Relaxed)) })
    }
}

struct OfQuery {
    all: Arc<MemoryLeaves>,
    left: AtomicU64,
}

impl Leaves for OfQuery {
    fn scan(&self, scan: Scan) -> LeafStream {
        self.all.scans.fetch_add(1, Ordering::Relaxed);
        if self.all.fails.load(Ordering::Relaxed) {
            return stream::iter([Err(QueryError::new(ErrorKind::Unavailable, "a leaf is missing"))]).boxed();
        }
        if !["team", "limited"].contains(&scan.tenant.as_str()) {
            return stream::empty().boxed();
        }
        let batches: Vec<_> = (0..2)
            .flat_map(|replica| self.all.answer(replica, &scan).into_iter().map(move |rows| (replica, rows)))
            .map(|(replica, rows)| Ok(LeafBatch { source: Source::Head(format!("ingester-{replica}")), payload: rows.encode() }))
            .collect();
        stream::iter(batches).boxed()
    }

    fn reserve(&self, bytes: u64) -> Result<(), QueryError> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| QueryError::new(ErrorKind::LimitExceeded, "no memory"))
    }
}

impl MemoryLeaves {
    fn answer(&self, replica: usize, scan: &Scan) -> Vec<LeafRows> {
        let (start, end) = milliseconds(scan.range);
        let within = |samples: &[Sample]| samples.iter().any(|sample| (start..=end).contains(&sample.t));
        let all = self.series.read();
        let select = |sets: &[Vec<LabelMatcher>]| {
            let sets: Vec<_> = sets.iter().map(|set| Matcher::compile_all(set).unwrap()).collect();
            let met = move |labels: &Labels| {
                let meets = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default());
                sets.is_empty() || sets.iter().any(|set| set.iter().all(meets))
            };
            all.iter().filter(move |(labels, samples)| met(labels) && within(samples))
        };
        let sorted = |mut found: Vec<String>| {
            found.sort();
            found.dedup();
            vec![LeafRows::Strings(found)]
        };
        match LeafQuery::decode(&scan.payload).unwrap() {
            LeafQuery::Chunks { matchers, shard } => {
                let rows = select(&[matchers]).filter(|(labels, _)| shard.is_none_or(|shard| shard.holds("team", labels.hash()))).map(
                    |(labels, samples)| {
                        // Each replica lacks every other run of samples, except for some that both have.
                        let runs = samples.chunks(100).enumerate().filter(|(run, _)| run % 2 == replica || run % 3 == 0);
                        let chunks = runs.flat_map(|(_, run)| encode_run(run)).filter(|chunk| chunk.overlaps(start, end)).collect();
                        LeafRows::Chunks(vec![SeriesChunks { labels: labels.clone(), chunks }])
                    },
                );
                rows.collect()
            }
            LeafQuery::LabelNames { sets, .. } => {
                sorted(select(&sets).flat_map(|(labels, _)| labels.iter().map(|(name, _)| name.to_owned())).collect())
            }
            LeafQuery::LabelValues { name, sets, .. } => {
                sorted(select(&sets).filter_map(|(labels, _)| labels.get(&name).map(str::to_owned)).collect())
            }
            LeafQuery::Series { sets, .. } => vec![LeafRows::Series(select(&sets).map(|(labels, _)| labels.clone()).collect())],
            LeafQuery::Exemplars { sets } => {
                let one = |(labels, _): &(Labels, Vec<Sample>)| SeriesExemplars { labels: labels.clone(), exemplars: exemplars() };
                vec![LeafRows::Exemplars(select(&sets).map(one).collect())]
            }
            LeafQuery::Metadata { metric, .. } => {
                let rows = metadata(replica).into_iter().filter(|one| metric.as_ref().is_none_or(|metric| *metric == one.metric));
                vec![LeafRows::Metadata(rows.collect())]
            }
            LeafQuery::Cardinality(query) => self.cardinality(&query),
        }
    }
}

impl MemoryLeaves {
    /// What a replica that holds all series tells of them.
    fn cardinality(&self, query: &CardinalityQuery) -> Vec<LeafRows> {
        let sets: Vec<_> = query.sets.iter().map(|set| Matcher::compile_all(set).unwrap()).collect();
        let meets = |labels: &Labels, matcher: &Matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default());
        let met = |labels: &&Labels| sets.is_empty() || sets.iter().any(|set| set.iter().all(|matcher| meets(labels, matcher)));
        let all = self.series.read();
        let series: Vec<&Labels> = all.iter().map(|(labels, _)| labels).filter(met).collect();
        let mut groups = BTreeMap::<(String, String), BTreeSet<u64>>::new();
        match &query.what {
            Counted::Labels => return vec![LeafRows::Series(series.into_iter().cloned().collect())],
            Counted::Values => {
                for (name, value) in series.iter().flat_map(|labels| labels.iter()) {
                    groups.entry((name.to_owned(), String::new())).or_default().insert(xxhash_rust::xxh3::xxh3_64(value.as_bytes()));
                }
            }
            Counted::Series { names } => {
                for labels in &series {
                    groups.entry((String::new(), String::new())).or_default().insert(labels.hash());
                    for (name, value) in names.iter().filter_map(|name| Some((name, labels.get(name)?))) {
                        groups.entry((name.clone(), value.to_owned())).or_default().insert(labels.hash());
                    }
                }
            }
            Counted::Head => {
                let fact = |fact: HeadFact, value| Group {
                    name: fact.name().to_owned(),
                    members: vec![0],
                    sizes: vec![value],
                    ..Group::default()
                };
                let times = [fact(HeadFact::MinTime, ordered(-5)), fact(HeadFact::MaxTime, ordered(7))];
                let numbers = [fact(HeadFact::Series, 4), fact(HeadFact::MilliSamples, 1500), fact(HeadFact::Chunks, 3)];
                return vec![LeafRows::Groups(numbers.into_iter().chain(times).collect())];
            }
            Counted::Histograms => {
                groups.insert(("latency".to_owned(), String::new()), BTreeSet::from([1, 2]));
            }
        }
        let group = |((name, value), members): ((String, String), BTreeSet<u64>)| {
            let sizes = if query.what == Counted::Histograms { vec![10, 30] } else { Vec::new() };
            Group { name, value, members: members.into_iter().collect(), sizes }
        };
        vec![LeafRows::Groups(groups.into_iter().map(group).collect())]
    }
}

/// Exemplars that every series has.
fn exemplars() -> Vec<Exemplar> {
    vec![Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 0.5, t: 1_768_474_800_500 }]
}

/// Metadata that a replica received: the second one also some that is newer.
fn metadata(replica: usize) -> Vec<MetricMetadata> {
    let entry = |t, help: &str| MetadataEntry { t, metadata: Metadata { kind: MetricType::Counter, help: help.into(), unit: "".into() } };
    let mut requests = vec![entry(1, "Requests.")];
    if replica == 1 {
        requests.insert(0, entry(2, "Requests \"served\"."));
    }
    let up = MetricMetadata { metric: "up".to_owned(), entries: vec![entry(1, "Up.")] };
    vec![MetricMetadata { metric: "requests".to_owned(), entries: requests }, up]
}
