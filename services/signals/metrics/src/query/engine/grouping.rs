//! Which series belong together: the labels that count, and the groups they make.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::batch::SeriesKey;
use crate::model::{Labels, METRIC_NAME};

/// Labels that say what a metric is and not whose: they go with its name.
const RESERVED: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// True for the metric's name and what goes with it.
pub(crate) fn is_reserved(label: &str) -> bool {
    RESERVED.contains(&label)
}

/// The labels without the metric's name and what goes with it.
pub(crate) fn without_name(labels: &Labels) -> Labels {
    if reserved(labels).next().is_some() { labels.filtered(|name| !is_reserved(name)) } else { labels.clone() }
}

/// True where all series drop their names, and these are one: then no two of them are equal without it that were not equal before.
pub(crate) fn have_one_name(keys: &[SeriesKey]) -> bool {
    let Some(first) = keys.first() else { return true };
    let name = first.labels.metric_name();
    keys.iter().all(|key| key.drop_name && reserved(&key.labels).eq(name.map(|name| (METRIC_NAME, name))))
}

/// The metric's name and what goes with it, of labels.
fn reserved(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let [first @ .., last] = RESERVED;
    debug_assert!(first.iter().all(|name| *name < last), "labels behind the last of them need no look");
    labels.iter().take_while(move |(name, _)| *name <= last).filter(|(name, _)| is_reserved(name))
}

/// The labels that count: those of `by` and `on`, or all but those of `without` and `ignoring`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection<'a> {
    /// These.
    Only(&'a [String]),
    /// All but these and the metric's name.
    AllBut(&'a [String]),
}

impl<'a> Selection<'a> {
    /// `keep` says whether `names` are those that count.
    pub(crate) const fn new(keep: bool, names: &'a [String]) -> Self {
        if keep { Self::Only(names) } else { Self::AllBut(names) }
    }

    /// True for a label that counts.
    pub(crate) fn keeps(&self, label: &str) -> bool {
        match self {
            Self::Only(names) => names.iter().any(|name| name == label),
            Self::AllBut(names) => label != METRIC_NAME && !names.iter().any(|name| name == label),
        }
    }

    /// Those labels of a series that count.
    pub(crate) fn of(&self, labels: &Labels) -> Labels {
        if self.is_nothing() { Labels::empty() } else { labels.filtered(|name| self.keeps(name)) }
    }

    fn hash(&self, labels: &Labels) -> u64 {
        if self.is_nothing() { 0 } else { labels.hash_of(|name| self.keeps(name)) }
    }

    fn same(&self, one: &Labels, other: &Labels) -> bool {
        self.is_nothing() || one.iter().filter(|(name, _)| self.keeps(name)).eq(other.iter().filter(|(name, _)| self.keeps(name)))
    }

    const fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }
}

/// Numbers groups of series that are equal in the labels that count, in the order in which they are met.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    selection: Selection<'a>,
    by_hash: FxHashMap<u64, SmallVec<[usize; 1]>>,
    /// A series of each group.
    first: Vec<Labels>,
}

impl<'a> Groups<'a> {
    /// No groups yet.
    pub(crate) fn new(selection: Selection<'a>) -> Self {
        Self { selection, by_hash: FxHashMap::default(), first: Vec::new() }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// The labels that all series of a group have.
    pub(crate) fn labels(&self, group: usize) -> Labels {
        self.selection.of(&self.first[group])
    }

    /// The group of a series, made if it is new.
    pub(crate) fn of(&mut self, labels: &Labels) -> usize {
        let known = self.by_hash.entry(self.selection.hash(labels)).or_default();
        if let Some(group) = known.iter().find(|group| self.selection.same(&self.first[**group], labels)) {
            return *group;
        }
        known.push(self.first.len());
        self.first.push(labels.clone());
        self.first.len() - 1
    }

    /// The group of a series, if there is one.
    pub(crate) fn find(&self, labels: &Labels) -> Option<usize> {
        let known = self.by_hash.get(&self.selection.hash(labels))?;
        known.iter().copied().find(|group| self.selection.same(&self.first[*group], labels))
    }
}

/// The rows of each group.
pub(crate) fn members<'a>(groups: &mut Groups<'_>, labels: impl IntoIterator<Item = &'a Labels>) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
    for (row, labels) in labels.into_iter().enumerate() {
        let group = groups.of(labels);
        if group == members.len() {
            members.push(Vec::new());
        }
        members[group].push(row);
    }
    members
}
