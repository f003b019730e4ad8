//! Values of a packed chunk. What exporters write are decimal numbers with few digits: as whole numbers their differences are small.

use super::{corrupt, numbers};
use crate::chunk::ChunkError;
use crate::model::Sample;
use crate::wire::codec::{DecodeError, Reader, put_len, put_varint};

const CONSTANT: u8 = 0;
const DECIMAL: u8 = 1;
const DOUBLES: u8 = 2;
const BITS: u8 = 3;

/// Powers of ten that a double holds exactly, so that a division by one rounds once, as reading the decimal number did.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Whole numbers stay below this: up to 2^53 a double holds each.
const LIMIT: f64 = 9_007_199_254_740_992.0;

/// Above this power the numbers may be doubles by chance only, and are tried as such too.
const PLAUSIBLE_POWER: usize = 6;

pub(super) fn encode(samples: &[Sample], out: &mut Vec<u8>) {
    let Some(first) = samples.first() else { return };
    let bits = first.v.to_bits();
    if samples.iter().all(|sample| sample.v.to_bits() == bits) {
        out.push(CONSTANT);
        out.extend(bits.to_le_bytes());
        return;
    }
    let decimal = Decimal::of(samples);
    let is_plain = decimal.as_ref().is_some_and(|decimal| decimal.exceptions.is_empty() && decimal.power <= PLAUSIBLE_POWER);
    let decimal = decimal.and_then(|decimal| decimal.encode());
    let doubles = if is_plain && decimal.is_some() { None } else { doubles(samples) };
    let smallest = [decimal, doubles].into_iter().flatten().min_by_key(Vec::len);
    match smallest.filter(|encoded| encoded.len() < 8 * samples.len()) {
        Some(encoded) => out.extend(encoded),
        None => {
            out.push(BITS);
            out.extend(samples.iter().flat_map(|sample| sample.v.to_bits().to_le_bytes()));
        }
    }
}

/// Values as whole numbers.
struct Decimal {
    power: usize,
    numbers: Vec<i64>,
    /// Values that are no such number, by their index.
    exceptions: Vec<(usize, u64)>,
}

impl Decimal {
    /// None where too many values are exceptions.
    fn of(samples: &[Sample]) -> Option<Self> {
        let most = samples.len() / 8;
        let (mut power, mut strange) = (0, 0);
        for sample in samples {
            match (power..POWERS.len()).find(|power| scaled(sample.v, *power).is_some()) {
                Some(least) => power = least,
                None => strange += 1,
            }
            if strange > most {
                return None;
            }
        }
        let (mut numbers, mut exceptions) = (Vec::with_capacity(samples.len()), Vec::new());
        let mut last = samples.iter().find_map(|sample| scaled(sample.v, power))?;
        for (index, sample) in samples.iter().enumerate() {
            match scaled(sample.v, power) {
                Some(number) => last = number,
                None => exceptions.push((index, sample.v.to_bits())),
            }
            numbers.push(last);
        }
        (exceptions.len() <= most).then_some(Self { power, numbers, exceptions })
    }

    fn encode(self) -> Option<Vec<u8>> {
        let mut out = vec![DECIMAL, u8::try_from(self.power).ok()?];
        put_len(&mut out, self.exceptions.len());
        let mut before = 0;
        for (index, bits) in self.exceptions {
            put_varint(&mut out, (index - before) as u64);
            out.extend(bits.to_le_bytes());
            before = index;
        }
        out.extend(numbers::compress(&self.numbers)?);
        Some(out)
    }
}

/// The whole number that gives back exactly this value, divided by the power of ten. None for what has none: NaN, infinities, -0, and
/// numbers with too many digits.
fn scaled(value: f64, power: usize) -> Option<i64> {
    let number = (value * POWERS[power]).round();
    // Also false for NaN.
    if number.abs() < LIMIT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        let number = number as i64;
        return (unscaled(number, POWERS[power]).to_bits() == value.to_bits()).then_some(number);
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "what is written lies below 2^53; of garbage any value may come")]
fn unscaled(number: i64, power: f64) -> f64 {
    number as f64 / power
}

/// Values as doubles; none if they would not come back bit by bit.
fn doubles(samples: &[Sample]) -> Option<Vec<u8>> {
    let values: Vec<f64> = samples.iter().map(|sample| sample.v).collect();
    let compressed = numbers::compress(&values)?;
    let mut back = vec![0.0f64; values.len()];
    numbers::decompress(&mut Reader::new(&compressed), &mut back).ok()?;
    let same = values.iter().zip(&back).all(|(one, other)| one.to_bits() == other.to_bits());
    let mut out = vec![DOUBLES];
    out.extend(compressed);
    same.then_some(out)
}

/// Gives each sample its value.
pub(super) fn decode(from: &mut Reader<'_>, into: &mut [Sample]) -> Result<(), ChunkError> {
    let wrong = |_: DecodeError| corrupt("values");
    if into.is_empty() {
        return Ok(());
    }
    match from.byte().map_err(wrong)? {
        CONSTANT => {
            let value = f64::from_bits(from.u64_le().map_err(wrong)?);
            into.iter_mut().for_each(|sample| sample.v = value);
        }
        DECIMAL => decode_decimal(from, into)?,
        DOUBLES => {
            let mut values = vec![0.0; into.len()];
            numbers::decompress(from, &mut values)?;
            into.iter_mut().zip(values).for_each(|(sample, value)| sample.v = value);
        }
        BITS => {
            for sample in into {
                sample.v = f64::from_bits(from.u64_le().map_err(wrong)?);
            }
        }
        _ => return Err(corrupt("values")),
    }
    Ok(())
}

fn decode_decimal(from: &mut Reader<'_>, into: &mut [Sample]) -> Result<(), ChunkError> {
    let wrong = |_: DecodeError| corrupt("values");
    let power = POWERS.get(usize::from(from.byte().map_err(wrong)?)).ok_or_else(|| corrupt("power of ten"))?;
    // Read twice: they stand before the numbers and are put over them.
    let mut exceptions = from.clone();
    skip_exceptions(from).map_err(wrong)?;
    let mut numbers = vec![0i64; into.len()];
    numbers::decompress(from, &mut numbers)?;
    for (sample, number) in into.iter_mut().zip(numbers) {
        sample.v = unscaled(number, *power);
    }
    let mut index = 0usize;
    for _ in 0..exceptions.count(9).map_err(wrong)? {
        let step = usize::try_from(exceptions.varint().map_err(wrong)?).map_err(|_| corrupt("exceptions"))?;
        index = index.checked_add(step).ok_or_else(|| corrupt("exceptions"))?;
        into.get_mut(index).ok_or_else(|| corrupt("exceptions"))?.v = f64::from_bits(exceptions.u64_le().map_err(wrong)?);
    }
    Ok(())
}

fn skip_exceptions(from: &mut Reader<'_>) -> Result<(), DecodeError> {
    for _ in 0..from.count(9)? {
        from.varint()?;
        from.u64_le()?;
    }
    Ok(())
}
