//! The index of a head: grows and shrinks while it is read.
//!
//! A series comes and goes as a whole. Reading takes the lock for short steps, [`STEP`] values at a time, so that a regular
//! expression over a million values does not stop the writers. An answer may therefore name a series that was removed while it was
//! made: numbers of series are not given again, and readers skip those that are gone. It never misses one that was there before.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use roaring::RoaringBitmap;

use crate::matcher::{Matcher, Test};
use crate::select::{self, Postings};

/// How many values are looked at under one lock.
const STEP: usize = 512;

/// What a value costs in memory beside its text: the map's entry, the bitmap and its first container, bytes, about.
const VALUE_BYTES: usize = 96;

/// What a series costs per label: its place in the bitmap of the value and in that of the name, bytes, about.
const POSTING_BYTES: usize = 4;

/// An index that can change.
#[derive(Debug, Default)]
pub struct MutableIndex {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    names: BTreeMap<Arc<str>, Name>,
    all: RoaringBitmap,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Name {
    values: BTreeMap<Arc<str>, RoaringBitmap>,
    series: RoaringBitmap,
}

/// How often a label name or value is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cardinality {
    /// The name or value.
    pub text: String,
    /// How many different values a name has; 1 for a value.
    pub values: u64,
    /// How many series have it.
    pub series: u64,
}

impl MutableIndex {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series. Labels with an empty value are left out; adding a series again changes nothing.
    pub fn add<'a>(&self, series: u32, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut inner = self.inner.write();
        let inner = &mut *inner;
        inner.all.insert(series);
        for (name, value) in labels {
            if value.is_empty() {
                continue;
            }
            if !inner.names.contains_key(name) {
                inner.names.insert(name.into(), Name::default());
                inner.bytes += name.len() + VALUE_BYTES;
            }
            let Some(known) = inner.names.get_mut(name) else { continue };
            if let Some(postings) = known.values.get_mut(value) {
                postings.insert(series);
            } else {
                known.values.insert(value.into(), RoaringBitmap::from([series]));
                inner.bytes += value.len() + VALUE_BYTES;
            }
            if known.series.insert(series) {
                inner.bytes += 2 * POSTING_BYTES;
            }
        }
    }

    /// Removes a series. `labels` are those it was added with.
    pub fn remove<'a>(&self, series: u32, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut inner = self.inner.write();
        let inner = &mut *inner;
        inner.all.remove(series);
        for (name, value) in labels {
            let Some(known) = inner.names.get_mut(name) else { continue };
            if let Some(postings) = known.values.get_mut(value) {
                postings.remove(series);
                if postings.is_empty() {
                    known.values.remove(value);
                    inner.bytes = inner.bytes.saturating_sub(value.len() + VALUE_BYTES);
                }
            }
            if known.series.remove(series) {
                inner.bytes = inner.bytes.saturating_sub(2 * POSTING_BYTES);
            }
            if known.values.is_empty() {
                inner.names.remove(name);
                inner.bytes = inner.bytes.saturating_sub(name.len() + VALUE_BYTES);
            }
        }
    }

    /// Series that meet all matchers; all series when there are none.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher]) -> RoaringBitmap {
        match select::select(self, matchers) {
            Ok(selected) => selected,
            Err(never) => match never {},
        }
    }

    /// Names of labels, sorted: those that the series `of` have, or all.
    #[must_use]
    pub fn label_names(&self, of: Option<&RoaringBitmap>) -> Vec<String> {
        let inner = self.inner.read();
        let wanted = inner.names.iter().filter(|(_, name)| of.is_none_or(|of| !name.series.is_disjoint(of)));
        wanted.map(|(name, _)| name.as_ref().to_owned()).collect()
    }

    /// Values of a label, sorted: those that the series `of` have, or all.
    #[must_use]
    pub fn label_values(&self, name: &str, of: Option<&RoaringBitmap>) -> Vec<String> {
        let mut values = Vec::new();
        self.for_each_value(name, "", |value, series| {
            if of.is_none_or(|of| !series.is_disjoint(of)) {
                values.push(value.to_owned());
            }
            true
        });
        values
    }

    /// How many series there are.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.inner.read().all.len()
    }

    /// Heap that the index takes, bytes, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.inner.read().bytes
    }

    /// How many values and series each label name has, sorted by name.
    #[must_use]
    pub fn name_cardinality(&self) -> Vec<Cardinality> {
        let inner = self.inner.read();
        let names = inner.names.iter();
        names
            .map(|(text, name)| Cardinality { text: text.as_ref().to_owned(), values: name.values.len() as u64, series: name.series.len() })
            .collect()
    }

    /// How many series each value of a label has, sorted by value.
    #[must_use]
    pub fn value_cardinality(&self, name: &str) -> Vec<Cardinality> {
        let mut values = Vec::new();
        self.for_each_value(name, "", |value, series| {
            values.push(Cardinality { text: value.to_owned(), values: 1, series: series.len() });
            true
        });
        values
    }

    /// Calls `each` with the values of a label from `from` on, in their order, until it returns false.
    fn for_each_value(&self, name: &str, from: &str, mut each: impl FnMut(&str, &RoaringBitmap) -> bool) {
        let mut next: Bound<Arc<str>> = Bound::Included(from.into());
        loop {
            let inner = self.inner.read();
            let Some(known) = inner.names.get(name) else { return };
            let mut last = None;
            for (value, series) in known.values.range((next, Bound::Unbounded)).take(STEP) {
                if !each(value, series) {
                    return;
                }
                last = Some(value);
            }
            let Some(last) = last else { return };
            next = Bound::Excluded(Arc::clone(last));
        }
    }
}

impl Postings for MutableIndex {
    type Error = Infallible;

    fn all(&self) -> Result<RoaringBitmap, Infallible> {
        Ok(self.inner.read().all.clone())
    }

    fn with_name(&self, name: &str) -> Result<RoaringBitmap, Infallible> {
        Ok(self.inner.read().names.get(name).map(|name| name.series.clone()).unwrap_or_default())
    }

    fn passing(&self, name: &str, test: &Test) -> Result<RoaringBitmap, Infallible> {
        if matches!(test, Test::Any | Test::NonEmpty) {
            return self.with_name(name);
        }
        let mut found = RoaringBitmap::new();
        if let Some(literals) = test.literals() {
            let inner = self.inner.read();
            let Some(known) = inner.names.get(name) else { return Ok(found) };
            for literal in literals {
                if let Some(series) = known.values.get(literal.as_str()) {
                    found |= series;
                }
            }
            return Ok(found);
        }
        let prefix = test.prefix();
        self.for_each_value(name, prefix, |value, series| {
            if !value.starts_with(prefix) {
                return false;
            }
            if test.holds(value) {
                found |= series;
            }
            true
        });
        Ok(found)
    }
}
