//! How many series and values a head holds.

use std::collections::BTreeMap;

use index::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use super::Shared;
use super::series::Series;
use crate::model::{Labels, METRIC_NAME};
use crate::wire::{CardinalityQuery, Counted, Group, HeadFact, ordered};

/// The most members of one group: what has more goes on in another, so that messages stay small.
const MAX_MEMBERS: usize = 64 << 10;
/// How many series are looked at under one lock.
const STEP: usize = 4096;

/// The hash of a series or value, and how many buckets it has where histograms are counted.
type Member = (u64, Option<u64>);

/// The answer to a question.
pub(super) enum Answer {
    Groups(Vec<Group>),
    Series(Vec<Labels>),
}

/// Counts in the series that `selected` names.
pub(super) fn count(shared: &Shared, query: &CardinalityQuery, selected: &RoaringBitmap) -> Answer {
    match &query.what {
        Counted::Labels => {
            let mut found = Vec::new();
            for_each(shared, query.since, selected, |_, series| found.push(series.labels.clone()));
            Answer::Series(found)
        }
        Counted::Values => {
            let active = active(shared, query.since, selected);
            let names = shared.index.label_names(Some(&active)).into_iter();
            let groups = names.map(|name| {
                let values = shared.index.label_values(&name, Some(&active));
                (name, String::new(), values.iter().map(|value| (xxh3_64(value.as_bytes()), None)).collect())
            });
            Answer::Groups(groups.flat_map(|(name, value, members)| cut(name, value, members)).collect())
        }
        Counted::Series { names } => {
            let mut all = Vec::new();
            let mut groups: BTreeMap<(String, String), Vec<Member>> = BTreeMap::new();
            for_each(shared, query.since, selected, |_, series| {
                let hash = series.labels.hash();
                all.push((hash, None));
                for name in names {
                    if let Some(value) = series.labels.get(name) {
                        groups.entry((name.clone(), value.to_owned())).or_default().push((hash, None));
                    }
                }
            });
            let groups = groups.into_iter().map(|((name, value), members)| (name, value, members));
            let groups = groups.chain([(String::new(), String::new(), all)]);
            Answer::Groups(groups.flat_map(|(name, value, members)| cut(name, value, members)).collect())
        }
        Counted::Histograms => {
            let mut groups: BTreeMap<String, Vec<Member>> = BTreeMap::new();
            for_each(shared, query.since, selected, |_, series| {
                if let Some(buckets) = series.newest_buckets() {
                    let metric = series.labels.get(METRIC_NAME).unwrap_or_default().to_owned();
                    groups.entry(metric).or_default().push((series.labels.hash(), Some(buckets as u64)));
                }
            });
            Answer::Groups(groups.into_iter().flat_map(|(name, members)| cut(name, String::new(), members)).collect())
        }
        Counted::Head => {
            let mut chunks = 0;
            for_each(shared, None, selected, |_, series| chunks += series.chunk_count() as u64);
            Answer::Groups(facts(shared, chunks))
        }
    }
}

/// What a head says of its tenant. Nothing when it has nothing: a head that the tenant's series do not reach any more says nothing of them.
fn facts(shared: &Shared, chunks: u64) -> Vec<Group> {
    let stats = shared.state.read().stats();
    if stats.series == 0 {
        return Vec::new();
    }
    let milli = shared.pace.lock().milli_samples(shared.now_ms());
    let fact =
        |fact: HeadFact, value: u64| Group { name: fact.name().to_owned(), members: vec![0], sizes: vec![value], ..Group::default() };
    let mut facts = vec![
        fact(HeadFact::Series, shared.of_all(stats.series)),
        fact(HeadFact::MilliSamples, shared.of_all(milli)),
        fact(HeadFact::Chunks, chunks),
    ];
    if let Some(range) = stats.range {
        let ms = |ns: i64| ordered(ns.div_euclid(1_000_000));
        facts.push(fact(HeadFact::MinTime, ms(range.start)));
        // The end of a range does not belong to it.
        facts.push(fact(HeadFact::MaxTime, ms(range.end.saturating_sub(1))));
    }
    facts
}

/// Calls `each` with the series that are selected and got a sample since a time.
fn for_each(shared: &Shared, since: Option<i64>, selected: &RoaringBitmap, mut each: impl FnMut(u32, &Series)) {
    let mut numbers = selected.iter().peekable();
    while numbers.peek().is_some() {
        let state = shared.state.read();
        for number in numbers.by_ref().take(STEP) {
            let series = state.get(number).filter(|series| series.visible && !since.is_some_and(|since| series.is_idle_since(since)));
            if let Some(series) = series {
                each(number, series);
            }
        }
    }
}

/// The numbers of those series.
fn active(shared: &Shared, since: Option<i64>, selected: &RoaringBitmap) -> RoaringBitmap {
    if since.is_none() {
        return selected.clone();
    }
    let mut active = RoaringBitmap::new();
    for_each(shared, since, selected, |number, _| {
        active.insert(number);
    });
    active
}

/// Groups of a name and value, none too large.
fn cut(name: String, value: String, mut members: Vec<Member>) -> Vec<Group> {
    members.sort_unstable();
    members.dedup_by_key(|(hash, _)| *hash);
    let group = |part: &[Member]| Group {
        name: name.clone(),
        value: value.clone(),
        members: part.iter().map(|(hash, _)| *hash).collect(),
        sizes: part.iter().filter_map(|(_, size)| *size).collect(),
    };
    members.chunks(MAX_MEMBERS).map(group).collect()
}
