//! Aggregations that pass some of their input on: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use xxhash_rust::xxh64::xxh64;

use super::annotations::Annotation;
use super::batch::Batch;
use super::grouping::{Groups, Selection, members};
use super::numbers;
use super::plan::AggregateNode;
use super::{EvalError, bits};
use crate::model::Labels;
use crate::query::promql::ast::AggregateOp;

/// The bounds of Go's int64 as floats.
const MIN_COUNT: f64 = i64::MIN as f64;
const MAX_COUNT: f64 = i64::MAX as f64;

/// `topk`, `bottomk` and `limitk` with so many series per group at each step. `ordered` asks for the rows in the order of their
/// values; there is one step then.
pub(crate) fn by_count(node: &AggregateNode, counts: &[f64], input: &Batch, ordered: bool) -> Result<Batch, EvalError> {
    check_counts(counts)?;
    let mut groups = Groups::new(Selection::new(!node.without, &node.grouping));
    let members = members(&mut groups, input.keys().iter().map(|key| &key.labels));
    let words = bits::words(input.steps());
    let mut chosen = vec![0_u64; input.len() * words];
    let mut order = Vec::new();
    for (step, count) in counts.iter().enumerate() {
        let count = numbers::to_index(count.max(0.0)).min(input.len());
        if count == 0 {
            continue;
        }
        for rows in &members {
            for row in choose(node.op, rows, step, count, input) {
                bits::set(&mut chosen[row * words..(row + 1) * words], step);
                order.push(row);
            }
        }
    }
    if ordered {
        return Ok(input.reordered(order));
    }
    Ok(with_bits(input, &chosen, words))
}

/// Series of one group at one step.
fn choose(op: AggregateOp, rows: &[usize], step: usize, count: usize, input: &Batch) -> Vec<usize> {
    if op == AggregateOp::Limitk {
        return rows.iter().copied().filter(|row| bits::get(input.present(*row), step)).take(count).collect();
    }
    let present = rows.iter().filter_map(|row| input.get(*row, step).map(|value| (*row, value)));
    let sign = if op == AggregateOp::Topk { 1.0 } else { -1.0 };
    let mut heap = Heap { items: Vec::with_capacity(count.min(rows.len())) };
    for (row, value) in present {
        heap.offer((row, value * sign), count);
    }
    heap.into_descending()
}

/// The greatest values met so far, the smallest of them in front. Which of equal values stay depends on the heap's moves, so they
/// are those of Go's `container/heap`.
struct Heap {
    items: Vec<(usize, f64)>,
}

impl Heap {
    fn offer(&mut self, item: (usize, f64), limit: usize) {
        if self.items.len() < limit {
            self.items.push(item);
            self.up(self.items.len() - 1);
        } else if self.items[0].1 < item.1 || (self.items[0].1.is_nan() && !item.1.is_nan()) {
            self.items[0] = item;
            self.down(0);
        }
    }

    fn less(&self, one: usize, other: usize) -> bool {
        self.items[one].1.is_nan() || self.items[one].1 < self.items[other].1
    }

    fn up(&mut self, mut child: usize) {
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.less(child, parent) {
                break;
            }
            self.items.swap(parent, child);
            child = parent;
        }
    }

    fn down(&mut self, mut parent: usize) {
        loop {
            let left = 2 * parent + 1;
            if left >= self.items.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.items.len() && self.less(right, left) { right } else { left };
            if !self.less(child, parent) {
                break;
            }
            self.items.swap(parent, child);
            parent = child;
        }
    }

    /// The rows, the greatest value first, NaN last.
    fn into_descending(mut self) -> Vec<usize> {
        self.items.sort_by(|one, other| numbers::nan_first(other.1, one.1));
        self.items.into_iter().map(|(row, _)| row).collect()
    }
}

fn check_counts(counts: &[f64]) -> Result<(), EvalError> {
    if counts.iter().any(|count| count.is_nan()) {
        return Err(EvalError::ParameterIsNan);
    }
    let greatest = counts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = counts.iter().copied().fold(f64::INFINITY, f64::min);
    if greatest < 1.0 {
        return Ok(());
    }
    if smallest <= MIN_COUNT {
        return Err(EvalError::Underflow { value: numbers::general(smallest, None) });
    }
    if greatest >= MAX_COUNT {
        return Err(EvalError::Overflow { value: numbers::general(greatest, None) });
    }
    Ok(())
}

/// Remarks about ratios that are not between -1 and 1.
pub(crate) fn check_ratios(ratios: &[f64]) -> Result<Vec<Annotation>, EvalError> {
    if ratios.iter().any(|ratio| ratio.is_nan()) {
        return Err(EvalError::RatioIsNan);
    }
    let greatest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let above = (greatest > 1.0).then_some(Annotation::InvalidRatio { ratio: greatest, capped: 1.0 });
    let below = (smallest < -1.0).then_some(Annotation::InvalidRatio { ratio: smallest, capped: -1.0 });
    Ok(above.into_iter().chain(below).collect())
}

/// `limit_ratio`: whether a series stays depends on a hash of its labels alone.
pub(crate) fn by_ratio(ratios: &[f64], input: &Batch) -> Batch {
    let words = bits::words(input.steps());
    let mut chosen = vec![0_u64; input.len() * words];
    for row in 0..input.len() {
        let place = ratio_place(&input.key(row).labels);
        for step in bits::ones(input.present(row)) {
            let ratio = ratios[step].clamp(-1.0, 1.0);
            if (ratio > 0.0 && place < ratio) || (ratio < 0.0 && place >= 1.0 + ratio) {
                bits::set(&mut chosen[row * words..(row + 1) * words], step);
            }
        }
    }
    with_bits(input, &chosen, words)
}

/// The place of a series between 0 and 1 by its hash in Prometheus: XXH64 over names and values, each after its length in one byte
/// or, from 255 on, in 255 and three bytes of little endian.
#[expect(clippy::cast_precision_loss, reason = "the original rounds the hash the same way")]
fn ratio_place(labels: &Labels) -> f64 {
    let mut bytes = Vec::with_capacity(labels.heap_bytes());
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(length) if length < u8::MAX => bytes.push(length),
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

/// The input with other bits.
fn with_bits(input: &Batch, chosen: &[u64], words: usize) -> Batch {
    let mut out = Batch::new(input.steps());
    for row in 0..input.len() {
        out.push_copy(input.key(row).clone(), input.values(row), &chosen[row * words..(row + 1) * words]);
    }
    out
}
