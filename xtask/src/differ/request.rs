//! Random requests: mostly queries, sometimes the other endpoints, sometimes wrong ones.

use super::data::{BEGIN, LENGTH};
use super::grammar::{Expr, Grammar};
use crate::http::encode;
use crate::random::Random;

/// A request that both servers are sent.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Behind `/api/v1/`.
    pub(super) endpoint: &'static str,
    /// Of the parameter `query`; another endpoint may have none.
    pub(super) query: Option<String>,
    /// The expression behind it, unless it was broken on purpose.
    pub(super) expr: Option<Expr>,
    /// All other parameters.
    pub(super) params: Vec<(&'static str, String)>,
}

impl Ask {
    /// Path and query.
    pub(super) fn path(&self) -> String {
        let query = self.query.iter().map(|query| ("query", query.clone()));
        let params: Vec<String> =
            query.chain(self.params.iter().cloned()).map(|(name, value)| format!("{}={}", encode(name), encode(&value))).collect();
        format!("/api/v1/{}?{}", self.endpoint, params.join("&"))
    }

    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        let params: Vec<String> = self.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {}", self.endpoint, self.query.as_deref().unwrap_or_default(), params.join(" "))
    }

    /// The same request with another expression.
    pub(super) fn with(&self, expr: &Expr) -> Self {
        Self { query: Some(expr.text()), expr: Some(expr.clone()), ..self.clone() }
    }
}

/// The request of a number.
pub(super) fn random(random: &mut Random) -> Ask {
    match random.below(100) {
        0..=4 => list(random),
        5..=7 => {
            let endpoint = random.pick(&["format_query", "parse_query"]);
            let expr = Grammar { random }.query();
            broken(random, Ask { endpoint, query: Some(expr.text()), expr: Some(expr), params: Vec::new() }, 30)
        }
        8 => {
            let expr = Grammar { random }.query();
            let params = vec![("start", seconds(BEGIN)), ("end", seconds(BEGIN + random.between(0, LENGTH)))];
            Ask { endpoint: "query_exemplars", query: Some(expr.text()), expr: Some(expr), params }
        }
        9..=55 => {
            let expr = Grammar { random }.query();
            let mut params = Vec::new();
            params.push(("time", moment(random)));
            extra(random, &mut params);
            broken(random, Ask { endpoint: "query", query: Some(expr.text()), expr: Some(expr), params }, 5)
        }
        _ => {
            let expr = Grammar { random }.query();
            let step = random.pick(&[1_000, 5_000, 7_500, 15_000, 30_000, 60_000, 97_000, 300_000, 600_000, 1]);
            let start = (BEGIN + random.between(-600_000, LENGTH)) / step.max(1_000) * step.max(1_000) + random.pick(&[0, 0, 1, 333]);
            let end = start + step * random.between(0, 40) + random.pick(&[0, 0, 17]);
            let mut params = vec![("start", seconds(start)), ("end", seconds(end)), ("step", format!("{}", step as f64 / 1000.0))];
            if random.percent(3) {
                let at = random.below(3);
                params[at].1 = random.pick(&["", "abc", "0", "-1", "1e20", "5m", "NaN", "2026-01-15T11:00:00Z", "1.5.2"]).to_owned();
            }
            extra(random, &mut params);
            broken(random, Ask { endpoint: "query_range", query: Some(expr.text()), expr: Some(expr), params }, 3)
        }
    }
}

fn extra(random: &mut Random, params: &mut Vec<(&'static str, String)>) {
    if random.percent(3) {
        params.push(("limit", random.pick(&["0", "1", "3", "-1", "x"]).to_owned()));
    }
    if random.percent(3) {
        params.push(("lookback_delta", random.pick(&["1m", "15s", "10m", "30", "0", "-1m", "x"]).to_owned()));
    }
    if random.percent(1) {
        params.push(("timeout", random.pick(&["1m", "30", "x", "-1s"]).to_owned()));
    }
}

/// A list of series, names of labels or values.
fn list(random: &mut Random) -> Ask {
    let endpoint = random.pick(&[
        "series",
        "labels",
        "label/job/values",
        "label/__name__/values",
        "label/instance/values",
        "label/missing/values",
        "label/U__label_2e_with_2e_dots/values",
    ]);
    let mut params = Vec::new();
    while random.percent(60) || (endpoint == "series" && params.is_empty() && random.percent(95)) {
        let selector = Grammar { random }.selector(&["up", "requests_total", "queue", "flaky", "late_total", "native"]);
        params.push(("match[]", selector.text()));
    }
    if random.percent(70) {
        let start = BEGIN + random.between(-600_000, LENGTH);
        params.push(("start", seconds(start)));
        if random.percent(80) {
            params.push(("end", seconds(start + random.between(-60_000, LENGTH))));
        }
    }
    if random.percent(5) {
        params.push(("limit", random.pick(&["0", "-1", "x", "1000"]).to_owned()));
    }
    Ask { endpoint, query: None, expr: None, params }
}

fn seconds(ms: i64) -> String {
    format!("{}", ms as f64 / 1000.0)
}

/// A moment in one of the ways to write it, rarely no moment.
fn moment(random: &mut Random) -> String {
    let at = BEGIN + random.between(-300_000, LENGTH + 400_000);
    match random.below(40) {
        0 => random
            .pick(&[
                "abc",
                "",
                "1e400",
                "2026-01-15",
                "2026-01-15T11:30:00+01:00",
                "2026-01-15T11:00:00.123Z",
                "NaN",
                "0x10",
                "1768474800.",
            ])
            .to_owned(),
        1..=15 => seconds(at / 15_000 * 15_000),
        _ => seconds(at),
    }
}

/// Breaks the text of the query so many times of a hundred.
fn broken(random: &mut Random, ask: Ask, chance: usize) -> Ask {
    if !random.percent(chance) {
        return ask;
    }
    let mut chars: Vec<char> = ask.query.clone().unwrap_or_default().chars().collect();
    for _ in 0..=random.below(2) {
        let at = random.below(chars.len().max(1));
        match random.below(3) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => {
                let piece = random.pick(&[
                    "(",
                    ")",
                    "{",
                    "}",
                    "[",
                    "]",
                    ",",
                    " by ",
                    " bool ",
                    "\"",
                    "'",
                    "5m",
                    " offset ",
                    " @ ",
                    "=",
                    "=~",
                    "!",
                    "#",
                    "$",
                    "é",
                    " and ",
                    " on ",
                    "0x",
                    "-",
                    ":",
                    ".",
                    "1",
                    " group_left ",
                ]);
                chars.splice(at..at, piece.chars());
            }
            _ => {
                let end = (at + random.below(6)).min(chars.len());
                chars.drain(at.min(end)..end);
            }
        }
    }
    Ask { query: Some(chars.into_iter().collect()), expr: None, ..ask }
}
