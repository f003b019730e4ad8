//! Operators between numbers, and between a vector and a scalar.

mod points;

pub(crate) use self::points::{OperandRemarks, apply_points};

use super::batch::{Batch, RowEdit};
use super::bits;
use crate::query::promql::ast::BinaryOp;

/// On which side of the operator the scalar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarSide {
    /// `scalar + vector`
    Left,
    /// `vector + scalar`
    Right,
}

/// What an operator makes of two numbers: a comparison says whether it holds and keeps the left number.
pub(crate) fn apply(op: BinaryOp, lhs: f64, rhs: f64) -> (f64, bool) {
    match op {
        BinaryOp::Add => (lhs + rhs, true),
        BinaryOp::Sub => (lhs - rhs, true),
        BinaryOp::Mul => (lhs * rhs, true),
        BinaryOp::Div => (lhs / rhs, true),
        BinaryOp::Mod => (lhs % rhs, true),
        BinaryOp::Pow => (lhs.powf(rhs), true),
        BinaryOp::Atan2 => (lhs.atan2(rhs), true),
        BinaryOp::Eql => (lhs, lhs == rhs),
        BinaryOp::Neq => (lhs, lhs != rhs),
        BinaryOp::Gtr => (lhs, lhs > rhs),
        BinaryOp::Lss => (lhs, lhs < rhs),
        BinaryOp::Gte => (lhs, lhs >= rhs),
        BinaryOp::Lte => (lhs, lhs <= rhs),
        BinaryOp::TrimUpper | BinaryOp::TrimLower | BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
            unreachable!("{op} does not work on numbers")
        }
    }
}

/// 1 for true.
pub(crate) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Two scalars.
pub(crate) fn scalars(op: BinaryOp, lhs: &[f64], rhs: &[f64]) -> Vec<f64> {
    let pairs = lhs.iter().zip(rhs).map(|(lhs, rhs)| apply(op, *lhs, *rhs));
    if op.is_comparison() { pairs.map(|(_, holds)| truth(holds)).collect() } else { pairs.map(|(value, _)| value).collect() }
}

/// A vector and a scalar. A comparison keeps the vector's samples that meet it, or with `return_bool` says of each whether it does.
pub(crate) fn with_scalar(
    op: BinaryOp,
    mut vector: Batch,
    scalar: &[f64],
    side: ScalarSide,
    return_bool: bool,
    remarks: &mut OperandRemarks,
) -> Batch {
    if vector.has_histograms() || op.is_trim() {
        vector = points::points_with_scalar(op, &vector, scalar, side, return_bool, remarks);
        if op.is_arithmetic() || return_bool {
            vector.keys_mut().iter_mut().for_each(|key| key.drop_name = true);
        }
        return vector;
    }
    let filters = op.is_comparison() && !return_bool;
    for row in 0..vector.len() {
        let RowEdit { from, values, present } = vector.row_mut(row);
        for (place, (value, scalar)) in values.iter_mut().zip(&scalar[from..]).enumerate() {
            let (result, holds) = match side {
                ScalarSide::Left => apply(op, *scalar, *value),
                ScalarSide::Right => apply(op, *value, *scalar),
            };
            if return_bool {
                *value = truth(holds);
            } else if !filters {
                *value = result;
            } else if !holds {
                bits::clear(present, from + place);
            }
        }
    }
    if filters {
        return vector.without_empty_rows();
    }
    vector.keys_mut().iter_mut().for_each(|key| key.drop_name = true);
    vector
}
