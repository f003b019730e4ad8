//! Whether Quartet has what Prometheus has.
//!
//! Raw samples come first: the five minutes that an ordinary query looks back would hide gaps and doubles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::DrillError;
use super::api::{Api, ApiError, Matrix, Sample, seconds};

/// How far values may lie apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tolerance {
    /// Not at all.
    Bits,
    /// Relative to the greater: the order of additions is free.
    Relative,
}

/// Of values that may differ by rounding.
const RELATIVE: f64 = 1e-12;

/// Differences that are printed.
const SHOWN: usize = 10;

/// How often Prometheus scrapes, in milliseconds.
pub(crate) const SCRAPE: i64 = 2_000;

/// Over a range of so many milliseconds every query has an answer, of what is asked in this drill.
const LONG: i64 = 60_000;

/// Names that one query of raw samples takes together.
const NAMES_AT_ONCE: usize = 40;

/// Times at which ends of series are looked at.
const ENDS_LOOKED_AT: usize = 30;

/// What has been compared so far.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    prometheus: &'a Api,
    quartet: &'a Api,
    /// Milliseconds; samples after `start` and until `end`.
    start: i64,
    end: i64,
    /// Differences, readable; only the first are kept.
    differences: Vec<String>,
    found: usize,
    samples: usize,
    series: usize,
    ends: usize,
    queries: usize,
}

impl<'a> Comparison<'a> {
    /// Of two servers over a range.
    pub(crate) fn new(prometheus: &'a Api, quartet: &'a Api, start: i64, end: i64) -> Self {
        let differences = Vec::new();
        Self { prometheus, quartet, start, end, differences, found: 0, samples: 0, series: 0, ends: 0, queries: 0 }
    }

    /// Raw samples and their counts of every series, and that those which ended have ended.
    pub(crate) fn samples(&mut self) -> Result<(), ApiError> {
        let ends = self.raw()?;
        self.ends(&ends)
    }

    /// Raw samples and their counts of every series. When series ended, with the names of their metrics.
    pub(crate) fn raw(&mut self) -> Result<BTreeMap<i64, BTreeSet<String>>, ApiError> {
        let names = self.prometheus.names(self.start, self.end)?;
        let range = format!("[{}ms]", self.end - self.start);
        let (large, small): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.starts_with("drill_"));
        let groups = large.chunks(1).chain(small.chunks(NAMES_AT_ONCE));
        let mut ends: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for group in groups {
            let matchers = selector(group.iter().map(|name| name.as_str()));
            let expr = format!("{matchers}{range}");
            let (theirs, ours) = (self.prometheus.instant(&expr, self.end)?, self.quartet.instant(&expr, self.end)?);
            self.series += theirs.len();
            self.samples += theirs.values().map(Vec::len).sum::<usize>();
            for (series, samples) in &theirs {
                for at in ends_of(samples, self.end) {
                    let name = series.split('{').next().unwrap_or_default();
                    if let Some(name) = group.iter().find(|known| known.as_str() == name) {
                        ends.entry(at).or_default().insert((*name).clone());
                    }
                }
            }
            self.matrices(&expr, &theirs, &ours, Tolerance::Bits);
        }
        for name in &names {
            self.query(&format!("count_over_time({name}{range})"), None, Tolerance::Bits)?;
        }
        Ok(ends)
    }

    /// At the first step after series end they must be gone, not looked back for.
    fn ends(&mut self, ends: &BTreeMap<i64, BTreeSet<String>>) -> Result<(), ApiError> {
        // Targets are scraped at offsets of their own, so there are many times: an even choice of them.
        let every = ends.len().div_ceil(ENDS_LOOKED_AT).max(1);
        for (at, names) in ends.iter().step_by(every) {
            let expr = selector(names.iter().map(String::as_str));
            let (theirs, ours) = (self.prometheus.instant(&expr, *at)?, self.quartet.instant(&expr, *at)?);
            self.ends += 1;
            self.matrices(&format!("{expr} at {}", seconds(*at)), &theirs, &ours, Tolerance::Bits);
        }
        Ok(())
    }

    /// One query: at the end, or over the range in steps of so many milliseconds.
    pub(crate) fn query(&mut self, expr: &str, step: Option<i64>, tolerance: Tolerance) -> Result<(), ApiError> {
        let ask = |api: &Api| match step {
            None => api.instant(expr, self.end),
            Some(step) => api.range(expr, self.start, self.end, step),
        };
        let (theirs, ours) = (ask(self.prometheus)?, ask(self.quartet)?);
        self.queries += 1;
        if theirs.is_empty() && step.is_some() && self.end - self.start >= LONG {
            self.differ(format!("{expr}: Prometheus has no answer, so the query shows nothing"));
        }
        self.matrices(expr, &theirs, &ours, tolerance);
        Ok(())
    }

    fn matrices(&mut self, what: &str, theirs: &Matrix, ours: &Matrix, tolerance: Tolerance) {
        let what = match what.char_indices().nth(160) {
            Some((end, _)) => &what[..end],
            None => what,
        };
        for (series, samples) in theirs {
            match ours.get(series) {
                None => self.differ(format!("{what}: {series} is missing, {} samples", samples.len())),
                Some(mine) => self.series_of(&format!("{what}: {series}"), samples, mine, tolerance),
            }
        }
        for (series, samples) in ours.iter().filter(|(series, _)| !theirs.contains_key(*series)) {
            self.differ(format!("{what}: {series} is not Prometheus's, {} samples", samples.len()));
        }
    }

    fn series_of(&mut self, what: &str, theirs: &[Sample], ours: &[Sample], tolerance: Tolerance) {
        let (mut left, mut right) = (theirs.iter().peekable(), ours.iter().peekable());
        loop {
            match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some(a), Some(b)) if a.at == b.at => {
                    if !equal(**a, **b, tolerance) {
                        self.differ(format!("{what} at {}: {} instead of {}", seconds(a.at), b.value(), a.value()));
                    }
                    left.next();
                    right.next();
                }
                (Some(a), b) if b.is_none_or(|b| a.at < b.at) => {
                    self.differ(format!("{what} at {}: no sample instead of {}", seconds(a.at), a.value()));
                    left.next();
                }
                (_, Some(b)) => {
                    self.differ(format!("{what} at {}: {} that Prometheus does not have", seconds(b.at), b.value()));
                    right.next();
                }
                (Some(_), None) => return,
            }
        }
    }

    fn differ(&mut self, text: String) {
        self.found += 1;
        if self.differences.len() < SHOWN {
            self.differences.push(text);
        }
    }

    /// What was compared in a stage of a drill, all of it equal. Errors: something differs, or there was nothing to compare.
    pub(crate) fn passed(self, stage: &str) -> Result<String, DrillError> {
        if self.samples == 0 {
            return Err(DrillError::Broken(format!("{stage}: Prometheus has no samples: nothing was compared")));
        }
        self.finish().map_err(|text| DrillError::Differs { stage: stage.to_owned(), text })
    }

    /// What differs, if anything.
    fn finish(self) -> Result<String, String> {
        if self.found == 0 {
            return Ok(self.to_string());
        }
        let shown = self.differences.join("\n    ");
        Err(format!("{} differences over {}…{}, the first:\n    {shown}", self.found, seconds(self.start), seconds(self.end)))
    }

    /// How many ends of series were looked at.
    pub(crate) fn ends_seen(&self) -> usize {
        self.ends
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, series, ends, queries, .. } = self;
        write!(f, "{samples} samples of {series} series equal, ends at {ends} times, {queries} queries")
    }
}

fn equal(a: Sample, b: Sample, tolerance: Tolerance) -> bool {
    if a.bits == b.bits {
        return true;
    }
    match tolerance {
        Tolerance::Bits => false,
        Tolerance::Relative => (a.value() - b.value()).abs() <= RELATIVE * a.value().abs().max(b.value().abs()),
    }
}

/// Times just after the first scrape that did not see a series any more: where it has a gap, and where it ended for good.
fn ends_of(samples: &[Sample], end: i64) -> impl Iterator<Item = i64> {
    let next = samples.iter().skip(1).map(|sample| sample.at).chain([end]);
    samples
        .iter()
        .zip(next)
        .filter(|(sample, next)| next - sample.at > SCRAPE * 3 / 2)
        .map(|(sample, _)| {
            // Up to the next half second, so that the ends of one scrape are looked at together.
            (sample.at + SCRAPE + 499).div_euclid(500) * 500
        })
        .filter(move |at| *at <= end)
}

fn selector<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [name] => format!("{{__name__=\"{name}\"}}"),
        names => format!("{{__name__=~\"{}\"}}", names.join("|")),
    }
}

#[cfg(test)]
mod tests;
