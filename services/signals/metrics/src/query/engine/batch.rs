//! What a node of an expression evaluates to: series × steps.

use crate::model::{Labels, Sample};
use crate::query::engine::EvalError;
use crate::query::engine::bits;
use rustc_hash::FxHashMap;

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
        let count = if end < start { 0 } else { usize::try_from((end - start) / step).map_or(usize::MAX, |whole| whole + 1) };
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

/// Series × steps: the values of all rows one after the other, and one bit per value that says whether it is there.
///
/// A value that is not there is any number; loops that want no branches may compute on it. Native histograms, when the engine
/// learns them, are one more optional column of the same shape: a present step holds its histogram there or its float here.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    steps: usize,
    words: usize,
    keys: Vec<SeriesKey>,
    values: Vec<f64>,
    present: Vec<u64>,
}

/// A row that is being filled.
#[derive(Debug)]
pub(crate) struct RowMut<'a> {
    /// One value per step.
    pub(crate) values: &'a mut [f64],
    /// One bit per step.
    pub(crate) present: &'a mut [u64],
}

impl RowMut<'_> {
    /// Puts a value.
    pub(crate) fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        bits::set(self.present, step);
    }
}

impl Batch {
    /// No rows yet.
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, words: bits::words(steps), keys: Vec::new(), values: Vec::new(), present: Vec::new() }
    }

    /// Values per row.
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Values that are there.
    pub(crate) fn samples(&self) -> usize {
        bits::count(&self.present)
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
    pub(crate) fn values(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..(row + 1) * self.steps]
    }

    /// The bits of a row.
    pub(crate) fn present(&self, row: usize) -> &[u64] {
        &self.present[row * self.words..(row + 1) * self.words]
    }

    /// A row, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> RowMut<'_> {
        RowMut {
            values: &mut self.values[row * self.steps..(row + 1) * self.steps],
            present: &mut self.present[row * self.words..(row + 1) * self.words],
        }
    }

    /// All values, there or not.
    pub(crate) fn all_values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The value of a row at a step, where there is one.
    pub(crate) fn get(&self, row: usize, step: usize) -> Option<f64> {
        bits::get(self.present(row), step).then(|| self.values[row * self.steps + step])
    }

    /// Adds a row that `fill` writes; a row without any value is not kept. Returns the number of its values.
    pub(crate) fn push_with(&mut self, key: SeriesKey, fill: impl FnOnce(&mut RowMut<'_>)) -> usize {
        let (values, present) = (self.values.len(), self.present.len());
        self.values.resize(values + self.steps, 0.0);
        self.present.resize(present + self.words, 0);
        fill(&mut RowMut { values: &mut self.values[values..], present: &mut self.present[present..] });
        let count = bits::count(&self.present[present..]);
        if count == 0 {
            self.values.truncate(values);
            self.present.truncate(present);
        } else {
            self.keys.push(key);
        }
        count
    }

    /// Adds a row with the given bits, whose values are copied.
    pub(crate) fn push_copy(&mut self, key: SeriesKey, values: &[f64], present: &[u64]) {
        self.push_with(key, |row| {
            row.values.copy_from_slice(values);
            row.present.copy_from_slice(present);
        });
    }

    /// The bits of steps at which any row has a value.
    pub(crate) fn any_present(&self) -> Vec<u64> {
        let mut any = vec![0; self.words];
        for row in 0..self.len() {
            bits::union(&mut any, self.present(row));
        }
        any
    }

    /// Leaves out rows without any value.
    pub(crate) fn without_empty_rows(self) -> Self {
        if (0..self.len()).all(|row| bits::any(self.present(row))) {
            return self;
        }
        let rows: Vec<usize> = (0..self.len()).filter(|row| bits::any(self.present(*row))).collect();
        self.reordered(&rows)
    }

    /// The named rows, in that order.
    pub(crate) fn reordered(&self, rows: &[usize]) -> Self {
        let mut out = Self::new(self.steps);
        for row in rows {
            out.push_copy(self.keys[*row].clone(), self.values(*row), self.present(*row));
        }
        out
    }

    /// One step made into `steps` equal ones.
    pub(crate) fn broadcast(&self, steps: usize) -> Self {
        debug_assert_eq!(self.steps, 1, "only a single step is broadcast");
        let present = bits::all(steps);
        let mut out = Self::new(steps);
        for (key, value) in self.keys.iter().zip(&self.values) {
            out.push_with(key.clone(), |row| {
                row.values.fill(*value);
                row.present.copy_from_slice(&present);
            });
        }
        out
    }

    /// The values of a row as samples.
    pub(crate) fn row_samples(&self, row: usize, steps: Steps) -> Vec<Sample> {
        let values = self.values(row);
        bits::ones(self.present(row)).map(|step| Sample { t: steps.at(step), v: values[step] }).collect()
    }

    /// Makes one row of those with equal labels. Those whose name is to go are others than those that keep it: they differ in the
    /// end.
    ///
    /// * Errors: [`EvalError::SameLabelset`] where two of them have a value at the same step.
    pub(crate) fn merge_same_labels(self) -> Result<Self, EvalError> {
        let Some(targets) = self.same_label_targets() else {
            return Ok(self);
        };
        let mut out = Self::new(self.steps);
        let mut places: Vec<usize> = Vec::with_capacity(self.len());
        for (row, target) in targets.iter().enumerate() {
            if *target == row {
                places.push(out.len());
                out.push_copy(self.keys[row].clone(), self.values(row), self.present(row));
                continue;
            }
            let place = places[*target];
            places.push(place);
            if bits::first_common(out.present(place), self.present(row)).is_some() {
                return Err(EvalError::SameLabelset);
            }
            let (from, present) = (self.values(row), self.present(row));
            let mut into = out.row_mut(place);
            for step in bits::ones(present) {
                into.set(step, from[step]);
            }
        }
        Ok(out)
    }

    /// For each row the first one with its labels; nothing when all labels differ.
    fn same_label_targets(&self) -> Option<Vec<usize>> {
        let mut first: FxHashMap<(&Labels, bool), usize> = FxHashMap::default();
        let mut differ = true;
        let targets = self
            .keys
            .iter()
            .enumerate()
            .map(|(row, key)| {
                let target = *first.entry((&key.labels, key.drop_name)).or_insert(row);
                differ &= target == row;
                target
            })
            .collect();
        (!differ).then_some(targets)
    }
}
