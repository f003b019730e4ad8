//! Times of a packed chunk. A scrape's interval is steady, so that a day is a few bytes; a run that jitters is a grid and what it misses it by.

use super::{corrupt, numbers};
use crate::chunk::ChunkError;
use crate::model::Sample;
use crate::wire::codec::{DecodeError, Reader, put_bytes, put_varint};

const RUNS: u8 = 0;
const NUMBERS: u8 = 1;

pub(super) fn encode(samples: &[Sample], out: &mut Vec<u8>) {
    let runs = runs(samples);
    // A run takes three bytes and more, a time beside the grid seldom two.
    let jittering = (runs.len() > 2 + samples.len() / 4).then(|| numbers(samples)).flatten();
    out.extend(jittering.filter(|numbers| numbers.len() < runs.len()).unwrap_or(runs));
}

fn steps(samples: &[Sample]) -> impl Iterator<Item = u64> {
    samples.windows(2).map(|pair| pair[1].t.abs_diff(pair[0].t))
}

fn runs(samples: &[Sample]) -> Vec<u8> {
    let mut out = vec![RUNS];
    let mut open: Option<(u64, u64)> = None;
    for step in steps(samples) {
        match &mut open {
            Some((known, times)) if *known == step => *times += 1,
            _ => {
                put_run(&mut out, open.replace((step, 1)));
            }
        }
    }
    put_run(&mut out, open);
    out
}

fn put_run(out: &mut Vec<u8>, run: Option<(u64, u64)>) {
    if let Some((step, times)) = run {
        put_varint(out, step);
        put_varint(out, times);
    }
}

/// None where a time lies too far from the grid.
fn numbers(samples: &[Sample]) -> Option<Vec<u8>> {
    let mut all: Vec<u64> = steps(samples).collect();
    let middle = all.len() / 2;
    let (_, step, _) = all.select_nth_unstable(middle);
    let mut at = samples.first()?.t;
    let step = i64::try_from(*step).ok()?;
    let mut beside = Vec::with_capacity(samples.len());
    for sample in samples {
        beside.push(sample.t.checked_sub(at)?);
        at = at.checked_add(step)?;
    }
    let mut out = vec![NUMBERS];
    put_varint(&mut out, step.cast_unsigned());
    put_bytes(&mut out, &numbers::compress(&beside)?);
    Some(out)
}

/// Appends samples with their times and the value 0.
pub(super) fn decode(from: &mut Reader<'_>, first: i64, count: u16, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let wrong = |_: DecodeError| corrupt("times");
    match from.byte().map_err(wrong)? {
        RUNS => decode_runs(from, first, count, into),
        NUMBERS => {
            let step = from.varint().map_err(wrong)?.cast_signed();
            let mut beside = vec![0i64; usize::from(count)];
            numbers::decompress(&mut Reader::new(from.bytes().map_err(wrong)?), &mut beside)?;
            let mut grid = first;
            let mut last = None;
            for (at, beside) in (0..count).zip(beside) {
                let t = grid.wrapping_add(beside);
                if last.is_some_and(|last| t <= last) {
                    return Err(ChunkError::Order { at });
                }
                into.push(Sample { t, v: 0.0 });
                last = Some(t);
                grid = grid.wrapping_add(step);
            }
            Ok(())
        }
        _ => Err(corrupt("times")),
    }
}

fn decode_runs(from: &mut Reader<'_>, first: i64, count: u16, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let wrong = |_: DecodeError| corrupt("times");
    if count == 0 {
        return Ok(());
    }
    into.reserve(usize::from(count));
    into.push(Sample { t: first, v: 0.0 });
    let (mut t, mut left) = (first, u64::from(count) - 1);
    while left > 0 {
        let (step, times) = (from.varint().map_err(wrong)?, from.varint().map_err(wrong)?);
        let overflows = step.checked_mul(times).and_then(|whole| t.checked_add_unsigned(whole)).is_none();
        if step == 0 || times == 0 || times > left || overflows {
            return Err(corrupt("times"));
        }
        for _ in 0..times {
            t = t.wrapping_add_unsigned(step);
            into.push(Sample { t, v: 0.0 });
        }
        left -= times;
    }
    Ok(())
}
