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
/// is any number; loops that want no branches may compute on it. Native histograms, when the engine learns them, are one more
/// optional column of the same shape: a present step holds its histogram there or its float here.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    steps: usize,
    words: usize,
    keys: Vec<SeriesKey>,
    spans: Vec<Span>,
    values: Vec<f64>,
    present: Vec<u64>,
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
}

/// The values of a row, by step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    from: usize,
    values: &'a [f64],
}

impl std::ops::Index<usize> for Values<'_> {
    type Output = f64;

    /// The value at a step that has one.
    fn index(&self, step: usize) -> &f64 {
        &self.values[step - self.from]
    }
}

/// A row that is being filled, all of its steps.
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

/// A row that is being changed.
#[derive(Debug)]
pub(crate) struct RowEdit<'a> {
    /// The step of the first value.
    pub(crate) from: usize,
    /// The values from there on.
    pub(crate) values: &'a mut [f64],
    /// One bit per step, from the very first on; more must not be set.
    pub(crate) present: &'a mut [u64],
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
        bits::count(&self.present).max(self.values.len() / 2)
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
        let Span { from, at, len } = self.spans[row];
        Values { from, values: &self.values[at..at + len] }
    }

    /// The bits of a row.
    pub(crate) fn present(&self, row: usize) -> &[u64] {
        &self.present[row * self.words..(row + 1) * self.words]
    }

    /// A row, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> RowEdit<'_> {
        let Span { from, at, len } = self.spans[row];
        let present = &mut self.present[row * self.words..(row + 1) * self.words];
        RowEdit { from, values: &mut self.values[at..at + len], present }
    }

    /// All values, there or not.
    pub(crate) fn all_values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The value of a row at a step, where there is one.
    pub(crate) fn get(&self, row: usize, step: usize) -> Option<f64> {
        bits::get(self.present(row), step).then(|| self.values(row)[step])
    }

    /// Adds a row that `fill` writes; a row without any value is not kept. Returns the number of its values.
    pub(crate) fn push_with(&mut self, key: SeriesKey, fill: impl FnOnce(&mut RowMut<'_>)) -> usize {
        let (mut values, mut present) = std::mem::take(&mut self.scratch);
        present.fill(0);
        fill(&mut RowMut { values: &mut values, present: &mut present });
        let count = self.push_copy(key, Values { from: 0, values: &values }, &present);
        self.scratch = (values, present);
        count
    }

    /// Adds a row with the given bits, whose values are copied; a row without any value is not kept. Returns the number of its
    /// values.
    pub(crate) fn push_copy(&mut self, key: SeriesKey, values: Values<'_>, present: &[u64]) -> usize {
        let Some((first, last)) = bits::ends(present) else { return 0 };
        self.spans.push(Span { from: first, at: self.values.len(), len: last + 1 - first });
        self.values.extend_from_slice(&values.values[first - values.from..=last - values.from]);
        self.present.extend_from_slice(present);
        self.keys.push(key);
        bits::count(present)
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
                target.values.fill(self.values(row)[0]);
                target.present.copy_from_slice(&present);
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
                    bits::ones(self.present(row)).for_each(|step| target.set(step, self.values(row)[step]));
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
