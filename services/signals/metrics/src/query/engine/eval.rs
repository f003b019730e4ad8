//! Walks a plan and evaluates each of its nodes at all steps.

use std::sync::Arc;

use super::annotations::{Annotation, Annotations};
use super::batch::{Batch, Column, SeriesKey, Steps};
use super::binary::{OperandRemarks, ScalarSide};
use super::grouping::{have_one_name, is_reserved};
use super::plan::{AggregateNode, BinaryNode, CallNode, Kind, Node, Timed};
use super::select::Pick;
use super::starts::Starts;
use super::usage::Counting;
use super::{Cancel, EvalError, aggregate, binary, bits, info, instant, labels, matching, range, topk};
use crate::merge::SeriesSamples;
use crate::model::Labels;
use crate::query::promql::ast::AggregateOp;
use crate::query::promql::functions::FunctionId;

/// What a node evaluates to.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// One number for each step.
    Scalar(Vec<f64>),
    /// An instant vector for each step.
    Vector(Batch),
    /// A text; not always UTF-8.
    Text(Vec<u8>),
}

impl Value {
    /// The numbers of a scalar.
    pub(crate) fn into_scalar(self) -> Vec<f64> {
        match self {
            Self::Scalar(values) => values,
            other => unreachable!("the parser lets only scalars stand here: {other:?}"),
        }
    }

    /// The series of a vector.
    pub(crate) fn into_vector(self) -> Batch {
        match self {
            Self::Vector(batch) => batch,
            other => unreachable!("the parser lets only instant vectors stand here: {other:?}"),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(batch) => batch.weight(),
            Self::Text(_) => 0,
        }
    }
}

/// What becomes of names that a node drops, where they do not wait for the end of the whole expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// They go.
    Gone,
    /// They may stay, marked as dropped, where nobody would find two series with equal labels without them: who asks for the value does not
    /// look at them, and labels need not be built anew.
    MayStay,
}

/// The state of one evaluation.
#[derive(Debug)]
pub(crate) struct Evaluator<'a> {
    /// The series of each request of the plan.
    pub(crate) data: &'a [Vec<SeriesSamples>],
    /// The start timestamps of each request's series, or nothing.
    pub(crate) starts: &'a [Vec<Starts>],
    /// The parts of the plan that were evaluated elsewhere.
    pub(super) elsewhere: Vec<Batch>,
    /// How old a sample may be, ms.
    pub(crate) lookback: i64,
    /// Whether the query is one over a range, as opposed to one at a single time.
    pub(crate) is_range: bool,
    /// Whether there are several steps where the evaluation is, or the end of a range is no step.
    pub(super) several: bool,
    /// What is to be remarked.
    pub(crate) annotations: Annotations,
    /// The most samples to hold at once.
    pub(crate) max_samples: usize,
    /// The most steps at which a node may be evaluated.
    pub(crate) max_steps: usize,
    /// Whether names go at the very end: [`super::Options::delayed_names`].
    pub(super) delayed_names: bool,
    /// Samples held now.
    pub(crate) held: usize,
    /// What is counted.
    pub(super) counting: Counting,
    /// Says when to stop.
    pub(crate) cancel: &'a Cancel,
}

impl<'a> Evaluator<'a> {
    /// The value of a node at all steps.
    pub(crate) fn eval(&mut self, node: &Node, steps: Steps) -> Result<Value, EvalError> {
        self.eval_as(node, steps, Names::Gone)
    }

    fn eval_as(&mut self, node: &Node, steps: Steps, names: Names) -> Result<Value, EvalError> {
        self.cancel.check()?;
        if steps.count > self.max_steps {
            return Err(EvalError::TooManySamples);
        }
        let held = self.held;
        let several = self.several;
        self.several &= !node.invariant;
        let value = if node.invariant && steps.count > 1 {
            match self.eval_kind(node, Steps { count: 1, ..steps }, names)? {
                Value::Scalar(values) => Value::Scalar(vec![values[0]; steps.count]),
                Value::Vector(batch) => {
                    self.check_limit(batch.len().saturating_mul(steps.count))?;
                    Value::Vector(batch.broadcast(steps.count))
                }
                text @ Value::Text(_) => text,
            }
        } else {
            self.eval_kind(node, steps, names)?
        };
        self.several = several;
        // What the operands held is released now.
        self.held = held;
        self.check_limit(value.weight())?;
        self.held += value.weight();
        self.counting.holds(self.held);
        Ok(value)
    }

    /// The start timestamps of a request's series; empty where there are none.
    pub(crate) fn starts_of(&self, selector: usize) -> &'a [Starts] {
        self.starts.get(selector).map(Vec::as_slice).unwrap_or_default()
    }

    /// The value of a scalar node at all steps.
    pub(crate) fn scalar(&mut self, node: &Node, steps: Steps) -> Result<Vec<f64>, EvalError> {
        Ok(self.eval(node, steps)?.into_scalar())
    }

    /// The value of a vector node at all steps.
    pub(crate) fn vector(&mut self, node: &Node, steps: Steps) -> Result<Batch, EvalError> {
        Ok(self.eval(node, steps)?.into_vector())
    }

    /// Errors when so many more samples would be too many.
    pub(crate) fn check_limit(&self, more: usize) -> Result<(), EvalError> {
        if self.held.saturating_add(more) > self.max_samples { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// Remarks something about what stands at byte `at` of the query.
    pub(crate) fn annotate(&mut self, annotation: Annotation, at: usize) {
        self.annotations.add(annotation, at);
    }

    /// The name of a series in a remark of a function that drops names: nothing where it is gone already.
    pub(super) fn name_of<'l>(&self, labels: &'l Labels) -> &'l str {
        if self.delayed_names { labels.metric_name().unwrap_or_default() } else { "" }
    }

    /// Whether the order of series means something: at the single step of an instant query, not at those of its subqueries.
    const fn is_instant(&self, steps: Steps) -> bool {
        !self.is_range && steps.count == 1
    }

    /// The input of an aggregation, whose groups must not see names that were dropped.
    pub(super) fn aggregated(&mut self, node: &AggregateNode, steps: Steps) -> Result<Batch, EvalError> {
        // The share of a series that `limit_ratio` keeps is that of all its labels.
        let sees_names = node.op == AggregateOp::LimitRatio || node.grouping.iter().any(|label| is_reserved(label));
        let names = if sees_names { Names::Gone } else { Names::MayStay };
        Ok(self.eval_as(&node.expr, steps, names)?.into_vector())
    }

    /// The value of a node at some steps, without the names that it drops.
    fn eval_kind(&mut self, node: &Node, steps: Steps, names: Names) -> Result<Value, EvalError> {
        match self.eval_named(node, steps)? {
            Value::Vector(batch) if !self.delayed_names => Ok(Value::Vector(without_names(batch, names)?)),
            value => Ok(value),
        }
    }

    fn eval_named(&mut self, node: &Node, steps: Steps) -> Result<Value, EvalError> {
        match &node.kind {
            Kind::Number(value) => Ok(Value::Scalar(vec![*value; steps.count])),
            Kind::Text(text) => Ok(Value::Text(text.clone())),
            Kind::Select(select) => Ok(Value::Vector(self.select(select, node.at, steps, Pick::Value)?)),
            Kind::Range(_) => unreachable!("a range vector stands only as an argument or as the whole query"),
            Kind::Negate(inner) => Ok(negate(self.eval(inner, steps)?)),
            Kind::Binary(binary) => self.binary(binary, node.at, steps),
            Kind::Aggregate(aggregate) => Ok(Value::Vector(self.aggregate(aggregate, node.at, steps)?)),
            Kind::Call(call) => self.call(call, node, steps),
            Kind::Info(info) => Ok(Value::Vector(info::call(self, info, steps)?)),
            Kind::Elsewhere(part) => Ok(Value::Vector(self.elsewhere[*part].clone())),
        }
    }

    fn binary(&mut self, node: &BinaryNode, at: usize, steps: Steps) -> Result<Value, EvalError> {
        let lhs = self.eval(&node.lhs, steps)?;
        let rhs = self.eval(&node.rhs, steps)?;
        let mut remarks = OperandRemarks::default();
        let value = match (lhs, rhs) {
            (Value::Scalar(lhs), Value::Scalar(rhs)) => Value::Scalar(binary::scalars(node.op, &lhs, &rhs)),
            (Value::Vector(vector), Value::Scalar(scalar)) => {
                Value::Vector(binary::with_scalar(node.op, vector, &scalar, ScalarSide::Right, node.return_bool, &mut remarks))
            }
            (Value::Scalar(scalar), Value::Vector(vector)) => {
                Value::Vector(binary::with_scalar(node.op, vector, &scalar, ScalarSide::Left, node.return_bool, &mut remarks))
            }
            (Value::Vector(lhs), Value::Vector(rhs)) => {
                let matching = node.matching.as_ref().expect("the parser gives two vectors a matching");
                Value::Vector(if node.op.is_set() {
                    matching::set_operation(node.op, matching, lhs, &rhs)?
                } else {
                    matching::arithmetic(node.op, matching, node.return_bool, &lhs, &rhs, &mut remarks)?
                })
            }
            (lhs, rhs) => unreachable!("the parser refuses texts as operands: {lhs:?} {rhs:?}"),
        };
        remarks.into_annotations().into_iter().for_each(|annotation| self.annotate(annotation, at));
        Ok(value)
    }

    fn aggregate(&mut self, node: &AggregateNode, at: usize, steps: Steps) -> Result<Batch, EvalError> {
        let param = node.param.as_ref().map(|param| self.eval(param, steps)).transpose()?;
        let param_at = node.param.as_ref().map_or(at, |param| param.at);
        if let (AggregateOp::CountValues, Some(Value::Text(label))) = (node.op, &param) {
            aggregate::count_label(label)?;
        }
        let input = self.aggregated(node, steps)?;
        let input = self.only_floats(node, at, param.as_ref(), input);
        match (node.op, param) {
            (AggregateOp::CountValues, Some(Value::Text(label))) => {
                aggregate::count_values(node, aggregate::count_label(&label)?, &input, |values| self.check_limit(values / 2))
            }
            (AggregateOp::Quantile, Some(Value::Scalar(phis))) => {
                aggregate::check_phis(&phis).into_iter().for_each(|annotation| self.annotate(annotation, param_at));
                Ok(aggregate::quantile(node, &phis, &input))
            }
            (AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk, Some(Value::Scalar(counts))) => {
                topk::by_count(node, &counts, &input, self.is_instant(steps))
            }
            (AggregateOp::LimitRatio, Some(Value::Scalar(ratios))) => {
                topk::check_ratios(&ratios)?.into_iter().for_each(|annotation| self.annotate(annotation, param_at));
                Ok(topk::by_ratio(&ratios, &input))
            }
            (op, _) => {
                let mut remarks = Vec::new();
                let folded = aggregate::fold(op, node, &input, &mut remarks);
                let without_names = !self.delayed_names && input.keys().iter().any(|key| key.drop_name);
                for remark in remarks {
                    let remark = if without_names { remark.without_metric() } else { remark };
                    self.annotate(remark, node.expr.at);
                }
                Ok(folded)
            }
        }
    }

    /// The input of an aggregation without its histograms, where that has no meaning for them; that they were there is remarked.
    fn only_floats(&mut self, node: &AggregateNode, at: usize, param: Option<&Value>, input: Batch) -> Batch {
        use AggregateOp as Op;
        let remark_at = match node.op {
            _ if !input.has_histograms() => return input,
            Op::Max | Op::Min | Op::Quantile | Op::Stddev | Op::Stdvar => node.expr.at,
            Op::Topk | Op::Bottomk => at,
            Op::Avg | Op::Count | Op::CountValues | Op::Group | Op::LimitRatio | Op::Limitk | Op::Sum => return input,
        };
        // Who asks for no series at all learns nothing about them.
        let asks_for_some = match param {
            Some(Value::Scalar(counts)) if matches!(node.op, Op::Topk | Op::Bottomk) => counts.iter().any(|count| *count >= 1.0),
            _ => true,
        };
        if asks_for_some {
            self.annotate(Annotation::IgnoredInAggregation { aggregation: node.op }, remark_at);
        }
        input.without_histograms()
    }

    fn call(&mut self, call: &CallNode, node: &Node, steps: Steps) -> Result<Value, EvalError> {
        if let Some(position) = call.args.iter().position(|arg| matches!(arg.kind, Kind::Range(_))) {
            return Ok(Value::Vector(range::call(self, call, position, steps)?));
        }
        match call.function {
            FunctionId::LabelReplace => Ok(Value::Vector(labels::replace(self, call, steps)?)),
            FunctionId::LabelJoin => Ok(Value::Vector(labels::join(self, call, steps)?)),
            FunctionId::Sort | FunctionId::SortDesc | FunctionId::SortByLabel | FunctionId::SortByLabelDesc => {
                let mut input = self.vector(&call.args[0], steps)?;
                if matches!(call.function, FunctionId::Sort | FunctionId::SortDesc) {
                    input = input.without_histograms();
                }
                // A subquery is a range too; what is the same at all steps is sorted at one of them.
                if self.several {
                    self.annotate(Annotation::SortInRange, node.at);
                }
                if !self.is_instant(steps) {
                    return Ok(Value::Vector(input));
                }
                Ok(Value::Vector(labels::sort(call, &input)))
            }
            FunctionId::HistogramQuantile | FunctionId::HistogramQuantiles | FunctionId::HistogramFraction => {
                Ok(Value::Vector(super::buckets::call(self, call, steps)?))
            }
            _ => instant::call(self, call, steps),
        }
    }
}

/// How many samples lie at `time` or before, given that `from` do: steps a little by foot, then halves.
pub(crate) fn advance<S: Timed>(samples: &[S], from: usize, time: i64) -> usize {
    const BY_FOOT: usize = 8;
    let near = samples.len().min(from + BY_FOOT);
    for (index, sample) in samples[from..near].iter().enumerate() {
        if sample.time() > time {
            return from + index;
        }
    }
    near + samples[near..].partition_point(|sample| sample.time() <= time)
}

fn without_names(batch: Batch, names: Names) -> Result<Batch, EvalError> {
    if !batch.keys().iter().any(|key| key.drop_name) || (names == Names::MayStay && have_one_name(batch.keys())) {
        return Ok(batch);
    }
    super::result::named(batch)
}

fn negate(value: Value) -> Value {
    match value {
        Value::Scalar(mut values) => {
            values.iter_mut().for_each(|value| *value = -*value);
            Value::Scalar(values)
        }
        Value::Vector(mut batch) => {
            batch.all_values_mut().iter_mut().for_each(|value| *value = -*value);
            for histogram in batch.columns_mut().iter_mut().flat_map(Column::iter_mut) {
                Arc::make_mut(histogram).neg();
            }
            batch.keys_mut().iter_mut().for_each(|key| key.drop_name = true);
            Value::Vector(batch)
        }
        Value::Text(text) => Value::Text(text),
    }
}

/// The vector that has a value of 1 at the steps whose bit is not set.
pub(crate) fn absent(present: &[u64], labels: Labels, drop_name: bool, steps: usize) -> Batch {
    let mut out = Batch::new(steps);
    out.push_with(SeriesKey { labels, drop_name }, |row| {
        row.values.fill(1.0);
        row.present.copy_from_slice(&bits::all(steps));
        bits::subtract(row.present, present);
    });
    out
}
