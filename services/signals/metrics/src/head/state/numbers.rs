//! Numbers of series by the hash of their labels. An entry has half of the hash: enough to tell series apart but for a few, which are
//! looked at, and enough to grow without a look at any.

use hashbrown::HashTable;

/// Finds numbers by hashes.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    table: HashTable<Entry>,
}

#[derive(Debug)]
struct Entry {
    half: u32,
    number: u32,
}

impl Entry {
    fn hash(&self) -> u64 {
        spread(self.half)
    }
}

impl Numbers {
    /// The number for which `is_it` holds, among those with this hash; it may be asked about a few others.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let half = half(hash);
        self.table.find(spread(half), |entry| entry.half == half && is_it(entry.number)).map(|entry| entry.number)
    }

    /// A number of this hash: with few exceptions the only one.
    pub(super) fn any(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds a number that is not there.
    pub(super) fn add(&mut self, hash: u64, number: u32) {
        let entry = Entry { half: half(hash), number };
        self.table.insert_unique(entry.hash(), entry, Entry::hash);
    }

    /// Removes a number.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let half = half(hash);
        if let Ok(entry) = self.table.find_entry(spread(half), |entry| entry.half == half && entry.number == number) {
            entry.remove();
        }
    }

    /// Gives memory back where most of it is free.
    pub(super) fn shrink(&mut self) {
        if self.table.len() <= self.table.capacity() / 4 {
            self.table.shrink_to(2 * self.table.len(), Entry::hash);
        }
    }

    /// Heap that the numbers take, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.table.allocation_size()
    }
}

/// The upper half of a hash.
fn half(hash: u64) -> u32 {
    u32::try_from(hash >> 32).expect("32 bits are left")
}

/// A hash of all bits that a table looks at, from half of one: multiplied with the golden ratio, as Fibonacci hashing does.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;
