//! Operators between two vectors: who meets whom.

use rustc_hash::FxHashMap;

use super::batch::{Batch, Point, SeriesKey, Values};
use super::binary::{OperandRemarks, apply, apply_points, truth};
use super::grouping::{Groups, Selection, is_reserved, members};
use super::{EvalError, bits};
use crate::model::Labels;
use crate::query::promql::ast::{BinaryOp, MatchCardinality, VectorMatching};

/// `and`, `or` and `unless`.
pub(crate) fn set_operation(op: BinaryOp, matching: &VectorMatching, mut lhs: Batch, rhs: &Batch) -> Result<Batch, EvalError> {
    let mut groups = Groups::new(Selection::new(matching.on, &matching.labels));
    let left = members(&mut groups, lhs.keys().iter().map(|key| &key.labels));
    if op == BinaryOp::Or {
        let left_present: Vec<Vec<u64>> = left.iter().map(|rows| union(&lhs, rows)).collect();
        for row in 0..rhs.len() {
            let mut present = rhs.present(row).to_vec();
            if let Some(group) = groups.find(&rhs.key(row).labels) {
                bits::subtract(&mut present, &left_present[group]);
            }
            lhs.push_copy(rhs.key(row).clone(), rhs.values(row), &present);
        }
        return lhs.merge_same_labels();
    }
    let mut right: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
    for row in 0..rhs.len() {
        if let Some(group) = groups.find(&rhs.key(row).labels) {
            right[group].push(row);
        }
    }
    for (rows, right) in left.iter().zip(&right) {
        let present = union(rhs, right);
        for row in rows {
            let row = lhs.row_mut(*row);
            if op == BinaryOp::And {
                row.present.iter_mut().zip(&present).for_each(|(bits, present)| *bits &= present);
            } else {
                bits::subtract(row.present, &present);
            }
        }
    }
    Ok(lhs.without_empty_rows())
}

/// The steps at which any of some rows has a value.
fn union(batch: &Batch, rows: &[usize]) -> Vec<u64> {
    let mut present = vec![0; bits::words(batch.steps())];
    rows.iter().for_each(|row| bits::union(&mut present, batch.present(*row)));
    present
}

/// Arithmetic and comparison.
///
/// * Errors: [`EvalError::ManyToMany`], [`EvalError::ManyToOne`], [`EvalError::GroupingNotUnique`] where samples of one step meet that
///   may not.
pub(crate) fn arithmetic(
    op: BinaryOp,
    matching: &VectorMatching,
    return_bool: bool,
    lhs: &Batch,
    rhs: &Batch,
    remarks: &mut OperandRemarks,
) -> Result<Batch, EvalError> {
    let swapped = matching.card == MatchCardinality::OneToMany;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    // Not swapped with the sides: with `group_right`, too, `fill_left` stands in for one of many and `fill_right` for the one.
    let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
    let mut groups = Groups::new(Selection::new(matching.on, &matching.labels));
    let many_rows = members(&mut groups, many.keys().iter().map(|key| &key.labels));
    let one_rows = members(&mut groups, one.keys().iter().map(|key| &key.labels));
    // A step without any sample on one side has nothing that could meet, unless the missing ones are filled in.
    let relevant = if fill_many.is_some() || fill_one.is_some() { bits::all(many.steps()) } else { many.any_present() };
    let mut join = Join { op, matching, return_bool, swapped, out: Batch::new(many.steps()), many, one, remarks };
    let no_rows = Vec::new();
    for (group, one_rows) in one_rows.iter().enumerate() {
        let many_rows = many_rows.get(group).unwrap_or(&no_rows);
        join.check_one_side(one_rows, &relevant, &groups, group)?;
        join.group(many_rows, one_rows, fill_many, fill_one, &groups.labels(group))?;
    }
    for (group, many_rows) in many_rows.iter().enumerate().skip(one_rows.len()) {
        join.group(many_rows, &no_rows, fill_many, fill_one, &groups.labels(group))?;
    }
    join.out.merge_same_labels()
}

/// A join that is under way.
struct Join<'a> {
    op: BinaryOp,
    matching: &'a VectorMatching,
    return_bool: bool,
    /// Whether the side of which there may be many is the right one.
    swapped: bool,
    many: &'a Batch,
    one: &'a Batch,
    out: Batch,
    remarks: &'a mut OperandRemarks,
}

/// A side of a pair: a row, or the value in place of one that is missing.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Row(&'a SeriesKey, Values<'a>),
    Fill(&'a Labels, f64),
}

impl Operand<'_> {
    fn labels(&self) -> &Labels {
        match self {
            Self::Row(key, _) => &key.labels,
            Self::Fill(labels, _) => labels,
        }
    }

    fn drops_name(&self) -> bool {
        matches!(self, Self::Row(key, _) if key.drop_name)
    }

    fn at(&self, step: usize) -> f64 {
        match self {
            Self::Row(_, values) => values[step],
            Self::Fill(_, value) => *value,
        }
    }

    fn point(&self, step: usize) -> Point<'_> {
        match self {
            Self::Row(_, values) => values.point(step),
            Self::Fill(_, value) => Point::Float(*value),
        }
    }

    const fn has_histograms(&self) -> bool {
        matches!(self, Self::Row(_, values) if values.has_histograms())
    }
}

/// Which results a group has had so far.
#[derive(Default)]
struct Seen {
    /// Of any result, at one-to-one.
    any: Vec<u64>,
    /// Of each result's labels, where there may be many.
    by_labels: FxHashMap<Labels, Vec<u64>>,
}

impl Seen {
    /// Clears the steps at which there was a result.
    fn subtract_from(&self, steps: &mut [u64]) {
        for seen in std::iter::once(&self.any).chain(self.by_labels.values()).filter(|seen| !seen.is_empty()) {
            bits::subtract(steps, seen);
        }
    }
}

impl Join<'_> {
    /// Errors when two series of the side of which there has to be one have a value at the same step.
    fn check_one_side(&self, rows: &[usize], relevant: &[u64], groups: &Groups<'_>, group: usize) -> Result<(), EvalError> {
        let mut present = vec![0; relevant.len()];
        for (index, row) in rows.iter().enumerate() {
            let row_bits = bits::both(self.one.present(*row), relevant);
            if bits::first_common(&present, &row_bits).is_some() {
                let other = rows[..index].iter().find(|other| bits::first_common(self.one.present(**other), &row_bits).is_some());
                let mut pair = [*row, *other.unwrap_or(row)].map(|row| self.one.key(row).labels.clone());
                pair.sort();
                let [first, second] = pair;
                let side = if self.swapped { "left" } else { "right" };
                return Err(EvalError::ManyToMany { group: groups.labels(group), side, first, second });
            }
            bits::union(&mut present, &row_bits);
        }
        Ok(())
    }

    fn group(
        &mut self,
        many_rows: &[usize],
        one_rows: &[usize],
        fill_many: Option<f64>,
        fill_one: Option<f64>,
        group: &Labels,
    ) -> Result<(), EvalError> {
        let (many, one) = (self.many, self.one);
        let mut seen = Seen::default();
        for many_row in many_rows {
            let left = Operand::Row(many.key(*many_row), many.values(*many_row));
            self.remarks.turn = (false, *many_row);
            for one_row in one_rows {
                let right = Operand::Row(one.key(*one_row), one.values(*one_row));
                self.pair(left, right, &bits::both(many.present(*many_row), one.present(*one_row)), &mut seen)?;
            }
            if let Some(fill) = fill_one {
                let mut alone = many.present(*many_row).to_vec();
                bits::subtract(&mut alone, &union(one, one_rows));
                self.pair(left, Operand::Fill(group, fill), &alone, &mut seen)?;
            }
        }
        if let Some(fill) = fill_many {
            for one_row in one_rows {
                // Also where it met one that it does not go together with.
                let mut alone = one.present(*one_row).to_vec();
                seen.subtract_from(&mut alone);
                let right = Operand::Row(one.key(*one_row), one.values(*one_row));
                self.remarks.turn = (true, *one_row);
                self.pair(Operand::Fill(group, fill), right, &alone, &mut seen)?;
            }
        }
        Ok(())
    }

    /// Adds the results of two operands at the steps of `present`.
    fn pair(&mut self, many: Operand<'_>, one: Operand<'_>, present: &[u64], seen: &mut Seen) -> Result<(), EvalError> {
        if !bits::any(present) {
            return Ok(());
        }
        let labels = self.result_labels(many.labels(), one.labels());
        if self.op.is_trim() || many.has_histograms() || one.has_histograms() {
            return self.pair_of_points(many, one, present, labels, seen);
        }
        self.check_unique(&labels, present, seen)?;
        let (op, return_bool, swapped) = (self.op, self.return_bool, self.swapped);
        let drop_name = return_bool || many.drops_name();
        self.out.push_with(SeriesKey { labels, drop_name }, |row| {
            for step in bits::ones(present) {
                let (lhs, rhs) = if swapped { (one.at(step), many.at(step)) } else { (many.at(step), one.at(step)) };
                let (value, holds) = apply(op, lhs, rhs);
                if return_bool {
                    row.set(step, truth(holds));
                } else if holds {
                    row.set(step, value);
                }
            }
        });
        Ok(())
    }

    /// As [`pair`](Self::pair), where one of the operands has histograms.
    fn pair_of_points(
        &mut self,
        many: Operand<'_>,
        one: Operand<'_>,
        present: &[u64],
        labels: Labels,
        seen: &mut Seen,
    ) -> Result<(), EvalError> {
        let (op, return_bool, swapped) = (self.op, self.return_bool, self.swapped);
        // Operands that don't go together are no match.
        let mut matched = present.to_vec();
        let key = SeriesKey { labels: labels.clone(), drop_name: return_bool || many.drops_name() };
        let remarks = &mut *self.remarks;
        self.out.push_with(key, |row| {
            for step in bits::ones(present) {
                let (many, one) = (many.point(step), one.point(step));
                let (lhs, rhs) = if swapped { (one, many) } else { (many, one) };
                match apply_points(op, lhs, rhs, step, remarks) {
                    None => bits::clear(&mut matched, step),
                    Some((_, holds)) if return_bool => row.set(step, truth(holds)),
                    Some((value, true)) => row.set_value(step, value),
                    Some((_, false)) => {}
                }
            }
        });
        self.check_unique(&labels, &matched, seen)
    }

    /// Errors when a result with these labels is there already. Results that a comparison then drops count as well.
    fn check_unique(&self, labels: &Labels, present: &[u64], seen: &mut Seen) -> Result<(), EvalError> {
        let one_to_one = self.matching.card == MatchCardinality::OneToOne;
        let known = if one_to_one { &mut seen.any } else { seen.by_labels.entry(labels.clone()).or_default() };
        known.resize(present.len(), 0);
        if bits::first_common(known, present).is_some() {
            return Err(if one_to_one { EvalError::ManyToOne } else { EvalError::GroupingNotUnique });
        }
        bits::union(known, present);
        Ok(())
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let drops_name = self.op.is_arithmetic();
        let matching = self.matching;
        let one_to_one = matching.card == MatchCardinality::OneToOne;
        let kept = many.filtered(|name| {
            !(drops_name && is_reserved(name)) && (!one_to_one || matching.labels.iter().any(|label| label == name) == matching.on)
        });
        if matching.include.is_empty() {
            return kept;
        }
        let mut builder = kept.builder();
        for name in &matching.include {
            builder.set(name, one.get(name).unwrap_or_default());
        }
        builder.build()
    }
}
