//! Histograms of which only count and sum are looked at: `histogram_count`, `histogram_sum` and `histogram_avg` of a selector, whatever
//! stands between them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::histogram::{Histogram, HistogramSample, ResetHint};
use crate::query::promql::ast::Expr;
use crate::query::promql::functions::FunctionId;

/// What the surroundings of a selector look at in its histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    /// Nothing is known.
    Anything,
    /// Counts and sums.
    Counts,
    /// Buckets, and nothing further in changes that.
    Buckets,
}

impl Looks {
    /// The same within an expression.
    pub(crate) fn within(self, expr: &Expr) -> Self {
        use FunctionId as F;
        match expr {
            _ if self == Self::Buckets => self,
            // Its samples are not neighbours in what is stored, so that resets have to be found anew.
            Expr::Subquery(_) => Self::Buckets,
            Expr::Binary(binary) if binary.op.is_trim() => Self::Buckets,
            Expr::Call(call) => match call.func.id {
                F::HistogramQuantile | F::HistogramQuantiles | F::HistogramFraction => Self::Buckets,
                F::HistogramCount | F::HistogramSum | F::HistogramAvg => Self::Counts,
                _ => self,
            },
            _ => self,
        }
    }
}

/// The samples without their buckets where `counts_only` says so. Since nobody can find resets without buckets, each sample then tells
/// whether there was one: markers do not count as a sample before it.
pub(crate) fn counted(samples: &[HistogramSample], counts_only: bool) -> Cow<'_, [HistogramSample]> {
    if !counts_only || samples.is_empty() {
        return Cow::Borrowed(samples);
    }
    let mut before: Option<&Histogram> = None;
    let counted = samples.iter().map(|sample| {
        let histogram = &sample.h;
        let hint = if histogram.is_stale() { histogram.hint } else { known_hint(histogram, before.replace(histogram)) };
        let Histogram { schema, integer, count, sum, .. } = **histogram;
        HistogramSample { t: sample.t, h: Arc::new(Histogram { hint, schema, integer, count, sum, ..Histogram::default() }) }
    });
    Cow::Owned(counted.collect())
}

fn known_hint(histogram: &Histogram, before: Option<&Histogram>) -> ResetHint {
    match before {
        Some(before) if histogram.hint == ResetHint::Unknown => {
            if histogram.is_reset_after(before) {
                ResetHint::Reset
            } else {
                ResetHint::NotReset
            }
        }
        _ => histogram.hint,
    }
}
