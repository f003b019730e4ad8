use proptest::prelude::*;

use super::bare;
use super::generate::{any_expr, soup};
use crate::query::promql::ast::Expr;
use crate::query::promql::{parse, parse_selector};

/// The expression read again from what it stands for in `query`, and all those below it.
fn spans_are_right(query: &str, expr: &Expr) -> Result<(), TestCaseError> {
    let text = expr.span().of(query);
    let again = parse(text).map_err(|err| TestCaseError::fail(format!("{text:?} of {query:?}: {err}")))?;
    prop_assert_eq!(bare(again), bare(expr.clone()), "{} of {}", text, query);
    // `info`'s selection may stand only there.
    let children = expr.children();
    let below = match expr {
        Expr::Call(call) if call.func.name == "info" => &children[..1],
        _ => &children[..],
    };
    below.iter().try_for_each(|child| spans_are_right(query, child))
}

proptest! {
    #[test]
    fn what_is_printed_is_read(expr in any_expr()) {
        for text in [expr.to_string(), expr.pretty()] {
            let again = parse(&text).map_err(|err| TestCaseError::fail(format!("{text}: {err}")))?;
            prop_assert_eq!(again.to_string(), expr.to_string());
            spans_are_right(&text, &again)?;
            prop_assert_eq!(bare(again), bare(expr.clone()), "{}", text);
        }
        prop_assert!(expr.to_json().is_object());
    }

    #[test]
    fn whatever_is_read_is_printed_and_read_again(query in soup()) {
        if let Ok(expr) = parse(&query) {
            spans_are_right(&query, &expr)?;
            let again = parse(&expr.pretty()).map_err(|err| TestCaseError::fail(format!("{query}: {err}")))?;
            prop_assert_eq!(bare(again), bare(expr));
        }
        let _ = parse_selector(&query);
    }

    #[test]
    fn nothing_panics(query in ".{0,40}") {
        let _ = (parse(&query), parse_selector(&query));
    }
}
