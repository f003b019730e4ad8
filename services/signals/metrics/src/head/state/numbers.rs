//! Numbers of series by the hash of their labels. Collisions of 64 bits hardly come up: they are looked for elsewhere, so that a
//! series takes one small place.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

/// Finds numbers by hashes.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    first: FxHashMap<u64, u32>,
    /// Those whose hash another one had first.
    others: FxHashMap<u64, Vec<u32>>,
}

impl Numbers {
    /// The number for which `is_it` holds, among those with this hash.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let first = self.first.get(&hash).copied()?;
        if is_it(first) {
            return Some(first);
        }
        self.others.get(&hash)?.iter().copied().find(|number| is_it(*number))
    }

    /// Adds a number that is not there.
    pub(super) fn add(&mut self, hash: u64, number: u32) {
        match self.first.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(number);
            }
            Entry::Occupied(_) => self.others.entry(hash).or_default().push(number),
        }
    }

    /// Removes a number.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let mut others = self.others.remove(&hash).unwrap_or_default();
        if self.first.get(&hash) != Some(&number) {
            others.retain(|other| *other != number);
        } else if let Some(next) = others.pop() {
            self.first.insert(hash, next);
        } else {
            self.first.remove(&hash);
        }
        if !others.is_empty() {
            self.others.insert(hash, others);
        }
    }
}

#[cfg(test)]
mod tests;
