//! All series of a head, found by labels or by number, with exemplars and metadata.

mod numbers;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;

use index::MutableIndex;
use rustc_hash::FxHashMap;
use signal::{CutId, HeadStats, SeriesPart, TimeRange};

use super::active::ActiveSeries;
use super::exemplars::Exemplars;
use super::files::Files;
use super::metadata::MetadataOfHead;
use super::series::Series;
use crate::model::{Labels, METRIC_NAME};
use numbers::Numbers;

/// What a head knows, under its lock.
#[derive(Debug)]
pub(super) struct State {
    /// Full chunks.
    pub(super) files: Files,
    pub(super) exemplars: Exemplars,
    pub(super) metadata: MetadataOfHead,
    pub(super) active: ActiveSeries,
    /// By number. Numbers are not given again (the index asks for that): a place whose series has gone stays empty.
    series: Vec<Option<Box<Series>>>,
    /// By hash of the labels.
    numbers: Numbers,
    /// How many series each metric has.
    by_metric: FxHashMap<Box<str>, u64>,
    /// How many there are, as a part of what all heads may hold.
    count: SeriesPart,
    /// Heap of the series, bytes, about.
    bytes: usize,
    /// The part of it that holds rows which are in no file yet: no cut has taken them.
    fresh_bytes: usize,
    /// Rows that no cut has taken.
    rows: Rows,
    /// What cuts took and is not forgotten.
    cuts: BTreeMap<CutId, CutRows>,
    /// Series that may have no rows: those whose last were forgotten. Some may stand twice, or have rows again.
    emptied: Vec<u32>,
}

/// A number of rows and their times, ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows {
    pub(super) count: u64,
    pub(super) range: Option<(i64, i64)>,
}

/// What one cut took.
#[derive(Debug)]
struct CutRows {
    rows: Rows,
    series: Vec<u32>,
}

impl Rows {
    /// Counts one row.
    pub(super) fn add(&mut self, t: i64) {
        self.count += 1;
        self.range = Some(self.range.map_or((t, t), |(min, max)| (min.min(t), max.max(t))));
    }

    /// Counts the rows of another.
    pub(super) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.range = match (self.range, other.range) {
            (Some((min, max)), Some((other_min, other_max))) => Some((min.min(other_min), max.max(other_max))),
            (one, other) => one.or(other),
        };
    }
}

/// The range of times of rows, as roles see it.
pub(super) fn time_range(range: (i64, i64)) -> TimeRange {
    TimeRange::from_ms(range.0, range.1)
}

impl State {
    /// Nothing is known yet. Full chunks will go into files of this directory.
    pub(super) fn new(directory: PathBuf, count: SeriesPart) -> Self {
        Self {
            files: Files::new(directory),
            exemplars: Exemplars::default(),
            metadata: MetadataOfHead::default(),
            active: ActiveSeries::default(),
            series: Vec::new(),
            numbers: Numbers::default(),
            by_metric: FxHashMap::default(),
            count,
            bytes: 0,
            fresh_bytes: 0,
            rows: Rows::default(),
            cuts: BTreeMap::new(),
            emptied: Vec::new(),
        }
    }

    /// The number of the series for which `is_it` holds, among those with this hash.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&Labels) -> bool) -> Option<u32> {
        self.numbers.find(hash, |number| self.get(number).is_some_and(|series| is_it(&series.labels)))
    }

    /// The numbers of many series by their hashes; `is_it` tells of each, by its place, whether these are its labels. One that is not found
    /// here may be there nevertheless, as another one of its hash: [`State::find`] knows.
    ///
    /// A head is larger than any cache of the processor: table, series, labels and their text cost a wait for the memory each. One series
    /// after the other waits for all four; here the series of a push wait together.
    pub(super) fn find_all(&self, hashes: impl Iterator<Item = u64>, is_it: impl Fn(usize, &Labels) -> bool) -> Vec<Option<u32>> {
        let mut found: Vec<Option<u32>> = hashes.map(|hash| self.numbers.any(hash)).collect();
        // Each pass loads one thing of every series, and none waits for the pass after it: a look at whether there are labels loads them.
        let series: Vec<Option<&Series>> = found.iter().map(|number| self.get((*number)?)).collect();
        let labels: Vec<Option<&Labels>> =
            series.iter().map(|series| series.map(|one| &one.labels).filter(|labels| !labels.is_empty())).collect();
        black_box(labels.iter().flatten().map(|labels| labels.glance()).fold(0, usize::wrapping_add));
        for (place, (number, labels)) in found.iter_mut().zip(labels).enumerate() {
            if !labels.is_some_and(|labels| is_it(place, labels)) {
                *number = None;
            }
        }
        found
    }

    /// Looks at many series that are about to be appended to, so that their waits for the memory overlap as in [`State::find_all`].
    pub(super) fn glance_at(&self, numbers: impl Iterator<Item = u32>) {
        let series: Vec<Option<&Series>> = numbers.map(|number| self.get(number)).collect();
        black_box(series.into_iter().flatten().map(|series| usize::from(series.newest_byte())).fold(0, usize::wrapping_add));
    }

    /// A series that is there.
    pub(super) fn get(&self, number: u32) -> Option<&Series> {
        self.series.get(number as usize)?.as_deref()
    }

    /// How many series there are, those that wait for their first commit included.
    pub(super) fn series_count(&self) -> u64 {
        self.count.held()
    }

    /// Whether the ingester has room for a new series.
    pub(super) fn has_room(&self) -> bool {
        self.count.has_room()
    }

    /// The number that the next new series is given: those of all series are less.
    pub(super) fn numbers(&self) -> u32 {
        u32::try_from(self.series.len()).unwrap_or(u32::MAX)
    }

    /// How many series a metric has.
    pub(super) fn metric_count(&self, metric: &str) -> u64 {
        self.by_metric.get(metric).copied().unwrap_or_default()
    }

    /// Adds a series that is not there. `None`: all numbers are given.
    pub(super) fn add(&mut self, labels: Labels) -> Option<u32> {
        let number = u32::try_from(self.series.len()).ok()?;
        self.numbers.add(labels.hash(), number);
        match self.by_metric.get_mut(metric(&labels)) {
            Some(count) => *count += 1,
            None => {
                self.by_metric.insert(metric(&labels).into(), 1);
            }
        }
        let series = Box::new(Series::new(labels));
        self.bytes += series.heap_bytes();
        self.series.push(Some(series));
        self.count.add();
        self.active.begins(number);
        Some(number)
    }

    /// Changes a series and keeps the account of memory. `None`: it is not there.
    pub(super) fn change<T>(&mut self, number: u32, change: impl FnOnce(&mut Series, &Files) -> T) -> Option<T> {
        let series = self.series.get_mut(number as usize)?.as_deref_mut()?;
        let (all, fresh) = (series.heap_bytes(), series.fresh_bytes());
        let result = change(series, &self.files);
        self.bytes = (self.bytes + series.heap_bytes()).saturating_sub(all);
        self.fresh_bytes = (self.fresh_bytes + series.fresh_bytes()).saturating_sub(fresh);
        Some(result)
    }

    /// Removes a series.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(series) = self.series.get_mut(number as usize).and_then(Option::take) else { return };
        self.bytes = self.bytes.saturating_sub(series.heap_bytes());
        self.count.remove();
        self.numbers.remove(series.labels.hash(), number);
        let name = metric(&series.labels);
        if let Some(count) = self.by_metric.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.by_metric.remove(name);
            }
        }
    }

    /// Counts rows that were stored.
    pub(super) fn stored(&mut self, rows: Rows) {
        self.rows.join(rows);
    }

    /// Whether there is something that no cut has taken.
    pub(super) fn has_fresh_rows(&self) -> bool {
        self.rows.count > 0
    }

    /// Takes everything that no cut has taken: what `take` is given of each series, by its number.
    pub(super) fn cut(&mut self, mut take: impl FnMut(u32, &mut Series, &Files) -> bool) -> (CutId, Rows) {
        let mut taken = Vec::new();
        for number in 0..self.numbers() {
            if self.change(number, |series, files| take(number, series, files)) == Some(true) {
                taken.push(number);
            }
        }
        taken.shrink_to_fit();
        let id = self.files.cut();
        let rows = std::mem::take(&mut self.rows);
        self.cuts.insert(id, CutRows { rows, series: taken });
        (id, rows)
    }

    /// The series of which a cut took something.
    pub(super) fn series_of(&self, cut: CutId) -> &[u32] {
        self.cuts.get(&cut).map_or(&[], |cut| &cut.series)
    }

    /// Drops what a cut took.
    pub(super) fn forget(&mut self, id: CutId) {
        let Some(cut) = self.cuts.remove(&id) else { return };
        self.exemplars.forget(id);
        self.metadata.forget(id);
        for number in cut.series {
            let empty = self.change(number, |series, _| {
                series.forget(id);
                series.has_no_rows()
            });
            if empty == Some(true) {
                self.emptied.push(number);
            }
        }
        self.files.forget(id);
    }

    /// Drops series that have no rows and got none since `before`, ms; returns how many.
    pub(super) fn drop_idle(&mut self, before: i64, index: &MutableIndex) -> u64 {
        let mut dropped = 0;
        let mut waiting = Vec::new();
        for number in std::mem::take(&mut self.emptied) {
            let Some(series) = self.get(number) else { continue };
            if !series.has_no_rows() {
                continue;
            }
            if series.holders > 0 || self.exemplars.has(number) || !series.is_idle_since(before) {
                waiting.push(number);
                continue;
            }
            index.remove(number, series.labels.iter());
            self.remove(number);
            dropped += 1;
        }
        self.emptied = waiting;
        self.numbers.shrink();
        dropped
    }

    /// Says that a series may have no rows any more.
    pub(super) fn note_emptied(&mut self, number: u32) {
        self.emptied.push(number);
    }

    /// True when [`State::drop_idle`] would have something to look at.
    pub(super) fn has_emptied(&self) -> bool {
        !self.emptied.is_empty()
    }

    /// Figures, without those of the index and of the pace.
    pub(super) fn stats(&self) -> HeadStats {
        let mut all = self.rows;
        let mut cut_rows = 0;
        for cut in self.cuts.values() {
            cut_rows += cut.rows.count;
            all.join(cut.rows);
        }
        let taken: usize = self.cuts.values().map(|cut| cut.series.capacity()).sum();
        let places = self.series.capacity() * size_of::<Option<Box<Series>>>() + (self.emptied.capacity() + taken) * size_of::<u32>();
        let rest = self.numbers.heap_bytes() + self.files.heap_bytes() + self.exemplars.heap_bytes() + self.metadata.heap_bytes();
        HeadStats {
            series: self.count.held(),
            bytes: (self.bytes + places + rest) as u64,
            fresh_bytes: self.fresh_bytes as u64 + self.files.fresh_bytes(),
            rows: self.rows.count,
            cut_rows,
            milli_rows: 0,
            range: all.range.map(time_range),
        }
    }
}

fn metric(labels: &Labels) -> &str {
    labels.get(METRIC_NAME).unwrap_or_default()
}
