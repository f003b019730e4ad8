//! What the whole signal speaks of: labels, timestamps, samples, staleness markers, exemplars and metadata.

pub mod exemplar;
pub mod metadata;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use exemplar::Exemplar;
pub use metadata::{Metadata, MetricType};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Bits of the value that says "this series has ended": a NaN that no computation makes.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// Of nanoseconds; rounds towards the past, also before 1970.
    #[must_use]
    pub const fn floor_ns(ns: i64) -> Self {
        Self(ns.div_euclid(1_000_000))
    }

    /// Of nanoseconds; rounds towards the future, also before 1970.
    #[must_use]
    pub const fn ceil_ns(ns: i64) -> Self {
        Self(ns.div_euclid(1_000_000) + if ns.rem_euclid(1_000_000) == 0 { 0 } else { 1 })
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, ms since the Unix epoch.
    pub t: i64,
    /// The value; its bits matter, a NaN keeps its payload.
    pub v: f64,
}

/// Two samples are equal when their bits are.
impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.t == other.t && self.v.to_bits() == other.v.to_bits()
    }
}

impl Eq for Sample {}

/// The staleness marker.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// True for the staleness marker, and for no other NaN.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// How many ends stand beside the hash: those of ten labels, as most series have. One allocation less, and one place less to wait for.
const ENDS_INLINE: usize = 20;

/// Bytes that a processor loads at once.
const CACHE_LINE: usize = 64;

/// The labels of a series: sorted by name, each name once, no empty values. Cheap to clone.
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

struct Inner {
    /// Names and values, one after the other.
    text: Box<str>,
    /// Where each of them ends in `text`: name, value, name, value … Of a text that is longer than 16 bits can say each end takes two
    /// places, the lower half first; heads hold labels by the million, and theirs are short.
    ends: SmallVec<[u16; ENDS_INLINE]>,
    hash: u64,
}

impl Inner {
    fn is_long(&self) -> bool {
        self.text.len() > usize::from(u16::MAX)
    }

    /// Names and values.
    fn parts(&self) -> usize {
        if self.is_long() { self.ends.len() / 2 } else { self.ends.len() }
    }

    /// Where a name or value ends.
    fn end(&self, index: usize) -> usize {
        if self.is_long() {
            usize::from(self.ends[2 * index]) | usize::from(self.ends[2 * index + 1]) << 16
        } else {
            usize::from(self.ends[index])
        }
    }

    /// A name or value of a text that is not long, given where it starts.
    fn short_part(&self, index: usize, start: usize) -> Option<&[u8]> {
        self.ends.get(index).map(|end| &self.text.as_bytes()[start..usize::from(*end)])
    }
}

/// Walks pairs of name and value, and remembers where the next one starts.
#[derive(Clone)]
struct Pairs<'a> {
    labels: &'a Labels,
    /// Which of them are left.
    places: std::ops::Range<usize>,
    start: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.places.next()?;
        let inner = &*self.labels.0;
        let (middle, end) = (inner.end(2 * place), inner.end(2 * place + 1));
        let pair = (&inner.text[self.start..middle], &inner.text[middle..end]);
        self.start = end;
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let place = self.places.next_back()?;
        Some(self.labels.pair(place))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// The lower half of a number.
fn half(bits: u32) -> u16 {
    u16::try_from(bits & 0xffff).expect("16 bits")
}

impl Labels {
    /// No labels at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_sorted(std::iter::empty())
    }

    /// Labels in any order. A pair with an empty value says that there is no such label; of two pairs with the same name the later wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Labels that are sorted already, each name once and no value empty (checked in debug builds). They are gone through twice, so that
    /// nothing is allocated that grows.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>) -> Self {
        let pairs = pairs.into_iter();
        let (parts, bytes) = pairs.clone().fold((0, 0), |(parts, bytes), (name, value)| (parts + 2, bytes + name.len() + value.len()));
        let long = bytes > usize::from(u16::MAX);
        let mut text = String::with_capacity(bytes);
        let mut ends = SmallVec::with_capacity(if long { 2 * parts } else { parts });
        let mut hash = SeriesHash::default();
        let mut last: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(last.is_none_or(|last| last < name), "labels are sorted: {last:?} {name:?}");
            debug_assert!(!value.is_empty(), "no label has an empty value: {name:?}");
            last = Some(name);
            for part in [name, value] {
                text.push_str(part);
                let end = u32::try_from(text.len()).expect("a request of more than 4 GiB is refused at the door");
                ends.push(half(end));
                if long {
                    ends.push(half(end >> 16));
                }
            }
            hash.add(name.as_bytes(), value.as_bytes());
        }
        Self(Arc::new(Inner { text: text.into_boxed_str(), ends, hash: hash.finish() }))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.parts() / 2
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Bytes that the labels take on the heap, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let ends = if self.0.ends.spilled() { self.0.ends.len() * size_of::<u16>() } else { 0 };
        self.0.text.len() + ends + size_of::<Inner>() + 2 * size_of::<usize>()
    }

    fn part(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.0.end(index - 1) };
        &self.0.text[start..self.0.end(index)]
    }

    /// The pair at a place.
    fn pair(&self, index: usize) -> (&str, &str) {
        (self.part(2 * index), self.part(2 * index + 1))
    }

    /// Pairs of name and value, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + DoubleEndedIterator + Clone {
        Pairs { labels: self, places: 0..self.len(), start: 0 }
    }

    /// Any bytes of their text and its ends: who looks at them has them in the processor's cache afterwards.
    #[must_use]
    pub fn glance(&self) -> usize {
        let text = self.0.text.as_bytes();
        let ends = self.0.ends.first().copied().unwrap_or_default();
        let last = text.last().copied().unwrap_or_default();
        text.iter().step_by(CACHE_LINE).fold(usize::from(ends) + usize::from(last), |sum, byte| sum + usize::from(*byte))
    }

    /// True when these are the labels, as they stand in a request: sorted by name.
    #[must_use]
    pub fn are(&self, pairs: &[(&[u8], &[u8])]) -> bool {
        let text = self.0.text.as_bytes();
        let mut start = 0;
        let mut ends = 0..self.0.parts();
        let mut next_is = |part: &[u8]| {
            let Some(index) = ends.next() else { return false };
            let end = self.0.end(index);
            let same = &text[start..end] == part;
            start = end;
            same
        };
        pairs.len() == self.len() && pairs.iter().all(|(name, value)| next_is(name) && next_is(value))
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.part(2 * middle).cmp(name) {
                Ordering::Equal => return Some(self.part(2 * middle + 1)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The metric's name.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// Hash of all labels: the same in every process and version, see [`SeriesHash`].
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.0.hash
    }

    /// Hash of all labels but the metric's name.
    #[must_use]
    pub fn hash_without_name(&self) -> u64 {
        self.hash_of(|name| name != METRIC_NAME)
    }

    /// Hash of the labels whose names `keep` wants.
    pub fn hash_of(&self, keep: impl Fn(&str) -> bool) -> u64 {
        let mut hash = SeriesHash::default();
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            hash.add(name.as_bytes(), value.as_bytes());
        }
        hash.finish()
    }

    /// The labels whose names `keep` wants.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// A builder that starts with these labels.
    #[must_use]
    pub fn builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.hash == other.0.hash && self.0.text == other.0.text && self.0.ends == other.0.ends)
    }
}

impl Eq for Labels {}

impl std::hash::Hash for Labels {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// Pair by pair, name before value; a set of labels that another begins with comes first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.is_long() || other.0.is_long() {
            return self.iter().cmp(other.iter());
        }
        let (one, other) = (&*self.0, &*other.0);
        // Up to where the parts of both end at the same places their texts compare as a whole. The part behind is missing in one of them, or
        // longer in one of them.
        let same = one.ends.iter().zip(other.ends.iter()).take_while(|(one, other)| one == other).count();
        let start = same.checked_sub(1).map_or(0, |last| usize::from(one.ends[last]));
        let begin = one.text.as_bytes()[..start].cmp(&other.text.as_bytes()[..start]);
        begin.then_with(|| one.short_part(same, start).cmp(&other.short_part(same, start)))
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Prometheus writes labels in its messages: `{__name__="up", job="api"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_name(name) {
                write!(f, "{name}={value:?}")?;
            } else {
                write!(f, "{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self::from_pairs(pairs)
    }
}

/// True for a label name that needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_name(name: impl AsRef<[u8]>) -> bool {
    let mut bytes = name.as_ref().iter();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// True for a metric name that needs no quotes: a label name that may hold colons.
#[must_use]
pub fn is_legacy_metric_name(name: impl AsRef<[u8]>) -> bool {
    let mut bytes = name.as_ref().iter();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b':'))
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}

/// Makes [`Labels`] out of changes to others.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    /// Sorted by name.
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.pairs.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(index) if value.is_empty() => {
                self.pairs.remove(index);
            }
            Ok(index) => value.clone_into(&mut self.pairs[index].1),
            Err(_) if value.is_empty() => {}
            Err(index) => self.pairs.insert(index, (name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a label, if it is there.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// Keeps the labels that `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> &mut Self {
        self.pairs.retain(|(name, _)| keep(name));
        self
    }

    /// The value of a label as it stands now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(|index| self.pairs[index].1.as_str())
    }

    /// The labels.
    #[must_use]
    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// The hash of a series, fed label by label in the order of names. It can be computed from the bytes of a
/// request without building anything.
///
/// Each string is hashed by XXH3 with the hash so far as its seed: no separator is needed and no buffer.
/// Heads, shard keys and query shards stand on it, so it never changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeriesHash(u64);

impl SeriesHash {
    /// Takes one label.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0 = xxh3_64_with_seed(value, xxh3_64_with_seed(name, self.0));
    }

    /// The hash.
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.0
    }
}

/// The place of a series on the ring: a hash of its tenant and all its labels.
#[must_use]
pub fn shard_key(tenant: &str, series_hash: u64) -> u32 {
    let mixed = xxh3_64_with_seed(tenant.as_bytes(), series_hash);
    // The upper half: the lower one chooses buckets of hash tables elsewhere.
    u32::try_from(mixed >> 32).expect("32 bits are left")
}

/// The place of a metric's metadata on the ring: that of a series which has the name alone.
#[must_use]
pub fn metadata_key(tenant: &str, metric: &str) -> u32 {
    let mut hash = SeriesHash::default();
    hash.add(METRIC_NAME.as_bytes(), metric.as_bytes());
    shard_key(tenant, hash.finish())
}

#[cfg(test)]
mod tests;
