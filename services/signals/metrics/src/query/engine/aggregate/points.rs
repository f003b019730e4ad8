//! `sum` and `avg` of groups that have histograms.

use super::Accumulator;
use crate::histogram::{Joined, MixedSchemas};
use crate::query::engine::annotations::{Annotation, Operation};
use crate::query::engine::batch::{Batch, Point, RowMut};
use crate::query::engine::kernels::histogram_value;
use crate::query::engine::totals::{Total, TotalKind};

/// What a group has at one step.
enum State<A> {
    Nothing,
    Floats(A),
    Histograms(Total),
    /// Both kinds: they have no sum.
    Mixed,
}

/// Writes the sum or the mean of some rows at each step.
pub(super) fn total_of_points<A: Accumulator>(
    kind: TotalKind,
    input: &Batch,
    rows: &[usize],
    target: &mut RowMut<'_>,
    remarks: &mut Vec<Annotation>,
) {
    let mut note = |annotation: Annotation| {
        if !remarks.contains(&annotation) {
            remarks.push(annotation);
        }
    };
    for step in 0..input.steps() {
        let state = match state_at::<A>(kind, input, rows, step) {
            Ok(state) => state,
            Err(row) => {
                let metric = input.key(row).labels.metric_name().unwrap_or_default().to_owned();
                note(Annotation::MixedBuckets { metric });
                continue;
            }
        };
        match state {
            State::Nothing => {}
            State::Floats(floats) => target.set(step, floats.finish()),
            State::Mixed => note(Annotation::MixedAggregation),
            State::Histograms(total) => {
                let Joined { resets_collide, bounds_reconciled } = total.joined();
                if resets_collide {
                    note(Annotation::ResetCollision { operation: Operation::Aggregation });
                }
                if bounds_reconciled {
                    note(Annotation::ReconciledBounds { operation: Operation::Aggregation });
                }
                let mut total = total.finish();
                total.compact();
                target.set_value(step, histogram_value(total));
            }
        }
    }
}

/// What the rows have at a step; on an error the row whose histogram does not go with the others.
fn state_at<A: Accumulator>(kind: TotalKind, input: &Batch, rows: &[usize], step: usize) -> Result<State<A>, usize> {
    let mut state = State::<A>::Nothing;
    for row in rows {
        let Some(point) = input.point(*row, step) else { continue };
        state = match (state, point) {
            (State::Nothing, Point::Float(value)) => State::Floats(A::start(value)),
            (State::Nothing, Point::Histogram(histogram)) => State::Histograms(Total::new(kind, histogram)),
            (State::Floats(mut floats), Point::Float(value)) => {
                floats.add(value);
                State::Floats(floats)
            }
            (State::Histograms(mut total), Point::Histogram(histogram)) => {
                total.add(histogram).map_err(|MixedSchemas| *row)?;
                State::Histograms(total)
            }
            _ => State::Mixed,
        };
    }
    Ok(state)
}
