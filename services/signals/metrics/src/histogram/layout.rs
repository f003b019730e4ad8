//! Which buckets there are: fewer of them, wider ones.

use super::work::{Work, coarser};
use super::{Buckets, Histogram, MIN_SCHEMA, Span};

impl Histogram {
    /// How many buckets it has, that around zero not counted; empty ones are.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.positive.counts.len() + self.negative.counts.len()
    }

    /// Takes empty buckets out, and spans that are empty or go on without a gap.
    pub fn compact(&mut self) {
        for buckets in [&mut self.positive, &mut self.negative] {
            buckets.compact();
        }
    }

    /// Gives it a lower resolution: each step halves the number of buckets. A schema that is not lower, and custom bounds, stay.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if self.is_custom() || schema >= self.schema {
            return;
        }
        let integer = self.integer;
        let mut work = Work::<f64>::from(&*self);
        work.reduce_resolution(schema.max(MIN_SCHEMA));
        *self = Self { integer, ..work.finish() };
    }

    /// Lowers the resolution until there are at most `most` buckets. False when the lowest one has still more, or when bounds are
    /// custom and more than that.
    pub fn limit_buckets(&mut self, most: usize) -> bool {
        if self.bucket_count() <= most {
            return true;
        }
        if self.is_custom() {
            return false;
        }
        let mut schema = self.schema;
        while schema > MIN_SCHEMA {
            schema -= 1;
            let by = self.schema.abs_diff(schema);
            if self.positive.coarser_len(by) + self.negative.coarser_len(by) <= most {
                self.reduce_resolution(schema);
                return true;
            }
        }
        false
    }
}

impl Buckets {
    /// How many there are with a resolution that is lower by `by`.
    fn coarser_len(&self, by: u32) -> usize {
        let mut indices: Vec<i32> = self.indexed().map(|(index, _)| coarser(index, by)).collect();
        indices.dedup();
        indices.len()
    }

    fn compact(&mut self) {
        let tidy = |(place, span): (usize, &Span)| span.length > 0 && (place == 0 || span.offset != 0);
        if self.spans.iter().enumerate().all(tidy) && self.counts.iter().all(|count| *count != 0.0) {
            return;
        }
        *self = Self::from_indexed(self.indexed().filter(|(_, count)| *count != 0.0));
    }
}
