//! What a node of an expression evaluates to: series × steps.

mod column;
mod row;

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub(crate) use self::column::Column;
pub(crate) use self::row::{Point, RowEdit, RowMut, Values};

use crate::histogram::{Histogram, HistogramSample};
use crate::model::{Labels, Sample};
use crate::query::engine::EvalError;
use crate::query::engine::{bits, usage};

/// The evaluation times of an expression: `count` of them, `step` ms apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first time, ms since the Unix epoch.
    pub start: i64,
    /// Distance between two times, ms; not 0.
    pub step: i64,
    /// How many times.
    pub count: usize,
}

impl Steps {
    /// One time.
    #[must_use]
    pub const fn instant(at: i64) -> Self {
        Self { start: at, step: 1, count: 1 }
    }

    /// All times of `start..=end` that lie whole steps after `start`; none where `end` lies before it.
    #[must_use]
    pub fn range(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let count = if end < start { 0 } else { usize::try_from(end.saturating_sub(start) / step).map_or(usize::MAX, |whole| whole + 1) };
        Self { start, step, count }
    }

    /// The time of a step.
    #[must_use]
    pub fn at(&self, step: usize) -> i64 {
        self.start + self.step * i64::try_from(step).expect("a query has fewer steps than i64 counts")
    }

    /// The last time; the one before the first where there is none.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.start + self.step * (i64::try_from(self.count).expect("a query has fewer steps than i64 counts") - 1)
    }

    /// All times, rising.
    pub fn times(self) -> impl ExactSizeIterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }
}

/// Who a row is.
#[derive(Clone, Debug)]
pub(crate) struct SeriesKey {
    /// The labels, the metric's name among them even when it is to go.
    pub(crate) labels: Labels,
    /// The name (with `__type__` and `__unit__`) goes when the whole expression is done: functions further out may still read it.
    pub(crate) drop_name: bool,
}

/// Series × steps: the values of all rows one after the other, and one bit per step that says whether there is one.
///
/// Of each row only the steps from its first value to its last are kept: series come and go. A value in between that is not there
/// is any number; loops that want no branches may compute on it.
///
/// A row that has native histograms has a [`Column`] of them beside its values: a present step holds its histogram there or its float
/// here, and where it holds a histogram, its float is any number. Rows of floats have no column, so nobody has to ask them.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    steps: usize,
    words: usize,
    keys: Vec<SeriesKey>,
    spans: Vec<Span>,
    values: Vec<f64>,
    present: Vec<u64>,
    columns: Vec<Column>,
    /// A whole row, to be filled.
    scratch: (Vec<f64>, Vec<u64>),
}

/// Where the values of a row are.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// The step of the first.
    from: usize,
    /// The place of the first among the values of all rows.
    at: usize,
    /// How many.
    len: usize,
    /// Which of the columns, for a row that has histograms.
    column: Option<u32>,
}

impl Batch {
    /// No rows yet.
    pub(crate) fn new(steps: usize) -> Self {
        let words = bits::words(steps);
        Self {
            steps,
            words,
            keys: Vec::new(),
            spans: Vec::new(),
            values: Vec::new(),
            present: Vec::new(),
            columns: Vec::new(),
            scratch: (vec![0.0; steps], vec![0; words]),
        }
    }

    /// Steps of each row.
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What the batch counts for where samples are limited: its samples, or half of the values that it holds where those are
    /// many more.
    pub(crate) fn weight(&self) -> usize {
        let heavier: usize = self.rows_with_histograms().map(|row| self.extra_weight(row)).sum();
        bits::count(&self.present).max(self.values.len() / 2) + heavier
    }

    /// For how much more than as many floats the histograms of a row count.
    fn extra_weight(&self, row: usize) -> usize {
        self.row_histograms(row).map(|(_, histogram)| usage::weight(histogram) - 1).sum()
    }

    /// True when any row has a histogram.
    pub(crate) fn has_histograms(&self) -> bool {
        !self.columns.is_empty()
    }

    /// The rows that have histograms.
    pub(crate) fn rows_with_histograms(&self) -> impl Iterator<Item = usize> + '_ {
        let rows = if self.has_histograms() { self.len() } else { 0 };
        (0..rows).filter(|row| self.spans[*row].column.is_some())
    }

    /// Values that are held, there or not.
    pub(crate) fn held(&self) -> usize {
        self.values.len()
    }

    /// Who a row is.
    pub(crate) fn key(&self, row: usize) -> &SeriesKey {
        &self.keys[row]
    }

    /// Who all rows are.
    pub(crate) fn keys(&self) -> &[SeriesKey] {
        &self.keys
    }

    /// Who all rows are, to be changed.
    pub(crate) fn keys_mut(&mut self) -> &mut [SeriesKey] {
        &mut self.keys
    }

    /// The values of a row.
    pub(crate) fn values(&self, row: usize) -> Values<'_> {
        let Span { from, at, len, column } = self.spans[row];
        Values { from, values: &self.values[at..at + len], column: column.map(|column| &self.columns[column as usize]) }
    }

    /// The bits of a row.
    pub(crate) fn present(&self, row: usize) -> &[u64] {
        &self.present[row * self.words..(row + 1) * self.words]
    }

    /// A row, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> RowEdit<'_> {
        let Span { from, at, len, .. } = self.spans[row];
        let present = &mut self.present[row * self.words..(row + 1) * self.words];
        RowEdit { from, values: &mut self.values[at..at + len], present }
    }

    /// All values, there or not.
    pub(crate) fn all_values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// All columns of histograms.
    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// The float of a row at a step, where there is one.
    pub(crate) fn get(&self, row: usize, step: usize) -> Option<f64> {
        match self.point(row, step) {
            Some(Point::Float(value)) => Some(value),
            _ => None,
        }
    }

    /// What a row has at a step.
    pub(crate) fn point(&self, row: usize, step: usize) -> Option<Point<'_>> {
        bits::get(self.present(row), step).then(|| self.values(row).point(step))
    }

    /// The bits of a row's steps that have floats.
    pub(crate) fn floats(&self, row: usize) -> Cow<'_, [u64]> {
        match self.values(row).column {
            None => Cow::Borrowed(self.present(row)),
            Some(column) => {
                let mut floats = self.present(row).to_vec();
                column.iter().for_each(|(step, _)| bits::clear(&mut floats, step));
                Cow::Owned(floats)
            }
        }
    }

    /// The histograms of a row, each with its step.
    pub(crate) fn row_histograms(&self, row: usize) -> impl Iterator<Item = (usize, &Arc<Histogram>)> + '_ {
        let present = self.present(row);
        self.values(row).column.into_iter().flat_map(Column::iter).filter(|(step, _)| bits::get(present, *step))
    }

    /// Adds a row that `fill` writes; a row without any value is not kept. Returns what its values count for where samples are limited:
    /// 0 for none.
    pub(crate) fn push_with(&mut self, key: SeriesKey, fill: impl FnOnce(&mut RowMut<'_>)) -> usize {
        let (mut values, mut present) = std::mem::take(&mut self.scratch);
        present.fill(0);
        let mut row = RowMut { values: &mut values, present: &mut present, column: None };
        fill(&mut row);
        let column = row.column.take();
        let count = self.push_copy(key, Values { from: 0, values: &values, column: column.as_ref() }, &present);
        self.scratch = (values, present);
        count
    }

    /// Adds a row with the given bits, whose values are copied; a row without any value is not kept. Returns what its values count for
    /// where samples are limited: 0 for none.
    pub(crate) fn push_copy(&mut self, key: SeriesKey, values: Values<'_>, present: &[u64]) -> usize {
        let Some((first, last)) = bits::ends(present) else { return 0 };
        let column = values.column.and_then(|column| column.part(first, last, present)).map(|column| {
            self.columns.push(column);
            u32::try_from(self.columns.len() - 1).expect("a batch has fewer rows than u32 counts")
        });
        self.spans.push(Span { from: first, at: self.values.len(), len: last + 1 - first, column });
        self.values.extend_from_slice(&values.values[first - values.from..=last - values.from]);
        self.present.extend_from_slice(present);
        self.keys.push(key);
        bits::count(present) + if column.is_some() { self.extra_weight(self.len() - 1) } else { 0 }
    }

    /// The bits of steps at which any row has a value.
    pub(crate) fn any_present(&self) -> Vec<u64> {
        let mut any = vec![0; self.words];
        for row in 0..self.len() {
            bits::union(&mut any, self.present(row));
        }
        any
    }

    /// Leaves out histograms.
    pub(crate) fn without_histograms(mut self) -> Self {
        if !self.has_histograms() {
            return self;
        }
        for row in 0..self.len() {
            if let Cow::Owned(floats) = self.floats(row) {
                self.present[row * self.words..(row + 1) * self.words].copy_from_slice(&floats);
                self.spans[row].column = None;
            }
        }
        self.columns.clear();
        self.without_empty_rows()
    }

    /// Makes of each histogram the float that stands at its step.
    pub(crate) fn forget_histograms(&mut self) {
        self.columns.clear();
        self.spans.iter_mut().for_each(|span| span.column = None);
    }

    /// Leaves out rows without any value.
    pub(crate) fn without_empty_rows(self) -> Self {
        if (0..self.len()).all(|row| bits::any(self.present(row))) {
            return self;
        }
        self.reordered(0..self.len())
    }

    /// The named rows, in that order; those without any value are left out.
    pub(crate) fn reordered(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut out = Self::new(self.steps);
        for row in rows {
            out.push_copy(self.keys[row].clone(), self.values(row), self.present(row));
        }
        out
    }

    /// One step made into `steps` equal ones.
    pub(crate) fn broadcast(&self, steps: usize) -> Self {
        debug_assert_eq!(self.steps, 1, "only a single step is broadcast");
        let present = bits::all(steps);
        let mut out = Self::new(steps);
        for row in 0..self.len() {
            out.push_with(self.keys[row].clone(), |target| {
                target.present.copy_from_slice(&present);
                match self.values(row).point(0) {
                    Point::Float(value) => target.values.fill(value),
                    Point::Histogram(h) => (0..steps).for_each(|step| target.set_histogram(step, h.clone())),
                }
            });
        }
        out
    }

    /// The floats of a row as samples.
    pub(crate) fn row_samples(&self, row: usize, steps: Steps) -> Vec<Sample> {
        let values = self.values(row);
        bits::ones(&self.floats(row)).map(|step| Sample { t: steps.at(step), v: values[step] }).collect()
    }

    /// The histograms of a row as samples.
    pub(crate) fn row_histogram_samples(&self, row: usize, steps: Steps) -> Vec<HistogramSample> {
        self.row_histograms(row).map(|(step, h)| HistogramSample { t: steps.at(step), h: h.clone() }).collect()
    }

    /// Makes one row of those with equal labels. Those whose name is to go are others than those that keep it: they differ in the
    /// end.
    ///
    /// * Errors: [`EvalError::SameLabelset`] where two of them have a value at the same step.
    pub(crate) fn merge_same_labels(self) -> Result<Self, EvalError> {
        let Some(groups) = self.same_labels() else {
            return Ok(self);
        };
        let mut out = Self::new(self.steps);
        for rows in groups {
            let mut present = vec![0; self.words];
            for row in &rows {
                if bits::first_common(&present, self.present(*row)).is_some() {
                    return Err(EvalError::SameLabelset);
                }
                bits::union(&mut present, self.present(*row));
            }
            out.push_with(self.keys[rows[0]].clone(), |target| {
                for row in rows {
                    let values = self.values(row);
                    bits::ones(self.present(row)).for_each(|step| target.set_point(step, values.point(step)));
                }
            });
        }
        Ok(out)
    }

    /// The rows with equal labels, in the order of the first of each; nothing when all labels differ.
    fn same_labels(&self) -> Option<Vec<Vec<usize>>> {
        let mut places: FxHashMap<(&Labels, bool), usize> = FxHashMap::default();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (row, key) in self.keys.iter().enumerate() {
            let place = *places.entry((&key.labels, key.drop_name)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        (groups.len() < self.len()).then_some(groups)
    }
}
