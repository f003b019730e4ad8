//! Operators between a float and a histogram, and between two histograms.

use std::collections::{BTreeMap, BTreeSet};

use super::{ScalarSide, apply, truth};
use crate::histogram::{Histogram, Joined, MixedSchemas, ResetHint};
use crate::query::engine::annotations::{Annotation, Operation, SampleKind};
use crate::query::engine::batch::{Batch, Point};
use crate::query::engine::bits;
use crate::query::engine::kernels::histogram_value;
use crate::query::engine::result::PointValue;
use crate::query::promql::ast::BinaryOp;

/// What there is to remark about an operator's operands: at each step only what the last of them show, as in Prometheus.
#[derive(Debug, Default)]
pub(crate) struct OperandRemarks {
    kinds: Vec<Annotation>,
    /// Of each step the place of its remark, and the turn of the operands.
    last: BTreeMap<usize, (Turn, usize)>,
    /// When it is the turn of the operands that are looked at: steps are not gone through one after the other.
    pub(crate) turn: Turn,
}

/// Whether something is filled in for the left operand, which comes after all others, and the row of the operand that is there.
pub(crate) type Turn = (bool, usize);

impl OperandRemarks {
    fn note(&mut self, step: usize, annotation: Annotation) {
        let place = self.kinds.iter().position(|known| *known == annotation).unwrap_or_else(|| {
            self.kinds.push(annotation);
            self.kinds.len() - 1
        });
        let last = self.last.entry(step).or_insert((self.turn, place));
        if last.0 <= self.turn {
            *last = (self.turn, place);
        }
    }

    /// All of them, each once.
    pub(crate) fn into_annotations(self) -> Vec<Annotation> {
        let told: BTreeSet<usize> = self.last.into_values().map(|(_, place)| place).collect();
        self.kinds.into_iter().enumerate().filter(|(place, _)| told.contains(place)).map(|(_, remark)| remark).collect()
    }
}

/// What an operator makes of two operands: a comparison says whether it holds and keeps the left one. Nothing, and a remark, where
/// they don't go together.
pub(crate) fn apply_points(
    op: BinaryOp,
    lhs: Point<'_>,
    rhs: Point<'_>,
    step: usize,
    remarks: &mut OperandRemarks,
) -> Option<(PointValue, bool)> {
    let found = match (lhs, rhs) {
        (Point::Float(lhs), Point::Float(rhs)) if !op.is_trim() => {
            let (value, holds) = apply(op, lhs, rhs);
            Some((PointValue::Float(value), holds))
        }
        (Point::Float(factor), Point::Histogram(histogram)) if op == BinaryOp::Mul => changed(histogram, |h| h.mul(factor)),
        (Point::Histogram(histogram), Point::Float(rhs)) => match op {
            BinaryOp::Mul => changed(histogram, |h| h.mul(rhs)),
            BinaryOp::Div => changed(histogram, |h| h.div(rhs)),
            BinaryOp::TrimUpper => changed(histogram, |h| h.trim_above(rhs)),
            BinaryOp::TrimLower => changed(histogram, |h| h.trim_below(rhs)),
            _ => None,
        },
        (Point::Histogram(one), Point::Histogram(other)) => match op {
            BinaryOp::Eql => Some((PointValue::Histogram(one.clone()), one.equals(other))),
            BinaryOp::Neq => Some((PointValue::Histogram(one.clone()), !one.equals(other))),
            BinaryOp::Add | BinaryOp::Sub => return joined(op, one, other, step, remarks),
            _ => None,
        },
        _ => None,
    };
    if found.is_none() {
        remarks.note(step, Annotation::IncompatibleTypes { lhs: kind(lhs), operator: op.as_str(), rhs: kind(rhs) });
    }
    found
}

const fn kind(point: Point<'_>) -> SampleKind {
    match point {
        Point::Float(_) => SampleKind::Float,
        Point::Histogram(_) => SampleKind::Histogram,
    }
}

fn changed(histogram: &Histogram, change: impl FnOnce(&mut Histogram)) -> Option<(PointValue, bool)> {
    let mut changed = histogram.clone();
    change(&mut changed);
    changed.compact();
    Some((histogram_value(changed), true))
}

/// The sum or the difference of two histograms.
fn joined(op: BinaryOp, one: &Histogram, other: &Histogram, step: usize, remarks: &mut OperandRemarks) -> Option<(PointValue, bool)> {
    let mut result = one.clone();
    let (operation, joined) = if op == BinaryOp::Sub {
        let joined = result.sub(other);
        result.hint = ResetHint::Gauge;
        (Operation::Subtraction, joined)
    } else {
        (Operation::Addition, result.add(other))
    };
    match joined {
        Ok(Joined { resets_collide, bounds_reconciled }) => {
            if bounds_reconciled {
                remarks.note(step, Annotation::ReconciledBounds { operation });
            }
            if resets_collide {
                remarks.note(step, Annotation::ResetCollision { operation });
            }
        }
        Err(MixedSchemas) => {
            remarks.note(step, Annotation::IncompatibleBuckets { operator: op.as_str() });
            return None;
        }
    }
    result.compact();
    Some((histogram_value(result), true))
}

/// A vector with histograms and a scalar, or operands of an operator that has a meaning for histograms alone.
pub(super) fn points_with_scalar(
    op: BinaryOp,
    vector: &Batch,
    scalar: &[f64],
    side: ScalarSide,
    return_bool: bool,
    remarks: &mut OperandRemarks,
) -> Batch {
    let mut out = Batch::new(vector.steps());
    for row in 0..vector.len() {
        let values = vector.values(row);
        remarks.turn = (false, row);
        out.push_with(vector.key(row).clone(), |target| {
            for step in bits::ones(vector.present(row)) {
                let (point, scalar) = (values.point(step), Point::Float(scalar[step]));
                let (lhs, rhs) = if side == ScalarSide::Left { (scalar, point) } else { (point, scalar) };
                match apply_points(op, lhs, rhs, step, remarks) {
                    None => {}
                    Some((_, holds)) if return_bool => target.set(step, truth(holds)),
                    Some((_, false)) => {}
                    // A comparison keeps the vector's value on whichever side it stands.
                    Some(_) if op.is_comparison() => target.set_point(step, point),
                    Some((value, true)) => target.set_value(step, value),
                }
            }
        });
    }
    out
}
