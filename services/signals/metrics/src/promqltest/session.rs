//! Asks the queries of a script.

use super::compare;
use super::pinned::{looks_at_range, pin};
use super::script::{Eval, Load, Text, Times};
use super::store::Store;
use crate::query::engine::{Cancel, EvalError, Evaluation, Options, QueryResult, ResultValue, plan};
use crate::query::promql::ast::{Expr, ValueType};
use crate::query::promql::parse;

/// The state between commands.
#[derive(Debug, Default)]
pub(super) struct Session {
    store: Store,
}

/// Why a query has no answer.
enum Refused {
    /// An error that a script can expect.
    Error(String),
    /// Something that is missing here.
    Missing(String),
}

impl Refused {
    fn into_text(self) -> String {
        match self {
            Self::Error(text) | Self::Missing(text) => text,
        }
    }
}

impl Session {
    /// Forgets all series.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds series.
    pub(super) fn load(&mut self, load: &Load) {
        self.store.load(load);
    }

    /// Asks a query in all ways and compares the answers.
    pub(super) fn check(&self, eval: &Eval) -> Result<(), String> {
        let expr = match parse(&eval.query) {
            Ok(expr) => expr,
            Err(err) => return refused(eval, Refused::Error(err.to_string())),
        };
        let evaluation = match eval.times {
            Times::Instant(at_ms) => Evaluation::Instant { at_ms },
            Times::Range(range) => Evaluation::Range { start_ms: range.from, end_ms: range.to, step_ms: range.step },
        };
        let result = match self.ask(&expr, evaluation) {
            Ok(result) => result,
            Err(err) => return refused(eval, err),
        };
        if eval.expected.fail.is_some() {
            return Err("expected an error".to_owned());
        }
        compare::annotations(&eval.expected, &result, &eval.query)?;
        compare::value(eval, &result.value)?;
        match eval.times {
            Times::Instant(at) => {
                self.check_pinned(eval, &expr, at)?;
                self.check_step(eval, &expr, at)
            }
            Times::Range(_) => Ok(()),
        }
    }

    /// Asks at other times for the same time.
    fn check_pinned(&self, eval: &Eval, expr: &Expr, at: i64) -> Result<(), String> {
        let Some(pinned) = pin(expr, at) else { return Ok(()) };
        let times = if at == 0 { vec![-1_000, 0, 1_000] } else { vec![-10 * at, 0, at / 5, at, 10 * at] };
        for time in times {
            let within = |reason: String| format!("pinned by @ and asked at {time} ms: {reason}");
            let result = self.ask(&pinned, Evaluation::Instant { at_ms: time }).map_err(|err| within(err.into_text()))?;
            compare::annotations(&eval.expected, &result, &eval.query).map_err(within)?;
            compare::value(eval, &result.value).map_err(within)?;
        }
        Ok(())
    }

    /// Asks for the minutes before and after as well.
    fn check_step(&self, eval: &Eval, expr: &Expr, at: i64) -> Result<(), String> {
        let expected = &eval.expected;
        if expected.range_vector.is_some() || expected.string.is_some() || looks_at_range(expr) {
            return Ok(());
        }
        let within = |reason: String| format!("as a step of a range: {reason}");
        let evaluation = Evaluation::Range { start_ms: at - 60_000, end_ms: at + 60_000, step_ms: 60_000 };
        let result = self.ask(expr, evaluation).map_err(|err| within(err.into_text()))?;
        if expected.ordered {
            // A range has no other order than that of labels.
            return Ok(());
        }
        let ResultValue::Matrix(found) = result.value else { return Err(within("no matrix".to_owned())) };
        compare::step(eval, &found, at, expr.value_type() == ValueType::Scalar).map_err(within)
    }

    fn ask(&self, expr: &Expr, evaluation: Evaluation) -> Result<QueryResult, Refused> {
        let refuse = |err: EvalError| match err {
            EvalError::NotImplemented { .. } => Refused::Missing(err.to_string()),
            other => Refused::Error(other.to_string()),
        };
        let plan = plan(expr, evaluation, &Options { max_samples: 10_000, delayed_names: true, ..Options::default() }).map_err(refuse)?;
        let series = plan.selectors.iter().map(|request| self.store.select(request)).collect::<Result<Vec<_>, _>>();
        let (series, starts): (Vec<_>, Vec<_>) = series.map_err(Refused::Missing)?.into_iter().unzip();
        plan.evaluate_started(&series, &starts, &Cancel::default()).map_err(refuse)
    }
}

/// Compares an error with what is expected.
fn refused(eval: &Eval, err: Refused) -> Result<(), String> {
    match (&eval.expected.fail, err) {
        (Some(Text::Any), Refused::Error(_)) => Ok(()),
        (Some(expected), Refused::Error(text)) if expected.matches(&text) => Ok(()),
        (_, err) => Err(format!("error: {}", err.into_text())),
    }
}
