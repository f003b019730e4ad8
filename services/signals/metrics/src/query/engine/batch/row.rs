//! One row of a batch: read, filled or changed.

use std::sync::Arc;

use super::Column;
use crate::histogram::Histogram;
use crate::query::engine::bits;
use crate::query::engine::result::PointValue;

/// What a series has at one step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point<'a> {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(&'a Arc<Histogram>),
}

/// The values of a row, by step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(super) from: usize,
    pub(super) values: &'a [f64],
    pub(super) column: Option<&'a Column>,
}

impl<'a> Values<'a> {
    /// What stands at a step that has a value.
    pub(crate) fn point(&self, step: usize) -> Point<'a> {
        match self.column.and_then(|column| column.get(step)) {
            Some(histogram) => Point::Histogram(histogram),
            None => Point::Float(self[step]),
        }
    }

    /// True when the row has histograms.
    pub(crate) const fn has_histograms(&self) -> bool {
        self.column.is_some()
    }
}

impl std::ops::Index<usize> for Values<'_> {
    type Output = f64;

    /// The float at a step that has one.
    fn index(&self, step: usize) -> &f64 {
        &self.values[step - self.from]
    }
}

/// A row that is being filled, all of its steps.
#[derive(Debug)]
pub(crate) struct RowMut<'a> {
    /// One float per step.
    pub(crate) values: &'a mut [f64],
    /// One bit per step.
    pub(crate) present: &'a mut [u64],
    /// One place for a histogram per step, when there is any.
    pub(super) column: Option<Column>,
}

impl RowMut<'_> {
    /// Puts a float where nothing stood.
    pub(crate) fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        bits::set(self.present, step);
    }

    /// Puts a histogram where nothing stood.
    pub(crate) fn set_histogram(&mut self, step: usize, histogram: Arc<Histogram>) {
        let steps = self.values.len();
        self.column.get_or_insert_with(|| Column::new(steps)).set(step, Some(histogram));
        self.values[step] = 0.0;
        bits::set(self.present, step);
    }

    /// Puts a value where nothing stood.
    pub(crate) fn set_value(&mut self, step: usize, value: PointValue) {
        match value {
            PointValue::Float(value) => self.set(step, value),
            PointValue::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    /// Puts a point where nothing stood.
    pub(crate) fn set_point(&mut self, step: usize, point: Point<'_>) {
        match point {
            Point::Float(value) => self.set(step, value),
            Point::Histogram(histogram) => self.set_histogram(step, histogram.clone()),
        }
    }
}

/// A row that is being changed.
#[derive(Debug)]
pub(crate) struct RowEdit<'a> {
    /// The step of the first value.
    pub(crate) from: usize,
    /// The floats from there on.
    pub(crate) values: &'a mut [f64],
    /// One bit per step, from the very first on; more must not be set.
    pub(crate) present: &'a mut [u64],
}
