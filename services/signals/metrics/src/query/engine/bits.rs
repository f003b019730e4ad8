//! Which steps of a row hold a value: one bit each, in words of 64.

/// Words that `steps` bits take.
pub(crate) const fn words(steps: usize) -> usize {
    steps.div_ceil(64)
}

/// True when the bit of `step` is set.
pub(crate) fn get(bits: &[u64], step: usize) -> bool {
    bits[step / 64] >> (step % 64) & 1 == 1
}

/// Sets the bit of `step`.
pub(crate) fn set(bits: &mut [u64], step: usize) {
    bits[step / 64] |= 1 << (step % 64);
}

/// Clears the bit of `step`.
pub(crate) fn clear(bits: &mut [u64], step: usize) {
    bits[step / 64] &= !(1 << (step % 64));
}

/// True when any bit is set.
pub(crate) fn any(bits: &[u64]) -> bool {
    bits.iter().any(|word| *word != 0)
}

/// How many bits are set.
pub(crate) fn count(bits: &[u64]) -> usize {
    bits.iter().map(|word| word.count_ones() as usize).sum()
}

/// The first and the last step whose bit is set.
pub(crate) fn ends(bits: &[u64]) -> Option<(usize, usize)> {
    let first = bits.iter().position(|word| *word != 0)?;
    let last = bits.iter().rposition(|word| *word != 0)?;
    Some((first * 64 + bits[first].trailing_zeros() as usize, last * 64 + 63 - bits[last].leading_zeros() as usize))
}

/// A row of `steps` bits that are all set.
pub(crate) fn all(steps: usize) -> Vec<u64> {
    let mut bits = vec![u64::MAX; words(steps)];
    if !steps.is_multiple_of(64)
        && let Some(last) = bits.last_mut()
    {
        *last = (1 << (steps % 64)) - 1;
    }
    bits
}

/// `into |= from`.
pub(crate) fn union(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into |= from;
    }
}

/// `into &= !from`.
pub(crate) fn subtract(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into &= !from;
    }
}

/// The bits that both have.
pub(crate) fn both(one: &[u64], other: &[u64]) -> Vec<u64> {
    one.iter().zip(other).map(|(one, other)| one & other).collect()
}

/// The first step that both have.
pub(crate) fn first_common(one: &[u64], other: &[u64]) -> Option<usize> {
    one.iter().zip(other).enumerate().find_map(|(index, (one, other))| {
        let common = one & other;
        (common != 0).then(|| index * 64 + common.trailing_zeros() as usize)
    })
}

/// The steps whose bits are set, rising.
pub(crate) fn ones(bits: &[u64]) -> impl Iterator<Item = usize> + '_ {
    bits.iter().enumerate().flat_map(|(index, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            (left != 0).then(|| {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                index * 64 + bit
            })
        })
    })
}
