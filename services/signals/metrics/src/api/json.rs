//! JSON as Prometheus writes it. Written by hand: an answer can hold millions of samples.

use std::io::Write;

use crate::histogram::Histogram;
use crate::model::{Labels, Sample};

/// Appends a string.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string is written to memory");
}

/// Appends the items of a list, commas between them.
pub(super) fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut put: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(out, item);
    }
    out.push(b']');
}

/// Appends labels as an object.
pub(super) fn labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(out, name);
        out.push(b':');
        text(out, value);
    }
    out.push(b'}');
}

/// Appends a time in ms as seconds: without a fraction, or with three digits of it.
pub(super) fn timestamp(out: &mut Vec<u8>, ms: i64) {
    let (seconds, fraction) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let sign = if ms < 0 { "-" } else { "" };
    let written = if fraction == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{fraction:03}") };
    written.expect("memory takes all that is written");
}

/// Appends a value in quotes: as few digits as name it, no exponent (Go's format `f` with precision -1).
pub(super) fn value(out: &mut Vec<u8>, value: f64) {
    /// Below it all integers are exact, and faster to write than as floats.
    const INTEGERS: f64 = 9_007_199_254_740_992.0;
    let written = if value.is_nan() {
        write!(out, "\"NaN\"")
    } else if value.is_infinite() {
        write!(out, "{}", if value > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" })
    } else if value.fract() == 0.0 && value.abs() < INTEGERS && (value != 0.0 || value.is_sign_positive()) {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let whole = value as i64;
        write!(out, "\"{whole}\"")
    } else {
        write!(out, "\"{value}\"")
    };
    written.expect("memory takes all that is written");
}

/// Appends a sample: `[1768474800,"1"]`.
pub(super) fn sample(out: &mut Vec<u8>, sample: Sample) {
    out.push(b'[');
    timestamp(out, sample.t);
    out.push(b',');
    value(out, sample.v);
    out.push(b']');
}

/// Appends a histogram with its time: `[1768474800,{"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}]`. A bucket tells which of its
/// bounds belong to it, its bounds, and its observations; empty ones are left out.
pub(super) fn histogram_sample(out: &mut Vec<u8>, t: i64, histogram: &Histogram) {
    out.push(b'[');
    timestamp(out, t);
    out.extend_from_slice(b",{\"count\":");
    exact(out, histogram.count);
    out.extend_from_slice(b",\"sum\":");
    exact(out, histogram.sum);
    let mut buckets = histogram.rising().filter(|bucket| bucket.count != 0.0).peekable();
    if buckets.peek().is_some() {
        out.extend_from_slice(b",\"buckets\":");
        list(out, buckets, |out, bucket| {
            out.extend_from_slice(&[b'[', b'0' + bucket.rule()]);
            for float in [bucket.lower, bucket.upper, bucket.count] {
                out.push(b',');
                exact(out, float);
            }
            out.push(b']');
        });
    }
    out.extend_from_slice(b"}]");
}

/// Appends a float in quotes as few digits as name it, with an exponent where it is very small or very large: bounds of buckets can be.
fn exact(out: &mut Vec<u8>, float: f64) {
    let magnitude = float.abs();
    if magnitude != 0.0 && magnitude.is_finite() && !(1e-6..1e21).contains(&magnitude) {
        write!(out, "\"{float:e}\"").expect("memory takes all that is written");
    } else {
        value(out, float);
    }
}

/// Begins a success; `data` follows.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"status":"success","data":"#);
}

/// Ends a success with what there is to remark.
pub(super) fn end(out: &mut Vec<u8>, warnings: &[String], infos: &[String]) {
    for (name, remarks) in [("warnings", warnings), ("infos", infos)] {
        if !remarks.is_empty() {
            write!(out, ",\"{name}\":").expect("memory takes all that is written");
            list(out, remarks, |out, remark| text(out, remark));
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
