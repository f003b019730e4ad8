//! Random expressions of PromQL. An expression knows its parts, so that one that shows a difference can be made smaller.

use super::data::{BEGIN, LENGTH};
use crate::random::Random;

/// An expression: texts and expressions in turn.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Inner(Expr),
}

impl Expr {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        self.parts
            .iter()
            .map(|part| if let Part::Text(text) = part { text.clone() } else { part.inner().map_or_else(String::new, Self::text) })
            .collect()
    }

    /// The expressions in it, those that stand directly in it first.
    pub(super) fn inner(&self) -> Vec<&Self> {
        self.parts.iter().filter_map(Part::inner).collect()
    }

    fn then(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    fn and(mut self, inner: Self) -> Self {
        self.parts.push(Part::Inner(inner));
        self
    }
}

impl Part {
    const fn inner(&self) -> Option<&Expr> {
        match self {
            Self::Inner(inner) => Some(inner),
            Self::Text(_) => None,
        }
    }
}

fn text(text: impl Into<String>) -> Expr {
    Expr { parts: vec![Part::Text(text.into())] }
}

const METRICS: [&str; 24] = [
    "requests_total",
    "requests_total",
    "cpu_seconds_total",
    "up",
    "temperature",
    "temperature",
    "queue",
    "queue",
    "flaky",
    "sparse",
    "special",
    "latency_bucket",
    "latency_count",
    "latency_sum",
    "build_info",
    "target_info",
    "odd_values",
    "job_limit",
    "started_seconds",
    "late_total",
    "single",
    "mixed",
    "native",
    "nothing_there",
];
const NATIVE: [&str; 7] = ["native", "native", "native_custom", "native_gauge", "mixed", "native", "latency_bucket"];
const LABELS: [&str; 12] = ["job", "instance", "code", "le", "room", "version", "region", "team", "__name__", "missing", "mode", "job"];
const VECTOR_FUNCTIONS: [&str; 41] = [
    "abs",
    "absent",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "exp",
    "floor",
    "histogram_avg",
    "histogram_count",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "hour",
    "ln",
    "log10",
    "log2",
    "minute",
    "month",
    "rad",
    "round",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_desc",
    "sqrt",
    "tan",
    "tanh",
    "timestamp",
    "year",
];
const RANGE_FUNCTIONS: [&str; 31] = [
    "absent_over_time",
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "rate",
    "increase",
    "rate",
    "sum_over_time",
    "avg_over_time",
    "delta",
    "irate",
];
const AGGREGATIONS: [&str; 10] = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "sum", "avg"];
const MATCHERS: [&str; 16] = [
    "job=\"api\"",
    "job!=\"api\"",
    "instance=~\"a.*|b:1\"",
    "instance!~\"a.*\"",
    "code=~\"2..|5..\"",
    "missing=\"\"",
    "missing!=\"\"",
    "zone!~\"x|\"",
    "job=~\".+\"",
    "instance=~\"[bc]:1\"",
    "le=\"+Inf\"",
    "le!=\"0.5\"",
    "job=\"db\"",
    "code!=\"\"",
    "instance=\"a:1\"",
    "job=~\"\"",
];
const DURATIONS: [&str; 16] = [
    "5m",
    "5m",
    "1m",
    "30s",
    "2m",
    "1h",
    "7m30s",
    "10m",
    "20m",
    "15s",
    "1m1ms",
    "step()*2",
    "2m+1m",
    "300",
    "range()/4+1m",
    "max_of(step(),1m)",
];

/// Makes expressions.
#[derive(Debug)]
pub(super) struct Grammar<'a> {
    pub(super) random: &'a mut Random,
}

impl Grammar<'_> {
    /// An expression of any type that a query may have, rarely one that it may not.
    pub(super) fn query(&mut self) -> Expr {
        let depth = 1 + self.random.below(4);
        match self.random.below(40) {
            0 | 1 => self.scalar(depth),
            2 => self.matrix(1),
            3 => text("\"a text\""),
            _ => self.vector(depth),
        }
    }

    /// A vector selector with its modifiers.
    pub(super) fn selector(&mut self, metrics: &[&str]) -> Expr {
        let bare = self.bare(metrics);
        let modifiers = self.modifiers();
        text(format!("{bare}{modifiers}"))
    }

    fn bare(&mut self, metrics: &[&str]) -> String {
        let metric = self.random.pick(metrics);
        let mut matchers: Vec<&str> = Vec::new();
        while self.random.percent(25) {
            matchers.push(self.random.pick(&MATCHERS));
        }
        match self.random.below(24) {
            0 => format!("{{__name__=~\"{}.*\"}}", &metric[..metric.len().min(5)]),
            1 => "{\"http.requests.ü\"}".to_owned(),
            2 => "{\"http.requests.ü\",\"label.with.dots\"!=\"plain\"}".to_owned(),
            3 => format!("{{{}}}", [&["instance=\"a:1\""], &matchers[..]].concat().join(",")),
            _ if matchers.is_empty() => metric.to_owned(),
            _ => format!("{metric}{{{}}}", matchers.join(",")),
        }
    }

    fn modifiers(&mut self) -> String {
        let mut out = String::new();
        if self.random.percent(10) {
            out = format!(" offset {}", self.random.pick(&["1m", "-90s", "5m", "(1m+30s)", "-1h", "step()", "17s", "-(2m)", "30m", "1ms"]));
        }
        if self.random.percent(8) {
            let at = BEGIN + self.random.between(-600_000, LENGTH + 600_000);
            let at = match self.random.below(4) {
                0 => "start()".to_owned(),
                1 => "end()".to_owned(),
                2 => format!("{}", at / 1000),
                _ => format!("{}", at as f64 / 1000.0),
            };
            if self.random.percent(50) { out.push_str(&format!(" @ {at}")) } else { out = format!(" @ {at}{out}") }
        }
        out
    }

    fn matrix(&mut self, depth: usize) -> Expr {
        self.matrix_of(depth, &METRICS)
    }

    fn matrix_of(&mut self, depth: usize, metrics: &[&str]) -> Expr {
        let duration = self.random.pick(&DURATIONS);
        if depth > 1 && self.random.percent(35) {
            let inner = self.vector(depth - 1);
            let step = self.random.pick(&["", "1m", "30s", "7s", "2m30s", "step()", "5m"]);
            let modifiers = self.modifiers();
            return text("(").and(inner).then(format!(")[{duration}:{step}]{modifiers}"));
        }
        let bare = self.bare(metrics);
        let extended = if self.random.percent(8) { self.random.pick(&[" anchored", " smoothed"]) } else { "" };
        let modifiers = self.modifiers();
        text(format!("{bare}[{duration}]{extended}{modifiers}"))
    }

    fn number(&mut self) -> String {
        self.random
            .pick(&["0", "1", "2", "0.5", "3", "-1", "10", "100", "0.9", "1e3", "NaN", "Inf", "-Inf", "5m", "0x1F", "0.25", "1.5", "-0"])
            .to_owned()
    }

    fn scalar(&mut self, depth: usize) -> Expr {
        match self.random.below(if depth > 0 { 13 } else { 6 }) {
            0 => text(self.random.pick(&["time()", "pi()", "start()", "end()", "step()", "range()"])),
            6 | 7 => {
                let operator = self.random.pick(&["+", "-", "*", "/", "%", "^", "atan2", "== bool", "> bool", "<= bool", "!= bool"]);
                let (left, right) = (self.scalar(depth - 1), self.scalar(depth - 1));
                text("(").and(left).then(format!(" {operator} ")).and(right).then(")")
            }
            8 | 9 => text("scalar(").and(self.vector(depth - 1)).then(")"),
            10 => {
                text(self.random.pick(&["min_of(", "max_of("])).and(self.scalar(depth - 1)).then(", ").and(self.scalar(depth - 1)).then(")")
            }
            11 => text("-").and(text("(").and(self.scalar(depth - 1)).then(")")),
            _ => text(self.number()),
        }
    }

    fn vector(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            let metrics: &[&str] = if self.random.percent(20) { &NATIVE } else { &METRICS };
            return self.selector(metrics);
        }
        match self.random.below(32) {
            0..=1 => self.selector(&METRICS),
            2..=5 => text(format!("{}(", self.random.pick(&VECTOR_FUNCTIONS))).and(self.vector(depth - 1)).then(")"),
            6..=11 => {
                let metrics: &[&str] = if self.random.percent(25) { &NATIVE } else { &METRICS };
                text(format!("{}(", self.random.pick(&RANGE_FUNCTIONS))).and(self.matrix_of(depth, metrics)).then(")")
            }
            12..=16 => self.aggregation(depth),
            17..=22 => self.binary(depth),
            23 => text("-").and(text("(").and(self.vector(depth - 1)).then(")")),
            24 => text("(").and(self.vector(depth - 1)).then(")"),
            25 => text("vector(").and(self.scalar(depth - 1)).then(")"),
            26..=27 => self.histogram(depth),
            _ => self.special(depth),
        }
    }

    fn histogram(&mut self, depth: usize) -> Expr {
        let source = match self.random.below(5) {
            0 => text("sum by (le, job) (rate(latency_bucket[5m]))"),
            1 => self.selector(&["latency_bucket"]),
            2 => text(format!(
                "{}(",
                self.random.pick(&["rate", "increase", "sum_over_time", "delta", "irate", "last_over_time", "avg_over_time"])
            ))
            .and(self.matrix_of(1, &NATIVE))
            .then(")"),
            3 => text(self.random.pick(&["sum(", "avg by (job) (", "sum by (instance, le) ("])).and(self.selector(&NATIVE)).then(")"),
            _ => self.selector(&NATIVE),
        };
        match self.random.below(5) {
            0 | 1 => text("histogram_quantile(").and(self.scalar(depth - 1)).then(", ").and(source).then(")"),
            2 => text("histogram_fraction(").and(self.scalar(0)).then(", ").and(self.scalar(depth - 1)).then(", ").and(source).then(")"),
            3 => {
                let (first, second) = (self.number(), self.number());
                text("histogram_quantiles(").and(source).then(format!(", \"q\", {first}, 0.75, {second})"))
            }
            _ => source,
        }
    }

    fn special(&mut self, depth: usize) -> Expr {
        let number = self.number();
        match self.random.below(15) {
            0 => text("clamp(").and(self.vector(depth - 1)).then(", ").and(self.scalar(0)).then(", ").and(self.scalar(depth - 1)).then(")"),
            1 => text(self.random.pick(&["clamp_max(", "clamp_min("]))
                .and(self.vector(depth - 1))
                .then(", ")
                .and(self.scalar(depth - 1))
                .then(")"),
            2 => text("round(").and(self.vector(depth - 1)).then(", ").and(self.scalar(depth - 1)).then(")"),
            3 | 4 => text("quantile_over_time(").and(self.scalar(depth - 1)).then(", ").and(self.matrix(depth)).then(")"),
            5 => text("predict_linear(").and(self.matrix(depth)).then(", ").and(self.scalar(depth - 1)).then(")"),
            6 => text("double_exponential_smoothing(").and(self.matrix(depth)).then(self.random.pick(&[
                ", 0.5, 0.1)",
                ", 0.9, 0.9)",
                ", 1.5, 0.1)",
                ", 0, 0.5)",
            ])),
            7 | 8 => {
                let (to, from) = (self.random.pick(&LABELS), self.random.pick(&LABELS));
                let (with, pattern) = (
                    self.random.pick(&["$1", "x", "", "$1-$2", "${1}z", "$0"]),
                    self.random.pick(&["(.*)", "(.).*", "(a|b):(.*)", "", "(?P<n>.*)", "a.*", "("]),
                );
                text("label_replace(").and(self.vector(depth - 1)).then(format!(", \"{to}\", \"{with}\", \"{from}\", \"{pattern}\")"))
            }
            9 => {
                let (to, from, other) = (self.random.pick(&LABELS), self.random.pick(&LABELS), self.random.pick(&LABELS));
                text("label_join(").and(self.vector(depth - 1)).then(format!(", \"{to}\", \"-\", \"{from}\", \"{other}\")"))
            }
            10 => {
                let more = self.random.pick(&[
                    "",
                    ", {region=~\".+\"}",
                    ", {__name__=\"build_info\"}",
                    ", {__name__=~\".+_info\"}",
                    ", {version=\"v1\"}",
                    ", {region=\"eu\",env=~\".*\"}",
                ]);
                text("info(").and(self.vector(depth - 1)).then(format!("{more})"))
            }
            11 => {
                let (name, label) = (self.random.pick(&["sort_by_label(", "sort_by_label_desc("]), self.random.pick(&LABELS));
                text(name).and(self.vector(depth - 1)).then(format!(", \"{label}\", \"instance\", \"le\")"))
            }
            12 => text(self.random.pick(&["hour()", "minute()", "month()", "day_of_week()", "days_in_month()", "year()", "day_of_year()"])),
            13 => text(format!("start_timestamp({})", self.bare(&METRICS))),
            _ => text(format!("vector({number})")),
        }
    }

    fn labels(&mut self) -> String {
        let mut labels = Vec::new();
        while self.random.percent(60) && labels.len() < 4 {
            labels.push(self.random.pick(&LABELS));
        }
        labels.join(", ")
    }

    fn aggregation(&mut self, depth: usize) -> Expr {
        let grouping = match self.random.below(4) {
            0 => String::new(),
            1 => format!(" without ({})", self.labels()),
            _ => format!(" by ({})", self.labels()),
        };
        let inner = self.vector(depth - 1);
        let (name, parameter) = match self.random.below(20) {
            0 | 1 => (self.random.pick(&["topk", "bottomk"]), Some(text(self.random.pick(&["1", "2", "3", "0", "100", "-1"])))),
            2 | 3 => ("quantile", Some(self.scalar(depth - 1))),
            4 => ("count_values", Some(text(self.random.pick(&["\"v\"", "\"job\"", "\"dots.in\"", "\"\""])))),
            5 | 6 => ("limitk", Some(text(self.random.pick(&["1", "2", "5", "0"])))),
            7 => ("limit_ratio", Some(text(self.random.pick(&["0.5", "-0.5", "0.1", "1", "-0.9", "1.1", "0"])))),
            8 => (self.random.pick(&["topk", "bottomk", "limitk", "limit_ratio"]), Some(self.scalar(depth - 1))),
            _ => (self.random.pick(&AGGREGATIONS), None),
        };
        let before = self.random.percent(50);
        let mut out = text(if before { format!("{name}{grouping} (") } else { format!("{name}(") });
        if let Some(parameter) = parameter {
            out = out.and(parameter).then(", ");
        }
        out.and(inner).then(if before { ")".to_owned() } else { format!("){grouping}") })
    }

    fn binary(&mut self, depth: usize) -> Expr {
        let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2", "</", ">/"];
        let comparison = ["==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "< bool"];
        let (operator, set) = match self.random.below(10) {
            0..=4 => (self.random.pick(&arithmetic), false),
            5..=7 => (self.random.pick(&comparison), false),
            _ => (self.random.pick(&["and", "or", "unless"]), true),
        };
        let (mut matching, mut one_sided) = (String::new(), false);
        let scalar = !set && self.random.percent(30);
        if !scalar && self.random.percent(55) {
            matching = format!(" {} ({})", self.random.pick(&["on", "on", "ignoring"]), self.labels());
            if !set && self.random.percent(45) {
                one_sided = true;
                let labels = self.labels();
                matching.push_str(&match self.random.below(4) {
                    0 => " group_right".to_owned(),
                    1 => format!(" group_right ({labels})"),
                    2 => " group_left".to_owned(),
                    _ => format!(" group_left ({labels})"),
                });
            }
        }
        if !scalar && !set && self.random.percent(10) {
            matching.push_str(self.random.pick(&[" fill(0)", " fill_left(1)", " fill_right(2)", " fill_left(1) fill_right(NaN)"]));
        }
        let (left, right) = if scalar && self.random.percent(50) {
            (self.scalar(depth - 1), self.vector(depth - 1))
        } else if scalar {
            (self.vector(depth - 1), self.scalar(depth - 1))
        } else if self.random.percent(40) {
            // The same on both sides, or what is known to match, so that there is an answer more often.
            let left = self.vector(depth - 1);
            (left.clone(), if one_sided { text("job_limit") } else { left })
        } else if self.random.percent(30) {
            (
                text(self.random.pick(&["requests_total", "up", "queue"])),
                text(self.random.pick(&["build_info", "up", "job_limit", "cpu_seconds_total", "target_info"])),
            )
        } else {
            (self.vector(depth - 1), self.vector(depth - 1))
        };
        text("(").and(left).then(format!(" {operator}{matching} ")).and(right).then(")")
    }
}
